"""The numbers of ``simplenn explain``: convolutional layers for one image, as a browser page.

The routines of ``simplenn_py.cnn`` compute every number here, in float64: the forward pass
through the network, then the backward pass by (3), (4) and (5).  The page only draws them.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cnn.operators.loss import get_loss
from ...cnn.operators.padding import padding, unpad
from ...cnn.operators.phi import padding_and_phiZ, vTP_phi
from ...cnn.operators.pooling import maxpooling, vTP_pool
from ...cnn.operators.relu import bias_relu, mask, relu
from ...errors import ConfigError, DataError, OptionError, shown
from ...layout import Array, ConvGeometry, vec
from ...model.model import Model
from .picture import Picture, thumbnail

if TYPE_CHECKING:
    from ...network.config import NetConfig

_FILTERS = 4  # maximum number of rows of W on the page
_PHI_ROWS = 27  # maximum number of rows of phi on the page, but at least one whole channel
_PHI_ENTRIES = 20_000  # maximum number of entries of phi on the page
_SMALL = 6  # minimum height and width of the layer's input for an untrained network
_LARGEST = 2_000_000  # maximum size of a page in bytes
_PAGE = Path(__file__).with_name("page")


def smaller(config: NetConfig, m: int = 1) -> NetConfig:
    """Return the same layers on the smallest image, 8x8 or more, that gives layer m 6x6 pixels.

    Parameters
    ----------
    config : NetConfig
    m : int
        Number of the layer to show, from 1.

    Returns
    -------
    NetConfig
        `config` itself if no smaller image is large enough.
    """
    a, b, _ = config.image_shape

    def on(n: int) -> NetConfig:
        return replace(config, ht_input=min(a, n), wd_input=min(b, n))

    def suffices(n: int) -> bool:
        try:
            g = on(n).conv_layers[m - 1]
        except ConfigError:  # a later layer would have no pixel
            return False
        return min(g.a, g.b) >= _SMALL

    sides = range(8, max(a, b))
    place = bisect_left(sides, True, key=suffices)  # every size of a layer grows with n
    return on(sides[place]) if place < len(sides) else config


def choose_layers(config: NetConfig, layer: int | None) -> list[int]:
    """Return the numbers of the layers to explain.

    Parameters
    ----------
    config : NetConfig
    layer : int or None
        Number of a convolutional layer, from 1; None chooses all of them.

    Returns
    -------
    list of int

    Raises
    ------
    OptionError
        If there is no such layer, or the network has no convolutional layer.
    """
    if config.LC == 0:
        raise OptionError(
            "the network has no convolutional layer to explain; choose another network"
        )
    if layer is None:
        return list(range(1, config.LC + 1))
    if not 1 <= layer <= config.LC:
        raise OptionError(
            f"--layer is {layer}; it must be one of the convolutional layers, 1 to {config.LC}"
        )
    return [layer]


# -- the numbers


def forward_layer(g: ConvGeometry, W: Array, bias: Array, Z: Array) -> dict[str, Array]:
    """Run the forward pass of a convolutional layer for one image and keep every step.

        S = W phi(pad(Z)) + bias 1',   Z^{m+1} = pool(sigma(S))

    Parameters
    ----------
    g : ConvGeometry
    W : ndarray of float64, shape (d_next, h*h*d)
    bias : ndarray of float64, shape (d_next,)
    Z : ndarray of float64, shape (d, a*b), Fortran order

    Returns
    -------
    dict of ndarray
        Z, padZ, phiZ, W, bias, product, S, sigma, Z_next and idx_pool, in the lecture's shapes.

    Notes
    -----
    Section A of the lecture.
    """
    phiZ = padding_and_phiZ(Z, g)
    product = np.asfortranarray(W @ phiZ)
    S = bias_relu(product.copy(order="F"), bias, activate=False)
    sigma = relu(S)
    Z_next, idx_pool = maxpooling(sigma, g)
    return {
        "Z": Z, "padZ": padding(Z, g), "phiZ": phiZ, "W": W, "bias": bias, "product": product,
        "S": S, "sigma": sigma, "Z_next": Z_next, "idx_pool": idx_pool,
    }  # fmt: skip


def backward_layer(g: ConvGeometry, steps: dict[str, Array], V: Array) -> dict[str, Array]:
    """Run the backward pass of a layer by (3), (4), (5) and keep every step.

    Parameters
    ----------
    g : ConvGeometry
    steps : dict of ndarray
        The result of :func:`forward_layer`.
    V : ndarray of float64, shape (d_next, a_next*b_next), Fortran order
        ``dxi/dZ^{m+1}``.

    Returns
    -------
    dict of ndarray
        V, masked = ``V .* I[Z^{m+1}]``, dS, dW, dbias, WtV = ``W' dxi/dS``,
        dpad = ``vTP_phi(WtV)``, and dZ.
    """
    masked = mask(V.copy(order="F"), steps["Z_next"])
    dS = vTP_pool(masked, steps["idx_pool"], g)
    WtV = np.asfortranarray(steps["W"].T @ dS)
    dpad = vTP_phi(WtV, g)
    return {
        "V": V, "masked": masked, "dS": dS, "dW": dS @ steps["phiZ"].T, "dbias": dS.sum(axis=1),
        "WtV": WtV, "dpad": dpad, "dZ": unpad(dpad, g),
    }  # fmt: skip


@np.errstate(over="ignore", invalid="ignore")  # they are refused at the end
def network_numbers(model: Model, picture: Picture) -> tuple[list[dict[str, Array]], Array]:
    """Run the forward and backward pass of the whole network for one image.

    Parameters
    ----------
    model : Model
        Its weights are converted to float64; factored layers are multiplied out.
    picture : Picture

    Returns
    -------
    layers : list of dict of ndarray
        For every convolutional layer, the results of :func:`forward_layer` and
        :func:`backward_layer`.
    z : ndarray of float64, shape (nL,)
        ``z^{L+1}``.

    Raises
    ------
    DataError
        If a number is not finite.
    """
    theta = model.theta.astype(np.float64)
    plain = Model(model.config, theta, model.classes, loss=model.loss).multiplied_out()
    config, W, bias = plain.config, plain.W, plain.bias
    layers, Z = [], picture.Z
    for m, g in enumerate(config.conv_layers):
        layers.append(forward_layer(g, W[m], bias[m], Z))
        Z = layers[-1]["Z_next"]
    z = [vec(Z)[:, np.newaxis]]
    for m in range(config.LC, config.L):
        s = np.asfortranarray(W[m] @ z[-1])
        z.append(bias_relu(s, bias[m], activate=m < config.L - 1))
    V = get_loss(model.loss).gradient(z[-1], np.array([picture.target]))
    for m in reversed(range(config.LC, config.L)):
        V = np.asfortranarray(W[m].T @ V)
        if m > config.LC:
            V = mask(V, z[m - config.LC])
    for m, g in reversed(list(enumerate(config.conv_layers))):
        V = V.reshape((g.d_next, g.a_next * g.b_next), order="F")
        layers[m] |= backward_layer(g, layers[m], V)
        V = layers[m]["dZ"]
    if not all(np.isfinite(A).all() for layer in layers for A in layer.values()):
        raise DataError("some numbers of this network are not finite; explain another model")
    return layers, z[-1][:, 0]


# -- the page


def page_data(
    model: Model, picture: Picture, layers: Sequence[int], title: str, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the content of the page as plain values for JSON.

    Parameters
    ----------
    model : Model
    picture : Picture
    layers : sequence of int
        Numbers of the convolutional layers to show, from 1.
    title : str
        Name of the network.
    notes : sequence of str
        Notes for the reader.

    Returns
    -------
    dict

    Raises
    ------
    DataError
        If a number is not finite.

    Notes
    -----
    Only the first filters and channels of a layer are kept.  The contribution of the others to
    ``W phi(pad(Z))`` and to ``W' dxi/dS`` is kept as one number per entry, so that all numbers on
    the page are those of the whole network.
    """
    numbers, z = network_numbers(model, picture)
    factored = ["Factored layers are shown multiplied out, W = U V."] if model.config.rank else []
    beside = {} if picture.raw is None else {"thumbnail": thumbnail(picture.raw)}
    return beside | {
        "title": shown(title),
        "image": picture.about,
        "loss": model.loss,
        "target": shown(model.classes[picture.target]),
        "predicted": shown(model.classes[int(z.argmax())]),
        "LC": model.config.LC,
        "notes": [*notes, *factored],
        "layers": [_layer(m, model.config.conv_layers[m - 1], numbers[m - 1]) for m in layers],
    }


