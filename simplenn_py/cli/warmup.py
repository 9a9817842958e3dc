"""``simplenn warmup``: compile the kernels in advance, so that later starts need not."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..runtime.console import make_console

if TYPE_CHECKING:
    from ..network.config import NetConfig

_DESCRIPTION = """\
Compile all kernels that training and prediction of these networks need, and keep the code on
disk, so that later starts load it quickly.  Training compiles missing kernels automatically.  Use
this command to compile in advance, for instance before a course or for a container image."""

_EPILOG = """\
examples:
  simplenn warmup                              the presets digits and layer4 in float32
  simplenn warmup vgg11 mynet.config --dtype float64
  simplenn warmup layer4 --solver newton"""

_DEFAULT = ("digits", "layer4")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``warmup`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "warmup",
        help="compile the kernels in advance",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "networks",
        nargs="*",
        metavar="CONFIG|PRESET",
        help=f"a .config file, digits, layer4, layer7, vgg11 (default: {' '.join(_DEFAULT)})",
    )
    parser.add_argument("--dtype", default="float32", metavar="D",
                        help="float32 or float64 (%(default)s)")  # fmt: skip
    parser.add_argument("--engine", default="", metavar="E",
                        help="engine to compile: direct or lecture (direct)")  # fmt: skip
    parser.add_argument("--solver", choices=("sgd", "adam", "newton"), default="sgd",
                        help="solver to compile for; newton needs one more kernel "
                        "(%(default)s)")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compile the kernels for `args.networks`; return the exit status, 1 if nothing is kept.

    Raises
    ------
    UserError
        If there is no such network, dtype or engine.
    """
    from time import perf_counter

    from ..engines import DEFAULT, engine_class
    from ..errors import OptionError
    from .summary import find_network

    if args.dtype not in ("float32", "float64"):
        raise OptionError(f"dtype is {args.dtype!r}; it must be 'float32' or 'float64'")
    engine = args.engine or DEFAULT
    engine_class(engine)
    names = args.networks or _DEFAULT
    configs = []
    for name in names:
        wanted = argparse.Namespace(network=name, image_shape=None, classes=None)
        configs.append(find_network(wanted)[0])
    from ..kernels.policy import cache_folder, cached, compilations

    console = make_console(soft_wrap=True)
    for name, config in zip(names, configs, strict=True):
        began, before = perf_counter(), compilations()
        with console.status(f"{name}: compiling"):
            warm(config, args.dtype, engine, args.solver)
        seconds, compiled = perf_counter() - began, compilations() - before
        console.print(
            f"{name}: {compiled} kernels compiled in {seconds:.1f} s"
            if compiled
            else f"{name}: nothing to compile, loaded in {seconds:.1f} s"
        )
    folder = cache_folder()
    if folder is None or not cached():
        why = "no cache folder is writable" if folder is None else f"{folder} has no room"
        console.print(f"nothing is kept: {why}, see 'simplenn doctor'")
        return 1
    console.print(f"kept in {folder}")
    return 0


def warm(config: NetConfig, dtype: str, engine: str, solver: str) -> None:
    """Run the forward and backward pass of a tiny batch, and the forward pass of prediction.

    Parameters
    ----------
    config : NetConfig
    dtype : {"float32", "float64"}
    engine : str
        Name of an engine.
    solver : {"sgd", "adam", "newton"}
        newton runs a Gauss-Newton product as well.
    """
    import numpy as np

    from ..cnn.gauss_newton import Gv
    from ..cnn.objective import BatchObjective, evaluate
    from ..cnn.operators.loss import get_loss
    from ..cnn.problem import Problem
    from ..engines import make_engine
    from ..model.model import Model
    from ..runtime.threads import limit_threads
    from ..training.training import compile_update

    a, b, d = config.image_shape
    model = Model.initialise(config, np.arange(config.nL), np.random.default_rng(0), dtype)
    offset, chosen = np.zeros(a * b * d), np.arange(2)
    with limit_threads(0):
        # Digits, MNIST and CIFAR-10 come as bytes; pictures and .mat files as float64.
        for kind in (np.uint8, np.float64):
            images = np.zeros((d, a * b * 2), kind, order="F")
            problem = Problem(images, np.array([0, 1]), get_loss("squared"), np.inf, 1.0, offset)
            trainer = make_engine(engine, config, 2, dtype)
            objective = BatchObjective(trainer, model, problem, chosen)
            objective.grad(chosen, np.empty_like(model.theta))
            compile_update("adam" if solver == "adam" else "sgd", dtype)
            if solver == "newton":
                Gv(trainer, model, problem, chosen, model.theta)
            predictor = make_engine(engine, config, 2, dtype, training=False)
            evaluate(predictor, model, problem, chosen)
