"""``simplenn train``: train a network on a data set."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.console import make_console, shell_words
from ..runtime.numerals import is_digits
from ..training.options import TrainOptions, default_options

if TYPE_CHECKING:
    from rich.console import Console

    from ..interfaces.student_routines import Watched
    from ..training.checkpoint import Checkpoint

_DESCRIPTION = """\
Train a convolutional network by stochastic gradient descent with momentum, Adam, or the
Gauss-Newton method of simpleNN.

DATASET is digits (bundled), mnist or cifar10 (found on this machine or downloaded), a simpleNN
.mat file, an .npz file with X and y, or a folder with one sub-folder of picture files per class.
Such a folder may be divided into train, val and test; val is then the validation set.
digits, mnist and cifar10 have their own defaults, so 'simplenn train DATASET' gives good results
without further options.
"""
_EPILOG = """\
examples:
  simplenn train digits
  simplenn train mnist --epochs 3 --seed 7
  simplenn train cifar10 --config layer7 --validation 0.1
  simplenn train digits --solver newton --iter-max 30
  simplenn train mine.mat --config mine.config --input-format column
  simplenn train digits --with student_phi.py --epochs 5
  simplenn train pictures/ --image-shape 32x32x3 --out runs/pictures

Ctrl-C finishes the current batch and writes a checkpoint.  --resume continues from it; the result
is bit-for-bit identical to that of an uninterrupted run.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``train``; its training options come from the fields of TrainOptions."""
    p = subparsers.add_parser(
        "train",
        help="train a network on a data set",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("dataset", metavar="DATASET", help="name or path of the data set, see above")
    p.add_argument(
        "--config",
        metavar="FILE|PRESET",
        help="network: a simpleNN .config file, or digits, layer4, layer7, vgg11 (default: "
        "digits for the digits data set, layer4 otherwise)",
    )
    options = p.add_argument_group("training")
    for f in fields(TrainOptions):
        choices = f.metadata.get("choices")
        options.add_argument(
            f"--{f.name.strip('_').replace('_', '-')}",
            dest=f.name,
            type={"int": int, "float": float}.get(str(f.type), str),
            metavar="|".join(choices) if choices else {"int": "N"}.get(str(f.type), "X"),
            help=f"{f.metadata['help']} ({_defaults(f.name)})",
        )
    p.add_argument(
        "--with",
        dest="own",
        nargs="+",
        metavar="FILE.py",
        help="train with your own routines: the functions padding_and_phiZ, vTP_phi, maxpooling, "
        "... in these files or folders replace those of the lecture engine, and their values and "
        "run times are compared with the engine's",
    )
    files = p.add_argument_group("data and files")
    files.add_argument("--data-dir", metavar="DIR", help="folder that holds mnist and cifar10")
    files.add_argument("--test", metavar="FILE", help="test set, if DATASET is a path")
    files.add_argument(
        "--image-shape", metavar="HxWxD", help="height, width and channels of the images"
    )
    files.add_argument(
        "--input-format",
        choices=("row", "column"),
        default="row",
        help="pixel order of an image in a .mat or flat .npz file: row by row, or column by "
        "column (default: row)",
    )
    files.add_argument("--out", metavar="DIR", help="run folder (default: runs/DATASET-1, -2, ...)")
    files.add_argument("--resume", metavar="DIR", help="continue the run in this run folder")
    shown = p.add_argument_group("output")
    shown.add_argument("--quiet", action="store_true", help="print only the final result")
    shown.add_argument("--json", action="store_true", help="print only run.json on stdout")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train on `args.dataset`; return the exit status, 130 if Ctrl-C ended the run early.

    Raises
    ------
    UserError
        If an option breaks its rule, the data set is missing or damaged, or the network, the
        data and the options are incompatible.
    """
    from ..datasets import load_dataset
    from ..interfaces.student_routines import operators_of
    from ..io.strict_json import to_json
    from ..training.checkpoint import Checkpoint
    from ..training.training import train

    console = make_console(stderr=args.json, soft_wrap=True)
    given = {f.name: getattr(args, f.name) for f in fields(TrainOptions)}
    given = {name: value for name, value in given.items() if value is not None}
    own = _own_routines(args, given)
    if args.resume is not None:
        _refuse_with_resume(args)
        checkpoint = Checkpoint.read(args.resume)
        options = TrainOptions(**{**asdict(checkpoint.options), **given})
    else:
        checkpoint = None
        options = default_options(args.dataset, **given)
    data = load_dataset(
        args.dataset,
        data_dir=args.data_dir,
        test=args.test,
        shape=_shape(args, checkpoint),
        input_format=args.input_format,
        progress=not (args.quiet or args.json),
    )
    for watched in own:
        watched.say = partial(console.print, watched.name, "of", watched.path.name)
    if not args.quiet:
        of_all = f"{options.limit} of " if options.limit else ""
        held_out = f"{data.validation.l} validation images, " if data.validation else ""
        parts = f"{of_all}{data.train.l} training images, {held_out}{data.source}"
        console.print("; ".join([f"{data.name}: {parts}", *data.notes]))
    with _folder(args) as out:
        _, history = train(
            data,
            args.config,
            options,
            out=None if args.resume else out,
            resume=checkpoint,
            operators=operators_of(own) if own else None,
            progress=not args.quiet,
            console=console,
        )
    if args.json:
        print(to_json(history.report))
    elif own:
        for watched in own:
            console.print(watched.summary())
    if not args.quiet and history.report.get("stopped_because"):
        console.print(f"stopped: {history.report['stopped_because']}")
    if history.interrupted:
        console.print(f"interrupted; continue with: {resume_command(args, out)}")
        return 130
    if not args.json:
        if args.quiet:  # otherwise said before the training
            _say_unseen(history.report, console)
        console.print(_result(history.report, out))
    return 0


