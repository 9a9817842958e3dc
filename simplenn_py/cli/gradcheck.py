"""``simplenn gradcheck``: check the derivatives of a network."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from ..runtime.console import make_console, say
from .figures import draw_beside

if TYPE_CHECKING:
    from rich.table import Table

    from ..tools.gradcheck.report import GradcheckReport

_DESCRIPTION = """\
Check the derivatives of a network, in float64, on a few random images:

  gradient   g'v against (f(theta + eps v) - f(theta - eps v)) / (2 eps), for random v
  Jv         the tangent against the same difference of z^{L+1}
  adjoint    <u, Jv> = <J'u, v>, which holds up to rounding
  G          symmetric, and v'Gv >= 0

The checks are made for the whole network, and for directions v that change only the W or the bias
of one layer, to locate a mistake.  ReLU and max pooling have kinks: if the sign of an entry of S
or the maximum of a window changes between theta + eps v and theta - eps v, the difference does
not approximate a derivative, and another v is drawn.

The figure shows the error over eps, a V on logarithmic axes: a large eps truncates the Taylor
series, a small eps loses digits to rounding.  The error of a correct gradient falls to the bottom
of the V, about 1e-9; the error of a wrong gradient stays on a plateau.

For a wrong layer, the command reports the worst entry and a likely cause.  To find the cause,
known mistakes such as a missing mask in (3) are built into the lecture engine, and the one that
gives the same gradient is reported."""

_EPILOG = """\
examples:
  simplenn gradcheck digits
  simplenn gradcheck layer4 --loss cross-entropy --engine lecture
  simplenn gradcheck mynet.config --images 2 --seed 7 --out v.png
  simplenn gradcheck digits --json                       for a script; see also the exit status

in Python, to check your own operators:
  from simplenn_py.engines.lecture import LectureEngine
  from simplenn_py.engines.operators import Operators
  mine = LectureEngine(config, 5, "float64", operators=Operators().replace(vTP_phi=my_vTP))
  from simplenn_py.gradcheck import check
  report = check(config, engine=mine)

exit status: 0 if all derivatives are correct, 1 if a check failed, 2 for a usage error"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``gradcheck`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "gradcheck",
        help="check the gradient, Jv, J'u and G by central differences",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("network", metavar="CONFIG|PRESET",
        help="a .config file; digits, layer4, layer7, vgg11; a saved model.npz or a run folder, "
        "for its layers")  # fmt: skip
    add("--loss", default="squared", metavar="L", help="squared or cross-entropy (%(default)s)")
    add("--engine", default="", metavar="E", help="engine to check: direct or lecture (direct)")
    add("--seed", type=int, default=0, metavar="N",
        help="seed for weights, images and directions (%(default)s)")  # fmt: skip
    add("--images", type=int, default=5, metavar="N",
        help="number of images in the batch (%(default)s)")  # fmt: skip
    add("--image-shape", metavar="HxWxD", help="height, width and channels of the images")
    add("--classes", type=int, metavar="N", help="number of classes (presets: 10)")
    add("--out", default="gradcheck.png", metavar="FILE.png",
        help="file for the figure; an older one is replaced (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the derivatives of `args.network`.

    Returns
    -------
    int
        The exit status: 0, or 1 if a check failed.

    Raises
    ------
    UserError
        If there is no such network, an option is out of range, or there is no folder for the
        figure.
    """
    from ..plots.style import check_png
    from ..tools.summary import check_memory
    from .summary import find_network

    check_png(args.out)  # before the work
    config, _ = find_network(args)
    check_memory(config, max(args.images, 1), "float64", args.engine, "lecture")
    from ..runtime.threads import limit_threads
    from ..tools.gradcheck.check import check_derivatives

    with limit_threads(0):
        report = check_derivatives(config, args.loss, args.engine, args.seed, args.images)
    from ..tools.gradcheck.plot import plot_gradcheck

    plot = partial(plot_gradcheck, report, name=args.network)
    if args.json:
        from ..io.strict_json import to_json

        figure = draw_beside(args.out, plot)
        print(to_json({"network": args.network, **report.as_dict(), "figure": figure}))
    else:
        _print(args.network, report)
        if draw_beside(args.out, plot):
            say(f"written: {args.out}")
    return 0 if report.ok else 1


def _print(name: str, report: GradcheckReport) -> None:
    say(
        f"{name}: {report.engine} engine, {report.loss} loss, {report.images} random images, "
        f"seed {report.seed}, float64; relative errors"
    )
    make_console(plain_width=100).print(_table(report))
    for check in report.network:
        say(f"  {check.name:<30} {check.error:8.1e}  {'ok' if check.ok else 'WRONG'}")
    if report.redrawn:
        say(f"directions drawn again because of a kink of ReLU or max pooling: {report.redrawn}")
    for layer in report.layers:
        if layer.verdict == "kink":
            say(f"layer {layer.m}: every direction crosses a kink; try another --seed")
        if layer.verdict == "silent":
            say(f"layer {layer.m}: the output does not depend on it, so nothing was checked")
        if layer.worst:
            worst = layer.worst
            say(f"worst entry: {worst.place}: {worst.computed:.6g}, not {worst.expected:.6g}")
    for hint in report.hints:
        say(f"{'cause' if hint.certain else 'possible cause'}: {hint.text}")
    say("all derivatives are correct" if report.ok else "a derivative is WRONG or undecided")


def _table(report: GradcheckReport) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("m", justify="right")
    table.add_column("layer", no_wrap=True)
    names = list(report.layers[-1].checks)  # the first layer may be a factor V, without a bias
    for name in names:
        table.add_column(Text(name.replace(" ", "\n")), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    colours = {"ok": "green", "wrong": "bold red"}
    for layer in report.layers:
        cells = [Text(str(layer.m)), Text(f"{layer.kind} {layer.sizes}")]
        for name in names:
            check = layer.checks.get(name)
            if check is None:
                cells.append(Text("-"))
                continue
            cells.append(Text(f"{check.error:.1e}", style="" if check.ok else "bold red"))
        verdict = layer.verdict
        cells.append(Text(verdict, style=colours.get(verdict, "yellow")))
        table.add_row(*cells)
    return table
