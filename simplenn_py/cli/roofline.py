"""``simplenn roofline``: check whether layers are bound by arithmetic or by memory."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from ..runtime.console import make_console, say
from .figures import draw_beside

if TYPE_CHECKING:
    from ..linalg.roofline import Machine, Work
    from ..network.config import NetConfig

_DESCRIPTION = """\
Count the operations of every layer's forward product W phi(pad(Z)) and the minimum number of
bytes that it moves, and draw them below the roof of this machine, the smaller of its peak and its
memory bandwidth times the arithmetic intensity.  Left of the machine's balance, memory is the
bound.

Each product is counted in three ways: without forming phi (the direct engine), with phi written
and read (the lecture engine), and with W replaced by two thin factors of a quarter of its rank,
which have fewer operations but also a lower intensity.  Crosses are measured with the chosen
engine.  Winograd's tiles do fewer multiplications than are counted and can be above the roof."""

_EPILOG = """\
examples:
  simplenn roofline layer4
  simplenn roofline vgg11 --image-shape 32x32x3 --batch-size 32 --out vgg.png"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``roofline`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "roofline",
        help="show whether each layer is bound by arithmetic or by memory",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("network", metavar="CONFIG|PRESET|MODEL", help="as for 'simplenn profile'")
    add("--batch-size", type=int, default=128, metavar="N", help="images per batch (%(default)s)")
    add("--dtype", metavar="D", help="float32 or float64 (float32; for a model its own)")
    add("--engine", default="", metavar="E", help="engine to measure: direct or lecture")
    add("--image-shape", metavar="HxWxD", help="height, width and channels of the images")
    add("--classes", type=int, metavar="N", help="number of classes (presets: 10)")
    add("--out", default="roofline.png", metavar="FILE.png",
        help="file for the figure; an older one is replaced (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Count and measure the layers, print and draw the result; return the exit status.

    Raises
    ------
    UserError
        If there is no such network, or an option is out of range.
    """
    import numpy as np

    from ..linalg.plots import plot_roofline
    from ..linalg.roofline import layer_work, measure_machine
    from ..plots.style import check_png
    from ..runtime.threads import limit_threads
    from ..tools.profile.layer_times import time_layers
    from .summary import find_network

    check_png(args.out)  # before the work
    config, dtype = find_network(args)
    times = time_layers(config, args.batch_size, args.dtype or dtype, args.engine, 10)
    with limit_threads(0):
        machine = measure_machine(times.dtype)
    work = layer_work(config, args.batch_size, np.dtype(times.dtype).itemsize)
    rates = {layer.m: layer.rate("forward") for layer in times.layers}
    plot = partial(plot_roofline, machine, work, rates, name=args.network)
    if args.json:
        import json
        from dataclasses import asdict

        rows = [asdict(w) | {"intensity": w.intensity} for w in work]
        measured = {str(layer): rate for layer, rate in rates.items()}
        found = {"machine": machine.as_dict(), "work": rows, "rates": measured}
        print(json.dumps(found, indent=2), flush=True)
        draw_beside(args.out, plot)
        return 0
    _print(config, machine, work, rates)
    if draw_beside(args.out, plot):
        say(f"written: {args.out}")
    return 0


def _print(config: NetConfig, machine: Machine, work: list[Work], rates: dict[int, float]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("layer", "way", "MFLOP", "MB", "operations/byte", "bound", "max. GFLOP/s",
                  "measured"):  # fmt: skip
        table.add_column(title, justify="left" if title in ("way", "bound") else "right")
    for w in work:
        bound = "arithmetic" if w.intensity >= machine.balance else "memory"
        table.add_row(
            config.stage_names[w.layer - 1], w.way, f"{w.operations / 1e6:.1f}",
            f"{w.bytes / 1e6:.2f}", f"{w.intensity:.1f}", bound,
            f"{machine.attainable(w.intensity) / 1e9:.0f}",
            f"{rates[w.layer] / 1e9:.0f}" if w.way == "direct" and w.layer in rates else "",
        )  # fmt: skip
    make_console(plain_width=100).print(table)
    say(
        f"peak {machine.peak / 1e9:.0f} GFLOP/s, memory {machine.bandwidth / 1e9:.1f} GB/s: "
        f"balance {machine.balance:.1f} operations per byte"
    )
