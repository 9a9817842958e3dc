"""``simplenn gemm``: time matrix products, from three loops to the machine's peak."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..runtime.console import make_console, say
from ..runtime.numerals import is_digits
from .figures import draw_beside
from .tables import print_table

if TYPE_CHECKING:
    from ..linalg.ladder import Ladder

_DESCRIPTION = """\
Multiply square matrices in six ways and draw GFLOP/s against size, one curve per way:

  three-loops   the textbook's loops: C[i, j] = sum over p of A[i, p] B[p, j]
  reordered     j innermost, so that memory is read in order
  blocked       blocks that stay in the cache
  parallel      the same on all cores
  packed-tile   blocks packed into the order in which they are read, a tile of C in registers
                (Goto and van de Geijn); our convolutions use the same tile
  blas          the library that NumPy calls

The dashed line is the peak: multiply-adds on registers, on all cores, measured just before.
Products that would take longer than two seconds are left out.  OpenBLAS chooses its kernels by
the CPU; a star shows the rate with those of an older CPU, which OPENBLAS_CORETYPE can choose."""

_EPILOG = """\
examples:
  simplenn gemm                             sizes 64 to 2048, float32; draws gemm.png
  simplenn gemm --sizes 100,1000,4000 --dtype float64 --out products.png
  simplenn gemm --shapes 64x576x6272,1000x300x77"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``gemm`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "gemm",
        help="time matrix products, from three loops to the machine's peak",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sizes", type=_sizes, default=[64, 128, 256, 512, 1024, 2048], metavar="N,N,...",
        help="sizes m = n = k of the products (64 to 2048)")  # fmt: skip
    add("--shapes", type=_shapes, default=[], metavar="MxKxN,...",
        help="time products of other shapes, too, with A and B plain and transposed")  # fmt: skip
    add("--dtype", default="float32", metavar="D", help="float32 or float64 (%(default)s)")
    add("--out", default="gemm.png", metavar="FILE.png",
        help="file for the figure; an older one is replaced (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure the products, print and draw their rates; return the exit status.

    Raises
    ------
    UserError
        If an option is out of range.
    """
    from ..linalg.ladder import measure_ladder
    from ..linalg.plots import plot_ladder
    from ..linalg.shapes import measure_shapes
    from ..plots.style import check_png
    from ..runtime.threads import limit_threads

    check_png(args.out)  # before the work
    console = make_console(stderr=args.json)
    with limit_threads(0), console.status("measuring the peak") as status:
        ladder = measure_ladder(args.sizes, args.dtype, say=status.update)
        status.update("measuring other shapes")
        shapes = measure_shapes(args.shapes, args.dtype)
    if args.json:
        import json

        others = [found.as_dict() for found in shapes]
        print(json.dumps(ladder.as_dict() | {"shapes": others}, indent=2), flush=True)
        draw_beside(args.out, lambda: plot_ladder(ladder))
        return 0
    _print(ladder)
    if shapes:
        rows = [
            (f"{s.m}x{s.k}x{s.n}", s.operands, f"{s.tile / 1e9:.0f}", f"{s.blas / 1e9:.0f}",
             f"{s.ratio:.2f}")
            for s in shapes
        ]  # fmt: skip
        print_table(("m x k x n", "operands", "packed-tile", "blas", "ratio"), rows, ("operands",))
    if draw_beside(args.out, lambda: plot_ladder(ladder)):
        say(f"written: {args.out}")
    return 0


def _print(ladder: Ladder) -> None:
    from rich.table import Table

    from ..runtime.environment import cpu_name
    from ..runtime.threads import available

    table = Table(box=None, pad_edge=False)
    table.add_column("GFLOP/s")
    for n in ladder.sizes:
        table.add_column(str(n), justify="right")
    table.add_column("of peak", justify="right")
    for step, rates in ladder.rates.items():
        known = [r for r in rates if r is not None]
        table.add_row(
            step,
            *("-" if r is None else f"{r / 1e9:.3g}" for r in rates),
            f"{100 * known[-1] / ladder.peak:.1f} %" if known else "-",
        )
    make_console(plain_width=100).print(table)
    say(
        f"peak: {ladder.peak / 1e9:.0f} GFLOP/s of {ladder.dtype} multiply-adds, {available()} "
        f"cores of {cpu_name()}"
    )
    own = ladder.rates.get("blas", [None])[-1]
    for name, rate in ladder.foreign.items():
        if own is not None:
            say(
                f"BLAS with its kernels for {name}: {rate / 1e9:.0f} GFLOP/s at size "
                f"{ladder.sizes[-1]}, {rate / own:.2f} times the rate of those that it chose"
            )


def _shapes(text: str) -> list[tuple[int, int, int]]:
    shapes = []
    for part in text.lower().split(","):
        numbers = part.split("x")
        good = all(is_digits(x) and 0 < int(x) < 2**20 for x in numbers)
        if len(numbers) != 3 or not good:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a list of shapes MxKxN such as 64x576x6272,100x7x3000"
            )
        m, k, n = map(int, numbers)
        shapes.append((m, k, n))
    return shapes


def _sizes(text: str) -> list[int]:
    parts = text.split(",")
    if not all(is_digits(part) and 0 < int(part) < 2**16 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of sizes such as 64,128,256")
    return [int(part) for part in parts]
