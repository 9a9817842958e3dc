"""``simplenn summary``: sizes, parameters, operations and memory of a network."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.console import make_console, say

if TYPE_CHECKING:
    from rich.table import Table

    from ..network.config import NetConfig
    from ..tools.summary import Summary

_DESCRIPTION = """\
Show the sizes, parameters, operations and memory of every layer of a network.

The letters are the lecture's: the input of layer m is a x b pixels in d channels, padding p
makes it a_pad x b_pad, an h x h filter with stride s gives a_conv x b_conv, and pooling with
h_pool gives the next layer's a x b, in d_next channels.  A batch of l images costs ONE product

    S^m = W^m phi(pad(Z^m)),   W^m is m x k, phi is k x n with n = a_conv*b_conv*l,

which takes 2*m*n*k operations in the forward pass.  A training step costs about three times as
much, because the backward pass has two more products per layer; layer 1 does not need the
gradient of its input.  Nothing is trained and nothing large is allocated."""

_EPILOG = """\
examples:
  simplenn summary layer4                         simpleNN's demo network, 28x28x1 images
  simplenn summary vgg11 --batch-size 512         does a larger batch fit into memory?
  simplenn summary layer4 --image-shape 32x32x3   the same layers for colour images
  simplenn summary mynet.config                   a configuration file of simpleNN
  simplenn summary runs/digits/model.npz --json   a trained network, for a script"""

_PRESET_SHAPES = {
    "digits": (8, 8, 1),
    "layer4": (28, 28, 1),
    "layer7": (32, 32, 3),
    "vgg11": (32, 32, 3),
}
_PIPE_WIDTH = 100  # columns if the output is not a terminal


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``summary`` to the parser of the command line."""
    presets = ", ".join(f"{k} ({'x'.join(map(str, v))})" for k, v in _PRESET_SHAPES.items())
    parser = subparsers.add_parser(
        "summary",
        help="show a network's sizes, parameters, operations and memory",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "network",
        metavar="CONFIG|PRESET|MODEL",
        help=f"a .config file; a preset, with the size of its images: {presets}; a saved "
        "model.npz or a run folder",
    )
    parser.add_argument(
        "--batch-size", type=int, default=128, metavar="N", help="images l per batch (%(default)s)"
    )
    parser.add_argument(
        "--dtype", metavar="D", help="float32 or float64 (float32; for a model its own)"
    )
    parser.add_argument(
        "--engine", default="", metavar="E", help="engine that runs the layers: direct or lecture"
    )
    parser.add_argument(
        "--image-shape", metavar="HxWxD", help="height, width and channels of the images"
    )
    parser.add_argument("--classes", type=int, metavar="N", help="number of classes (presets: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON, with exact numbers")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the summary of `args.network`; return the exit status.

    Raises
    ------
    UserError
        If there is no such network, its sizes are impossible, or an option is out of range.
    """
    from ..tools.summary import summarise

    config, dtype = find_network(args)
    summary = summarise(config, args.batch_size, args.dtype or dtype, args.engine)
    if args.json:
        import json

        print(json.dumps({"network": args.network, **summary.as_dict()}, indent=2))
        return 0
    _print(args.network, config, summary)
    return 0


def find_network(args: argparse.Namespace) -> tuple[NetConfig, str]:
    """Return the network that `args.network` names.

    Parameters
    ----------
    args : Namespace
        The options network, image_shape and classes.

    Returns
    -------
    config : NetConfig
    dtype : str
        The dtype of a saved model, else "float32".

    Raises
    ------
    UserError
        If there is no such network, its sizes are impossible, or an option does not apply.
    """
    from ..errors import ConfigError, OptionError, closest
    from ..network.config import NetConfig
    from ..network.presets import PRESETS

    name, path = args.network, Path(args.network)
    shape = _shape(args.image_shape) if args.image_shape else None
    if name in PRESETS:
        classes = 10 if args.classes is None else args.classes
        return NetConfig.preset(name, *(shape or _PRESET_SHAPES[name]), classes), "float32"
    if path.is_dir() or path.suffix.lower() == ".npz":
        from .predict import load_model

        if shape or args.classes is not None:
            raise OptionError(
                f"{name}: a trained model has its own image shape and classes; "
                "leave --image-shape and --classes out"
            )
        model = load_model(path)
        return model.config, model.theta.dtype.name
    if not path.exists():
        raise ConfigError(
            f"{name!r} is not a preset, and there is no such file; use one of "
            f"{', '.join(PRESETS)}, or the path of a .config file or a model.npz"
            f"{closest(name, list(PRESETS))}"
        )
    config = NetConfig.read(path)
    if shape:
        a, b, d = shape
        channels = (d, *config.ch_input[1:])
        config = replace(config, ht_input=a, wd_input=b, ch_input=channels)
    if args.classes is not None:
        config = replace(config, full_neurons=(*config.full_neurons[:-1], args.classes))
    return config, "float32"


def _shape(text: str) -> tuple[int, int, int]:
    import re

    from ..errors import OptionError

    match = re.fullmatch(
        r"([1-9]\d{0,8})x([1-9]\d{0,8})(?:x([1-9]\d{0,8}))?", text.lower(), re.ASCII
    )
    if match is None:
        raise OptionError(
            f"--image-shape is {text!r}; it must be height, width and channels, "
            "three whole numbers from 1, such as 28x28x1"
        )
    a, b, d = match.groups(default="1")
    return int(a), int(b), int(d)


def _print(name: str, config: NetConfig, summary: Summary) -> None:
    from ..runtime.units import human_bytes

    console = make_console(plain_width=_PIPE_WIDTH)
    a, b, d = config.image_shape
    layers = f"{config.LC} convolutional and {config.LF} fully connected"
    if config.rank:
        layers += f", {sum(map(bool, config.rank))} of them factored, W = U V"
    say(f"{name}: {a}x{b}x{d} images, {config.nL} classes, layers: {layers}")
    if config.LC:
        console.print(_sizes(summary))
    console.print(_costs(summary))
    l, buffers = summary.batch_size, sum(summary.buffers.values())
    say(f"forward, step: operations per batch of l = {l} images; step: a training step")
    say(
        f"memory of a step: {human_bytes(buffers)} of buffers ({summary.engine} engine, "
        f"{summary.dtype}), {human_bytes(summary.solver_bytes)} for theta, v and gradient"
    )
    need, free = human_bytes(summary.total_bytes), human_bytes(summary.free_bytes)
    if summary.fits:
        say(f"{need} in total, without the data: fits, {free} are free")
    else:
        console.print(
            f"{need} in total, without the data: does NOT fit, only {free} are free; "
            "use a smaller --batch-size",
            style="bold red",
        )


def _sizes(summary: Summary) -> Table:
    """Return the table of the convolutional layers' sizes, under the lecture's letters."""
    layers = [layer for layer in summary.layers if layer.is_convolutional]
    table = _table()
    for letter in ("m", *layers[0].sizes):
        table.add_column(letter, justify="right", no_wrap=True)
    for layer in layers:
        table.add_row(layer.name, *map(str, layer.sizes.values()))
    return table


def _costs(summary: Summary) -> Table:
    """Return the table of all layers' parameters, operations and memory, with totals."""
    from ..runtime.units import human_bytes, human_operations

    totals = {
        "m": "",
        "layer": "total",
        "W (m x k)": "",
        "n": "",
        "parameters": f"{summary.parameters:,}",
        "forward": human_operations(summary.operations),
        "step": human_operations(summary.step_operations),
        "Z^m": human_bytes(sum(layer.Z_bytes for layer in summary.layers)),
        "phi": human_bytes(sum(layer.phi_bytes for layer in summary.layers)),
    }
    table = _table()
    table.show_footer = True
    for heading, total in totals.items():
        table.add_column(heading, total, justify="right", no_wrap=True)
    for layer in summary.layers:
        rows, inner, columns = layer.product
        table.add_row(
            layer.name,
            "conv" if layer.is_convolutional else "full",
            f"{rows} x {inner}",
            f"{columns:,}",
            f"{layer.parameters:,}",
            human_operations(layer.operations),
            human_operations(layer.step_operations),
            human_bytes(layer.Z_bytes),
            human_bytes(layer.phi_bytes) if layer.is_convolutional else "-",
        )
    return table


def _table() -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
