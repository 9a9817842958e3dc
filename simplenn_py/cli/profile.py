"""``simplenn profile``: time every layer of a network, forward and backward."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import shown
from ..runtime.console import make_console, say
from .figures import draw_beside

if TYPE_CHECKING:
    from rich.table import Table

    from ..tools.profile.layer_times import LayerTimes

_DESCRIPTION = """\
Time every layer of a network: the forward pass, the gradient dW of its weights (4), and the
gradient dZ of its input (5), which layer 1 does not need.

For each time, the table shows the rate in 10^9 operations per second, and the rate relative to
the machine's peak: multiply-adds on registers, on all cores, measured just before.  Operations
are the lecture's, 2*m*n*k for each of the three products, even if an engine skips some: behind
2x2 max pooling at most one gradient in four is not 0, so that an engine that skips the zeros can
seem faster than the peak.

Weights and images are random, and nothing is trained.  The shortest of several passes counts."""

_EPILOG = """\
examples:
  simplenn profile layer4                       simpleNN's demo network, 28x28x1 images
  simplenn profile layer4 --image-shape 32x32x3 --out layers.png
  simplenn profile layer7 --engine lecture      explicit phi and BLAS, as simpleNN does
  simplenn profile mynet.config --dtype float64 --json"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``profile`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "profile",
        help="time every layer of a network, relative to the machine's peak",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("network", metavar="CONFIG|PRESET|MODEL",
        help="a .config file; digits, layer4, layer7, vgg11; a saved model.npz or a run folder, "
        "for its layers")  # fmt: skip
    add("--batch-size", type=int, default=128, metavar="N", help="images per batch (%(default)s)")
    add("--dtype", metavar="D", help="float32 or float64 (float32; for a model its own)")
    add("--engine", default="", metavar="E", help="engine that runs the layers: direct or lecture")
    add("--image-shape", metavar="HxWxD", help="height, width and channels of the images")
    add("--classes", type=int, metavar="N", help="number of classes (presets: 10)")
    add("--repeat", type=int, default=20, metavar="N",
        help="number of passes, fewer if they take over ten seconds (%(default)s)")  # fmt: skip
    add("--out", metavar="FILE.png", help="file for a figure of the times (none)")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the times of the layers of `args.network`; return the exit status.

    Raises
    ------
    UserError
        If there is no such network, or an option is out of range.
    """
    from .summary import find_network

    config, dtype = find_network(args)
    if args.out:
        from ..plots.style import check_png

        check_png(args.out)  # before the work
    from ..tools.profile.layer_times import time_layers

    times = time_layers(config, args.batch_size, args.dtype or dtype, args.engine, args.repeat)
    a, b, d = config.image_shape
    name = f"{args.network}, {a}x{b}x{d} images"
    if args.json:
        import json

        shape = {"network": args.network, "image_shape": [a, b, d]}
        print(json.dumps(shape | times.as_dict(), indent=2), flush=True)
    else:
        _print(name, times)
    if args.out:
        from ..tools.profile.plot import plot_layer_times

        size = f"{a}x{b}x{d} images"
        drawn = draw_beside(
            args.out, lambda: plot_layer_times(times, name=f"{shown(args.network, 40)}, {size}")
        )
        if drawn and not args.json:
            say(f"written: {args.out}")
    return 0


def _print(name: str, times: LayerTimes) -> None:
    from ..runtime.environment import cpu_name

    say(
        f"{name}: batches of {times.batch_size}, {times.dtype}, {times.engine} engine, "
        f"shortest of {times.repeats} passes"
    )
    make_console(plain_width=100).print(_table(times))
    say(f"forward and backward pass together, as in training: {1e3 * times.step:.2f} ms")
    say(
        f"peak: {times.peak / 1e9:.0f} GFLOP/s of {times.dtype} multiply-adds, "
        f"{times.threads} threads, {cpu_name()}"
    )
    if times.product is not None:
        say(f"BLAS, product of 2048 x 2048 matrices: {times.product / 1e9:.0f} GFLOP/s")
    say("operations are the lecture's 2*m*n*k: an engine that skips the zeros behind a pool, or")
    say("does 16 multiplications in place of 36 (Winograd's tiles), can be above the peak")


def _table(times: LayerTimes) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ..runtime.units import human_operations
    from ..tools.profile.layer_times import PASSES

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_footer=True)
    everything = sum(map(times.total, PASSES))
    table.add_column("m", justify="right")
    table.add_column("layer", "total", no_wrap=True)
    table.add_column("forward / backward", overflow="fold")
    table.add_column("pass", no_wrap=True)
    table.add_column("ms", f"{1e3 * everything:.2f}", justify="right", no_wrap=True)
    table.add_column("operations", justify="right", no_wrap=True)
    table.add_column("GFLOP/s", justify="right", no_wrap=True)
    table.add_column("of peak", justify="right", no_wrap=True)
    table.add_column("of time", justify="right", no_wrap=True)
    for layer in times.layers:
        head = [layer.name, f"{layer.kind} {layer.sizes}", layer.path]
        for which, seconds in layer.seconds.items():
            rate = layer.rate(which)
            cells = [
                *(head if which == PASSES[0] else ["", "", ""]),
                which,
                f"{1e3 * seconds:.2f}",
                human_operations(layer.operations),
                f"{rate / 1e9:.0f}",
                f"{100 * rate / times.peak:.0f} %",
                f"{100 * seconds / everything:.0f} %",
            ]
            table.add_row(*cells)
    return table