def _say_unseen(report: dict[str, Any], console: Console) -> None:
    from ..labels import sentence

    for part, entries in report["dataset"]["unseen_labels"].items():
        unseen = {entry["label"]: entry["images"] for entry in entries}
        text = sentence(unseen, f"{part} ", "the training set lacks")
        console.print(f"note: {text}", markup=False, highlight=False)


def _own_routines(args: argparse.Namespace, given: dict[str, Any]) -> list[Watched]:
    """Load the routines of --with; they need the lecture engine."""
    from ..interfaces.student_routines import load_all

    if args.own is None:
        return []
    given.setdefault("engine", "lecture")
    return load_all(args.own)


def _refuse_with_resume(args: argparse.Namespace) -> None:
    from ..errors import OptionError

    for name in ("config", "out"):
        if getattr(args, name) is not None:
            raise OptionError(
                f"--{name} is {getattr(args, name)!r}; a resumed run keeps its own; leave it out"
            )


def _shape(args: argparse.Namespace, checkpoint: Checkpoint | None) -> tuple[int, int, int] | None:
    """Return the images' shape from --image-shape, else from a .config file or a checkpoint."""
    from ..network.config import NetConfig
    from ..network.presets import PRESETS

    if args.image_shape is not None:
        return _parse_shape(args.image_shape)
    path = Path(args.dataset)
    flat = path.suffix.lower() in (".mat", ".npz")
    if flat and args.config is not None and args.config not in PRESETS:
        return NetConfig.read(args.config).image_shape
    if flat and checkpoint is not None:
        return checkpoint.model.config.image_shape
    return None


def _parse_shape(text: str) -> tuple[int, int, int]:
    from ..errors import OptionError

    parts = text.lower().split("x")
    if len(parts) != 3 or not all(is_digits(p) and 0 < int(p) < 2**20 for p in parts):
        raise OptionError(
            f"--image-shape is {text!r}; it must be height, width and channels, "
            "three whole numbers from 1, such as 28x28x1"
        )
    a, b, d = map(int, parts)
    return a, b, d


@contextmanager
def _folder(args: argparse.Namespace) -> Iterator[str]:
    """Yield the run folder; a new one is removed if the run writes nothing into it."""
    if args.resume or args.out:
        yield args.resume or args.out
        return
    is_first = not Path("runs").exists()
    folder = _next_folder(args.dataset)
    try:
        yield str(folder)
    finally:
        with suppress(OSError):  # something is in it
            folder.rmdir()
            if is_first:
                folder.parent.rmdir()


def _next_folder(dataset: str) -> Path:
    """Make the first folder of runs/DATASET-1, -2, ... that is free.

    Making it decides which of two runs that start together gets the name.
    """
    from ..errors import DataError

    stem = Path(dataset).stem[:60] or "run"  # at most 240 bytes: a name has 255
    try:
        Path("runs").mkdir(exist_ok=True)
        for n in range(1, 10**6):
            with suppress(FileExistsError):
                folder = Path("runs", f"{stem}-{n}")
                folder.mkdir()
                return folder
    except OSError as error:
        raise DataError(
            f"cannot make a folder in runs: {error.strerror or error}; choose another --out"
        ) from None
    raise DataError(f"runs holds too many folders {stem}-N; choose another --out")


def resume_command(args: argparse.Namespace, out: str) -> str:
    """Return the command that continues the run in the folder `out`.

    Parameters
    ----------
    args : Namespace
        Options of the interrupted run: dataset, data_dir, test, image_shape, input_format and own.
    out : str
        The run folder.
    """
    words = ["simplenn", "train", args.dataset, "--resume", str(out)]
    for name in ("data_dir", "test", "image_shape"):
        if getattr(args, name) is not None:
            words += [f"--{name.replace('_', '-')}", getattr(args, name)]
    if args.input_format != "row":
        words += ["--input-format", args.input_format]
    own = getattr(args, "own", None) or []
    words += ["--with", *own] if own else []
    paths = {args.dataset, str(out), args.data_dir, args.test, *own}
    # A path that starts with a dash would be taken for an option.
    dashed = {path for path in paths if path is not None and path.startswith("-")}
    return shell_words([f"./{word}" if word in dashed else word for word in words])


def _result(report: dict[str, Any], out: str) -> str:
    parts = [f"train accuracy {100 * report['train_accuracy']:.2f} %"]
    if report["validation_accuracy"] is not None:
        step = "iteration" if "iterations" in report else "epoch"
        parts.append(
            f"validation accuracy {100 * report['validation_accuracy']:.2f} % (best {step}: "
            f"{report['best_epoch']} of {report.get(step + 's')})"
        )
    if report["test_accuracy"] is not None:
        parts.append(f"test accuracy {100 * report['test_accuracy']:.2f} %")
    elif report["validation_accuracy"] is None:
        parts.append("no images were held out to test it (see --validation and --test)")
    timings = report["timings"]
    parts.append(
        f"{timings['total_seconds']:.1f} s in total, of which {timings['compile_seconds']:.1f} s "
        "to compile or to load compiled code"
    )
    return f"{', '.join(parts)}; written to {out}"


def _defaults(name: str) -> str:
    """Describe the default of an option, and the defaults of the data sets that differ."""
    value = getattr(TrainOptions(), name)
    own = {d: getattr(default_options(d), name) for d in ("digits", "mnist", "cifar10")}
    if len({value, *own.values()}) == 1:
        return f"default: {_shown(value)}"
    shown = ", ".join(f"{_shown(v)} for {d}" for d, v in own.items() if v != value)
    return f"default: {shown}, {_shown(value)} otherwise"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
