"""``simplenn graph``: draw a computational graph."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..runtime.console import say

_DESCRIPTION = """\
Draw the computational graph that the gradient tape records for a network with its loss, or for a
formula.  The result is an .svg file, which any browser displays.

A node shows its operation and its value (the shape of an array).  With --gradient it also shows
its adjoint, the derivative of the result with respect to the node (the norm of an array), which
reverse mode computes from the last node to the first.

A formula may contain numbers, names, + - * / **, parentheses, pi and the functions exp, log, sin,
cos, tan, arctan, sinh, cosh, tanh, sqrt, square, abs, expm1, log1p, maximum, minimum, logaddexp."""

_EPILOG = """\
examples:
  simplenn graph --expression "log(x1) + x1*x2 - sin(x2)" --at 2,5 --gradient
  simplenn graph layer4
  simplenn graph runs/digits-1 --gradient --loss cross-entropy --out digits.svg"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``graph`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "graph",
        help="draw the computational graph of a network or a formula",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("network", nargs="?", metavar="CONFIG|PRESET|MODEL", help="as for 'simplenn summary'")
    add("--expression", metavar="FORMULA", help="draw a formula in place of a network")
    add("--at", metavar="X,Y,...",
        help="values of the formula's variables, in alphabetical order, or x=2,y=5")  # fmt: skip
    add("--gradient", action="store_true", help="show the adjoints, too")
    add("--batch", type=int, default=2, metavar="N",
        help="number of images for the network (%(default)s)")  # fmt: skip
    add("--loss", metavar="LOSS", help="squared or cross-entropy (squared; for a model its own)")
    add("--image-shape", metavar="HxWxD", help="height, width and channels of the images")
    add("--classes", type=int, metavar="N", help="number of classes (presets: 10)")
    add("--out", default="graph.svg", metavar="FILE.svg",
        help="file for the drawing; an older one is replaced (%(default)s)")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Record the graph, draw it and write the file; return the exit status.

    Raises
    ------
    UserError
        If there is no such network, the formula is not valid, or options contradict each other.
    """
    from ..errors import OptionError
    from ..io.atomic import atomic_open

    if (args.network is None) == (args.expression is None):
        raise OptionError("give either a network, or a formula by --expression")
    if Path(args.out).suffix.lower() != ".svg":
        raise OptionError(f"--out is {args.out}; the name of the SVG file must end in .svg")
    svg = _expression(args) if args.network is None else _network(args)
    with atomic_open(args.out, "w") as file:
        file.write(svg)
    say(f"written: {args.out}")
    return 0


def _expression(args: argparse.Namespace) -> str:
    import math

    import numpy as np

    from ..autodiff import GradientTape, graph_svg
    from ..autodiff.expression import parse, shortened
    from ..errors import OptionError

    expression = parse(args.expression)
    point = expression.point(args.at or "")
    where = shortened(", ".join(f"{name} = {value:g}" for name, value in point.items()))
    formula = shortened(expression.text)
    with GradientTape(persistent=True) as tape:
        watched = {name: tape.watch(value) for name, value in point.items()}
        f = expression(watched)
    value = float(f.value)
    if not math.isfinite(value):
        raise OptionError(f"{formula} is {value} at {where}; choose another point")
    say(f"{expression.text} = {value:.10g} at {where}")
    if args.gradient:
        with np.errstate(all="ignore"):
            slopes = tape.gradient(f, list(watched.values()))
        for name, slope in zip(watched, slopes, strict=True):
            say(f"df/d{name} = {float(slope):.10g}")
    with np.errstate(all="ignore"):
        return graph_svg(f, watched, adjoints=args.gradient)


def _network(args: argparse.Namespace) -> str:
    import numpy as np

    from ..errors import OptionError
    from ..model.model import Model
    from ..network.presets import PRESETS
    from ..tools.network_graph import network_graph
    from ..tools.summary import check_memory
    from .predict import load_model
    from .summary import find_network

    if args.at is not None:
        raise OptionError("--at is for a formula, but a network is given; leave it out")
    config, dtype = find_network(args)
    path = Path(args.network)
    is_model = path.is_dir() or path.suffix.lower() == ".npz"
    if is_model and args.network not in PRESETS:
        model = load_model(path)
    else:
        check_memory(config, max(args.batch, 1), dtype)
        rng = np.random.default_rng(0)
        model = Model.initialise(config, np.arange(config.nL), rng, dtype)
    loss = args.loss or model.loss
    svg, value = network_graph(model, args.batch, loss, args.gradient)
    say(f"{args.network}: mean {loss} loss of {args.batch} random images: {value:.6g}")
    return svg
