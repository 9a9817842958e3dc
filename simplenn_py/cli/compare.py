"""``simplenn compare``: compare runs in a table and a figure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import shown
from ..runtime.console import print_whole, say
from .figures import draw_beside

if TYPE_CHECKING:
    from rich.table import Table

    from ..training.run_reader import Run

_DESCRIPTION = """\
Compare runs of 'simplenn train', with one solver or several.  A table shows the results and the
time of each run.  A figure shows loss and accuracy over time and over epochs (SGD, Adam) or
iterations (Newton).

Loss and accuracies in the table are measured with the weights in model.npz; the loss is the mean
over all training images, without regularisation.  An interrupted run has only its history, in
which SGD and Adam record means over an epoch while the weights change."""

_EPILOG = """\
examples:
  simplenn train digits --out runs/sgd
  simplenn train digits --out runs/newton --solver newton
  simplenn compare runs/sgd runs/newton
  simplenn compare runs/* --out figures/all.png
  simplenn compare runs/digits-1 --json          one run, for a script"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``compare`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "compare",
        help="compare runs: a table, and a figure of loss and accuracy over time",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN_DIR", help="run folder that 'simplenn train' wrote")
    add("--out", default="compare.png", metavar="FILE.png",
        help="file for the figure; an older one is replaced (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare the runs in `args.runs`; return the exit status 0.

    Raises
    ------
    UserError
        If a folder holds no run or a damaged one, or there is no folder for the figure.
    """
    from ..plots.style import check_png
    from ..training.run_reader import read_run

    check_png(args.out)  # before the work
    runs = [read_run(folder) for folder in args.runs]
    names = _names(args.runs, runs)
    from ..plots.comparison import plot_comparison

    plot = partial(plot_comparison, runs, names=names)
    warnings = _warnings(runs)
    if args.json:
        from ..io.strict_json import to_json

        rows = [_row(folder, run) for folder, run in zip(args.runs, runs, strict=True)]
        figure = draw_beside(args.out, plot)
        print(to_json({"runs": rows, "warnings": warnings, "figure": figure}))
        return 0
    _print(names, runs, warnings)
    if draw_beside(args.out, plot):
        say(f"written: {args.out}")
    return 0


def _names(folders: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Return the folders' own names, or their whole paths if two names are alike."""
    names = [run.path.resolve().name for run in runs]
    return [
        name if names.count(name) == 1 else folder
        for name, folder in zip(names, folders, strict=True)
    ]


def _row(folder: str, run: Run) -> dict[str, Any]:
    return {
        "run": folder,
        "status": run.status,
        "solver": run.solver,
        "network": run.network,
        "dataset": run.dataset,
        "training_images": run.training_images,
        "objective": run.objective,
        f"{run.step}s": run.steps[-1],
        "seconds": run.seconds[-1],
        **run.results(),
    }


def _warnings(runs: Sequence[Run]) -> list[str]:
    """Return the reasons why numbers of these runs are not comparable."""

    def differing(kinds: set[str], what: str) -> list[str]:
        return [f"{what} ({', '.join(sorted(kinds))})"] if len(kinds) > 1 else []

    found = []
    data_sets = _data_sets(runs)
    for reason in (
        *differing(data_sets, "different data sets"),
        *differing({run.objective for run in runs}, "different loss functions"),
    ):
        found.append(f"these runs have {reason}: their losses are not comparable")
    counts = {run.training_images for run in runs}
    if len(data_sets) == 1 and len(counts) > 1:
        shown = ", ".join(f"{count:,}" for count in sorted(counts))
        found.append(f"these runs used different numbers of training images ({shown})")
    return found


def _data_sets(runs: Sequence[Run]) -> set[str]:
    """Return a name for each data set; equal images are one data set, whatever their names."""
    entries = [run.report["dataset"] for run in runs]
    prints = [str(entry.get("fingerprint") or "") for entry in entries]  # older runs have none
    if not all(prints):
        return {run.dataset for run in runs}
    data_sets = dict(zip(prints, entries, strict=True))
    texts: set[str] = set()
    for form in ("{name}", "{name}: {source}", "{name}: {source}, checksum {checksum}"):
        texts = {
            form.format(name=x["name"], source=x.get("source"), checksum=key[-8:])
            for key, x in data_sets.items()
        }
        if len(texts) == len(data_sets):
            break
    return texts


def _print(names: Sequence[str], runs: Sequence[Run], warnings: list[str]) -> None:
    print_whole(_table(names, runs), plain_width=120)
    for name, run in zip(names, runs, strict=True):
        if not run.measured:
            say(f"{name} is {shown(run.status)}: loss and accuracies are from its history")
    for warning in warnings:
        say(f"warning: {warning}")


def _table(names: Sequence[str], runs: Sequence[Run]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("run", "solver", "network", "data set"):
        table.add_column(heading, overflow="fold")
    for heading in ("trained", "time", "loss", "train", "validation", "test"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, run in zip(names, runs, strict=True):
        results, steps = run.results(), run.steps[-1]
        loss = results["loss"]
        cells = [
            *(name, run.solver, run.network, run.dataset),
            f"{steps:,} {run.step}{'s' * (steps > 1)}",
            f"{run.seconds[-1]:,.1f} s",
            "-" if loss is None else f"{loss:.4g}",
            *(_percent(results[f"{part}_accuracy"]) for part in ("train", "validation", "test")),
        ]
        table.add_row(*cells)
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
