"""PyTorch with oneDNN; images in NCHW or in channels_last order.

The settings were chosen by experiment.  Huge pages for its allocations gain up to a third.  Fused
and foreach SGD are equally fast.  ``torch.compile`` makes a training step slower, and for
prediction a frozen trace is as fast as ``torch.compile``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from simplenn_py.model.model import Model
from simplenn_py.runtime.threads import available

from ..case import LR, MOMENTUM, Case, Runner


class _Flatten(nn.Module):
    """Pixels before channels: for images in channels_last order a view, not a copy."""

    def forward(self, Z: torch.Tensor) -> torch.Tensor:
        return Z.permute(0, 2, 3, 1).flatten(1)


def build(case: Case, variant: str) -> Runner:
    torch.set_num_threads(available())
    last = variant == "channels-last"
    order = torch.channels_last if last else torch.contiguous_format
    net = _network(case, case.model, last).to(memory_format=order)
    images = torch.from_numpy(case.images).permute(0, 3, 1, 2).contiguous(memory_format=order)
    target = torch.from_numpy(case.one_hot)
    version = f"torch {torch.__version__}"

    if case.kind == "predict":
        with torch.no_grad():
            frozen = torch.jit.freeze(torch.jit.trace(net.eval(), images))
            frozen = torch.jit.optimize_for_inference(frozen)  # convolution and ReLU in one

        def predict() -> Any:
            with torch.inference_mode():
                return frozen(images)

        return Runner(predict, lambda z: case.loss(z.numpy()), version)

    if case.kind == "gv":
        theta = {k: p.detach() for k, p in net.named_parameters()}
        along = _network(case, case.direction, last).to(memory_format=order)
        v = {k: p.detach() for k, p in along.named_parameters()}

        def outputs(theta: Any) -> Any:
            return torch.func.functional_call(net, theta, (images,))

        _, JTu = torch.func.vjp(outputs, theta)  # serves all products at this theta

        def product() -> Any:
            _, Jv = torch.func.jvp(outputs, (theta,), (v,))
            return JTu(2 / case.batch * Jv)[0]

        return Runner(product, lambda Gv: sum(float((v[k] * Gv[k]).sum()) for k in v), version)

    solver = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM, fused=True)

    def step() -> float:
        solver.zero_grad(set_to_none=True)
        loss = ((net(images) - target) ** 2).sum() / case.batch
        loss.backward()
        solver.step()
        return loss.item()

    return Runner(step, float, version)


def _network(case: Case, model: Model, channels_last: bool) -> nn.Sequential:
    config, layers = case.config, []
    for g, W, bias in zip(config.conv_layers, case.filters(model), model.bias, strict=False):
        conv = nn.Conv2d(g.d, g.d_next, g.h, stride=g.s, padding=g.p)
        layers += [_set(conv, W, bias), nn.ReLU()]
        if g.h_pool > 1:
            layers.append(nn.MaxPool2d(g.h_pool))
    layers.append(_Flatten() if channels_last else nn.Flatten())
    biases = model.bias[config.LC :]
    for W, bias in zip(case.matrices(model, not channels_last), biases, strict=True):
        layers += [_set(nn.Linear(W.shape[1], W.shape[0]), W, bias), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _set(layer: Any, W: Any, bias: Any) -> Any:
    layer.weight = nn.Parameter(torch.from_numpy(W.copy(order="C")))
    layer.bias = nn.Parameter(torch.from_numpy(bias.copy()))
    return layer
