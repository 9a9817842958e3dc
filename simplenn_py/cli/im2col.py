"""``simplenn im2col``: the matrix of patches in three memory layouts, and their costs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..errors import shown
from ..runtime.console import make_console, say
from ..runtime.numerals import is_digits
from .figures import draw_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..layout import ConvGeometry
    from ..linalg.im2col_costs import LayoutCost

_DESCRIPTION = """\
A convolution is a product with the matrix of all patches.  This command measures what that matrix
costs in three memory layouts, for every convolutional layer: the time to gather the patches from
images in the layout's own order (NumPy's copy), the time of the product (NumPy's BLAS), the
bytes, and the number of entries that can be copied in one run.

  phi    simpleNN: one column per patch; offset row fastest, then offset column, then channel
  nhwc   TensorFlow: one row per patch; channel fastest, then width, then height
  nchw   one matrix per image; each row holds the same entry of all its patches, side by side

The figure shows the memory order for a tiny image, and the costs."""

_EPILOG = """\
examples:
  simplenn im2col                                      the layers of layer4
  simplenn im2col vgg11 --image-shape 32x32x3 --batch-size 32
  simplenn im2col --size 14x14x32 --filter 3 --pad 1 --filters 64 --out one.png"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``im2col`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "im2col",
        help="time the matrix of patches in three memory layouts",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("network", nargs="?", metavar="NETWORK", help="as for 'simplenn summary' (layer4)")
    add("--size", metavar="HxWxD",
        help="measure a single layer: height, width and channels of its images")  # fmt: skip
    add("--filter", type=int, metavar="H", help="with --size: width of the filters (3)")
    add("--stride", type=int, metavar="S", help="with --size: stride (1)")
    add("--pad", type=int, metavar="P", help="with --size: padding (0)")
    add("--filters", type=int, metavar="N", help="with --size: number of filters (32)")
    add("--batch-size", type=int, default=128, metavar="N", help="images per batch (%(default)s)")
    add("--dtype", default="float32", metavar="D", help="float32 or float64 (%(default)s)")
    add("--image-shape", metavar="HxWxD", help="height, width and channels of a network's images")
    add("--out", default="im2col.png", metavar="FILE.png",
        help="file for the figure; an older one is replaced (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, classes=None)


def run(args: argparse.Namespace) -> int:
    """Measure the layouts, print and draw their costs; return the exit status.

    Raises
    ------
    UserError
        If there is no such network or layer, or an option is out of range.
    """
    from dataclasses import asdict

    from ..linalg.im2col_costs import measure_layouts
    from ..plots.style import check_png
    from ..runtime.threads import limit_threads

    check_png(args.out)  # before the work
    layers = _layers(args)
    with limit_threads(0):
        costs = {
            name: measure_layouts(g, args.batch_size, args.dtype) for name, g in layers.items()
        }
    plot = partial(_plot, args.network, layers, costs)
    if args.json:
        import json

        rows = [{"layer": name, **asdict(cost)} for name in costs for cost in costs[name]]
        print(json.dumps(rows, indent=2), flush=True)
        draw_beside(args.out, plot)
        return 0
    _print(layers, costs, args)
    if draw_beside(args.out, plot):
        say(f"written: {args.out}")
    return 0


def _plot(
    network: str | None,
    layers: Mapping[str, ConvGeometry],
    costs: Mapping[str, Sequence[LayoutCost]],
) -> Sequence[Axes]:
    from ..linalg.im2col_plot import plot_layouts

    axes = plot_layouts(layers, costs)
    if network:
        bars = axes[-1]
        title = f"{shown(network, 60)}\n{bars.get_title()}"
        bars.set_title(title, fontsize=10, parse_math=False)
    return axes


def _layers(args: argparse.Namespace) -> dict[str, ConvGeometry]:
    """Return the geometries of the layers to measure, under the names in the table."""
    from ..errors import OptionError
    from ..network import Conv, NetConfig
    from .summary import find_network

    own = {"filter": 3, "stride": 1, "pad": 0, "filters": 32}
    given = [f"--{name}" for name in own if getattr(args, name) is not None]
    if args.size is None:
        if given:
            raise OptionError(f"{given[0]} is for a single layer; give its images by --size HxWxD")
        args.network = args.network or "layer4"
        config, _ = find_network(args)
        if not config.LC:
            raise OptionError(f"{args.network} has no convolutional layer; choose another network")
        stages = config.stages
        names = config.stage_names[: stages.LC]
        return dict(zip(names, stages.conv_layers, strict=True))
    if args.network is not None or args.image_shape is not None:
        raise OptionError("--size is for a single layer; leave the network and --image-shape out")
    h, s, p, d_next = (
        default if (value := getattr(args, name)) is None else value
        for name, default in own.items()
    )
    a, b, d = _size(args.size)
    # NetConfig raises for impossible sizes.
    config = NetConfig.build((a, b, d), [Conv(d_next, h, pad=p, stride=s)], [2])
    return {"1": config.conv_layers[0]}


def _size(text: str) -> tuple[int, int, int]:
    from ..errors import OptionError

    parts = text.lower().split("x")
    if len(parts) != 3 or not all(is_digits(n, 7) for n in parts):
        raise OptionError(
            f"--size is {text!r}; it must be height, width and channels, "
            "three whole numbers from 1, such as 28x28x1"
        )
    return int(parts[0]), int(parts[1]), int(parts[2])


def _print(
    layers: Mapping[str, ConvGeometry],
    costs: Mapping[str, Sequence[LayoutCost]],
    args: argparse.Namespace,
) -> None:
    from rich.table import Table

    from ..linalg.im2col_plot import sizes_of

    if args.network:
        first = next(iter(layers.values()))
        say(f"{args.network}: {first.a}x{first.b}x{first.d} images")
    table = Table(box=None, pad_edge=False)
    for title in ("layer", "layout", "gather ms", "product ms", "MB", "run", "gather GB/s"):
        table.add_column(title, justify="left" if title in ("layer", "layout") else "right")
    for name, g in layers.items():
        for k, cost in enumerate(costs[name]):
            table.add_row(
                f"{name}: {sizes_of(g)}" if k == 0 else "", cost.layout,
                f"{1e3 * cost.form_seconds:.2f}", f"{1e3 * cost.product_seconds:.2f}",
                f"{cost.bytes / 1e6:.1f}", str(cost.run),
                f"{cost.bytes / cost.form_seconds / 1e9:.1f}",
            )  # fmt: skip
    make_console(plain_width=100).print(table)
    say(
        f"{args.batch_size} images, {args.dtype}; run: number of entries that are contiguous both "
        "in the images and in the patches"
    )