def _layer(m: int, g: ConvGeometry, A: dict[str, Array]) -> dict[str, Any]:
    """Cut a layer to its first channels and filters."""
    rows = min(_PHI_ROWS, _PHI_ENTRIES // (g.a_conv * g.b_conv))
    d = min(g.d, max(1, rows // (g.h * g.h)))
    k, f = g.h * g.h * d, min(g.d_next, _FILTERS)
    kept = {"Z": d, "padZ": d, "phiZ": k, "WtV": k, "dpad": d, "dZ": d}
    cut = {name: M[: kept.get(name, f)] for name, M in A.items() if name != "idx_pool"}
    cut["W"], cut["dW"] = cut["W"][:, :k], cut["dW"][:, :k]
    cut["product_rest"] = A["W"][:f, k:] @ A["phiZ"][k:]
    cut["WtV_rest"] = A["W"][f:, :k].T @ A["dS"][f:]
    # idx_pool counts in vec(S); divided by d_next it is a column i + a_conv*j of S.
    cut["idx_pool"] = A["idx_pool"].reshape((g.d_next, -1), order="F")[:f] // g.d_next
    names = ("a", "b", "d", "p", "h", "s", "d_next", "h_pool", "a_pad", "b_pad", "a_conv",
             "b_conv", "a_next", "b_next")  # fmt: skip
    sizes = {name: getattr(g, name) for name in names}
    matrices = {name: _matrix(M) for name, M in cut.items()}
    return {"m": m, "sizes": sizes, "shown": {"d": d, "d_next": f}, **matrices}


def _matrix(A: Array) -> dict[str, Any]:
    """Return a matrix (or a vector, as one column) as its sizes and its vec."""
    A = A[:, np.newaxis] if A.ndim == 1 else A
    return {"rows": A.shape[0], "columns": A.shape[1], "vec": vec(A).tolist()}


def page(data: dict[str, Any]) -> str:
    """Return the page as HTML that needs no other file.

    Parameters
    ----------
    data : dict
        From :func:`page_data`.
    """
    # In JSON, "<" occurs in strings only; escaped, no text can end the script element.
    numbers = {name: value for name, value in data.items() if name != "thumbnail"}
    text = json.dumps(numbers, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    html = (_PAGE / "page.html").read_text("utf-8")
    for mark, part in (
        ("<!-- thumbnail -->", data.get("thumbnail", "")),
        ("/* page.css */", (_PAGE / "page.css").read_text("utf-8")),
        ("/* page.js */", (_PAGE / "page.js").read_text("utf-8")),
        ("/* steps.js */", (_PAGE / "steps.js").read_text("utf-8")),
        ("/* data */", text),
    ):
        html = html.replace(mark, part, 1)
    return html


def fitting_page(data: dict[str, Any]) -> tuple[str, list[int]]:
    """Return a page of 2 MB at most; the last layers are left out if necessary.

    Parameters
    ----------
    data : dict
        From :func:`page_data`.

    Returns
    -------
    html : str
    layers : list of int
        Numbers of the layers on the page.

    Raises
    ------
    OptionError
        If the first layer alone is too large.
    """
    wanted = data["layers"]
    for count in range(len(wanted), 0, -1):
        layers = [layer["m"] for layer in wanted[:count]]
        left = ", ".join(str(layer["m"]) for layer in wanted[count:])
        note = (
            [f"The page has no room for layer {left}; use --layer to show a single layer."]
            if left
            else []
        )
        html = page(data | {"layers": wanted[:count], "notes": data["notes"] + note})
        if len(html.encode()) <= _LARGEST:
            return html, layers
    sizes = wanted[0]["sizes"]
    raise OptionError(
        f"layer {wanted[0]['m']} has {sizes['a']}x{sizes['b']} pixels, too many for a page of "
        f"{_LARGEST // 10**6} MB; choose a later layer by --layer, or a network for smaller images"
    )


def write_page(path: str | os.PathLike[str], html: str) -> None:
    """Write the page, atomically.

    Parameters
    ----------
    path : path
        File to write; an older one is replaced.
    html : str
        The page, from :func:`page` or :func:`fitting_page`.
    """
    from ...io.atomic import atomic_write_bytes

    atomic_write_bytes(path, html.encode())
