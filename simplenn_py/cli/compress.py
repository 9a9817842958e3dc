"""``simplenn compress``: replace each layer of a trained network by two thin factors."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.console import say
from .figures import draw_beside
from .tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..datasets.dataset import Dataset
    from ..model.model import Model
    from ..tools.compress.ranks import LayerRank, Root

_DESCRIPTION = """\
Make a trained network smaller.  The matrix W of a layer (its filters or weights) is replaced by a
product U V of two thin matrices, which run one after the other.  Rank r keeps r(m + n) of the m n
parameters.  A layer whose factors would not be smaller is left unchanged.

Three options choose the ranks: --energy keeps a share of the squared singular values in every
layer, --smaller divides the number of parameters by a factor and loses little, and --rank gives
the ranks directly.  The error of a rank is measured on the layer's outputs for training images, if
those are available, or on W alone (--measure).

--finetune trains the factors for some more epochs by SGD.  It needs the data set (that of a run
folder is found automatically, if it is still where the run read it) and can be interrupted and
resumed like any run.  Accuracy, operations and times before and after are printed and written to
compress.json."""

_EPILOG = """\
examples:
  simplenn compress runs/digits-1                     95 % of the energy of each layer
  simplenn compress runs/mnist-1 --smaller 4 --finetune 2
  simplenn compress runs/mnist-1 --rank 0,16,16,9     one rank per layer; 0: unchanged
  simplenn compress model.npz --energy 0.9 --data mnist --out runs/thin
  simplenn convert runs/thin thin.onnx                two nodes per factored layer
  simplenn convert runs/thin thin.mat                 multiplied out, for simpleNN"""

_SAMPLE = 500  # training images on which the layers' outputs are measured


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``compress`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "compress",
        help="make a trained network smaller by low-rank factors",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a run folder, a model.npz, or a .mat file of simpleNN")
    how = parser.add_mutually_exclusive_group()
    only = how.add_argument
    only("--energy", type=float, metavar="X",
         help="share of each layer's squared singular values to keep (0.95)")  # fmt: skip
    only("--smaller", type=float, metavar="X",
         help="factor by which to divide the number of parameters")  # fmt: skip
    only("--rank", metavar="R[,R...]",
         help="one rank for all layers, or one per layer; 0 leaves a layer unchanged")  # fmt: skip
    add("--measure", choices=("outputs", "weights"),
        help="matrix whose singular values count: the layer's outputs for training images (if the "
             "data set is available), or W")  # fmt: skip
    add("--finetune", type=int, default=0, metavar="EPOCHS",
        help="number of epochs to train the factors (%(default)s)")  # fmt: skip
    add("--lr", type=float, metavar="X",
        help="learning rate of fine-tuning (half of the data set's default)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N",
        help="seed for the images to measure on and for fine-tuning (%(default)s)")  # fmt: skip
    add("--data", metavar="DATASET",
        help="data set that the model was trained on; none: use no data set")  # fmt: skip
    add("--data-dir", metavar="DIR", help="folder that holds mnist and cifar10")
    add("--test", metavar="FILE", help="test set, if the data set is a path")
    add("--input-format", choices=("row", "column"), default="row",
        help="pixel order of an image in a .mat or flat .npz file: row by row, or column by "
             "column (%(default)s)")  # fmt: skip
    add("--normalise", metavar="DATASET|none",
        help="normalisation for a model of simpleNN, see 'simplenn predict --help'")  # fmt: skip
    add("--out", metavar="DIR", help="folder to write (MODEL's name with -compressed)")
    add("--json", action="store_true", help="print compress.json, and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compress `args.model`; return the exit status, 130 if Ctrl-C ended the fine-tuning.

    Raises
    ------
    UserError
        If the model or the data set is missing or damaged, or an option does not apply.
    """
    from ..errors import OptionError
    from ..tools.compress.ranks import factor_layers
    from ..tools.compress.report import add_accuracy, first_report, time_passes
    from .predict import load_model, normalise

    for name in ("finetune", "seed"):
        if getattr(args, name) < 0:
            raise OptionError(f"--{name} is {getattr(args, name)}; it must be 0 or more")
    if args.lr is not None and not args.finetune:
        raise OptionError("--lr is for --finetune; leave it out")
    out = Path(args.out) if args.out else _free_name(Path(args.model))
    _check_free(out)
    is_new = not out.is_dir()
    model = load_model(args.model)
    normalise(args, model)
    data = _data(args, model)
    options = _options(args, data, model) if args.finetune and data is not None else None
    measure = _measure(args, model, data)
    layers = _layers(args, model, measure)
    small = factor_layers(model, layers, measure)

    report = {"model": args.model} | first_report(layers, model, small, bool(measure))
    add_accuracy(report, "before", model, data)
    add_accuracy(report, "factored", small, data)
    out = _make_folder(args, out, is_new)
    _write(out, report)  # written again when the report is complete
    if not args.json:
        _print_layers(args.model, layers, report)
    if options is not None and data is not None:
        from ..training.training import train

        small, history = train(data, None, options, out=out, start=small, progress=not args.json)
        if history.interrupted:
            _say_how_to_go_on(args, data, out)
            _draw(out, layers, args.model, report["measure"])
            return 130
        report["finetuned"] = {
            "epochs": args.finetune,
            "seconds": history.report["timings"]["train_seconds"],
        }
        add_accuracy(report, "fine-tuned", small, data)
    else:
        small.save(out / "model.npz")
    report["milliseconds"] = time_passes(model, small)
    text = _write(out, report)
    if args.json:
        print(text, flush=True)
    else:
        _print_totals(report)
    drawn = _draw(out, layers, args.model, report["measure"])
    if not args.json:
        also = ", singular-values.png" if drawn else ""
        say(f"written: {out} (model.npz, compress.json{also})")
    return 0


# -- the options


def _free_name(model: Path) -> Path:
    own = model.resolve()
    name = own.stem if own.is_file() else own.name
    first = own.parent / f"{name[:56]}-compressed"  # a name has at most 255 bytes
    if not os.path.lexists(first):
        return first
    others = (Path(f"{first}-{n}") for n in range(2, 10**6))
    return next(path for path in others if not os.path.lexists(path))


def _check_free(out: Path) -> None:
    from ..errors import DataError

    present = [name for name in ("model.npz", "checkpoint.npz") if (out / name).exists()]
    if present:
        raise DataError(f"{out} already holds a model; choose another --out")
    if os.path.lexists(out) and not out.is_dir():
        raise DataError(f"{out} is a file; name a folder for --out")


def _make_folder(args: argparse.Namespace, out: Path, is_new: bool) -> Path:
    """Make the folder `out` and return it.

    Another command may have made it since it was found to be new: then a default name is followed
    by the next free one.
    """
    from ..errors import DataError

    while True:
        try:
            out.mkdir(parents=True, exist_ok=not is_new)
            return out
        except OSError as error:
            if args.out or not isinstance(error, FileExistsError):
                raise DataError(
                    f"cannot make the folder {out}: {error.strerror or error}; choose another --out"
                ) from None
            out = _free_name(Path(args.model))


def _data(args: argparse.Namespace, model: Model) -> Dataset | None:
    """Load the data set of --data, else the one that the run was trained on."""
    from ..datasets import load_dataset
    from ..datasets.loading import NAMES
    from ..errors import DataError, OptionError
    from ..labels import match_labels, quoted
    from ..training.job import check_size
    from ..training.run_data import find_data

    data, reason = None, ""
    if args.data not in (None, "none"):
        data = load_dataset(
            args.data,
            data_dir=args.data_dir,
            test=args.test,
            shape=None if args.data in NAMES else model.config.image_shape,
            input_format=args.input_format,
            progress=not args.json,
        )
    elif args.data is None and Path(args.model, "run.json").is_file():
        if args.test is not None:
            raise OptionError(
                f"--test is {args.test!r}, but --data is not given, and the run's own data set has "
                "its own test set; leave --test out, or give --data"
            )
        data, reason = find_data(args.model, model.config, args.data_dir)
    if data is None:
        for option in ("finetune", "measure"):
            if getattr(args, option) not in (0, None, "weights"):
                raise OptionError(
                    f"--{option} needs the images that the model was trained on"
                    f"{reason and ', but '}{reason}; give --data"
                )
        if reason:
            note = f"note: the images that {args.model} was trained on are not used: {reason}"
            say(f"{note}; to use them, give --data", file=sys.stderr)
        return None
    check_size(data.train, model.config, "training")
    if match_labels(data.train.y, model.classes)[0].min() == model.config.nL:
        raise DataError(
            f"{data.name} ({data.source}) has no class of this model, such as "
            f"{quoted(model.classes.tolist()[0])}; give the data set that it was trained on"
        )
    return data


def _measure(args: argparse.Namespace, model: Model, data: Dataset | None) -> list[Root] | None:
    import numpy as np

    from ..tools.compress.ranks import roots

    if data is None or args.measure == "weights":
        return None
    a, b, d = model.config.image_shape
    rng = np.random.default_rng(args.seed)
    chosen = np.sort(rng.permutation(data.train.l)[:_SAMPLE])
    images = data.train.Z.T.reshape(-1, a * b * d)[chosen].reshape(-1, d).T
    return roots(model, images)


def _layers(
    args: argparse.Namespace, model: Model, measure: Sequence[Root] | None
) -> list[LayerRank]:
    from ..errors import OptionError
    from ..runtime.numerals import whole
    from ..tools.compress.ranks import ranks_by_energy, ranks_by_size, ranks_given

    if args.rank is not None:
        try:
            ranks = [whole(text) for text in args.rank.split(",")]
        except ValueError:
            raise OptionError(
                f"--rank is {args.rank!r}; it must be one whole number, or one per layer, such as "
                "0,16,16,9"
            ) from None
        return ranks_given(model, ranks, measure)
    if args.smaller is not None:
        return ranks_by_size(model, args.smaller, measure)
    return ranks_by_energy(model, 0.95 if args.energy is None else args.energy, measure)


def _options(args: argparse.Namespace, data: Dataset, model: Model) -> Any:
    from ..training.options import DEFAULT_LR, default_options

    begins = default_options(data).lr or DEFAULT_LR["sgd"]
    return default_options(
        data,
        epochs=args.finetune,
        lr=begins / 2 if args.lr is None else args.lr,
        loss=model.loss,
        dtype=model.theta.dtype.name,
        seed=args.seed,
    )


# -- the results


def _draw(out: Path, layers: Sequence[LayerRank], name: str, of: str) -> str | None:
    from ..tools.compress.plot import plot_ranks

    plot = partial(plot_ranks, layers, name=Path(name).name, of=of)
    return draw_beside(str(out / "singular-values.png"), plot)


def _write(out: Path, report: dict[str, Any]) -> str:
    from ..io.atomic import atomic_write_bytes
    from ..io.strict_json import to_json

    text = to_json(report)
    atomic_write_bytes(out / "compress.json", text.encode())
    return text


def _say_how_to_go_on(args: argparse.Namespace, data: Dataset, out: Path) -> None:
    from .train import resume_command

    origin = data.origin
    assert origin is not None  # it was read by load_dataset
    shape = None if origin.shape is None else "x".join(map(str, origin.shape))
    given = argparse.Namespace(
        dataset=args.data or origin.name,
        data_dir=args.data_dir or origin.data_dir,
        test=origin.test,
        image_shape=shape,
        input_format=origin.input_format,
    )
    say(
        f"interrupted; continue with: {resume_command(given, str(out))}",
        file=sys.stderr if args.json else sys.stdout,
    )


def _print_layers(name: str, layers: Sequence[LayerRank], report: dict[str, Any]) -> None:
    say(f"{name}: singular values of each layer's {report['measure']}")
    rows = []
    for layer in layers:
        m, n = layer.shape
        rank = f"{layer.rank} of {min(m, n)}" if layer.rank else "unchanged"
        kept = f"{100 * layer.energy:.1f} %" if layer.rank else ""
        rows.append((str(layer.m), f"{m} x {n}", rank, kept, f"{m * n:,}", f"{layer.parameters:,}"))
    print_table(("layer", "W", "rank", "energy kept", "entries of W", "of U and V"), rows)


def _print_totals(report: dict[str, Any]) -> None:
    from ..labels import sentence
    from ..runtime.units import human_operations
    from ..tools.compress.report import BATCH

    def line(what: str, values: Sequence[float], form: Any) -> tuple[str, ...]:
        before, after = values
        less = before >= after
        ratio = before / after if less else after / before
        return what, form(before), form(after), f"{ratio:.2f} times {'less' if less else 'more'}"

    ms = report["milliseconds"]
    rows = [
        line("parameters", report["parameters"], "{:,}".format),
        line("operations per image", report["operations_per_image"], human_operations),
        line(f"forward pass of {BATCH} images, ms", ms["predict"], "{:.2f}".format),
        line(f"training step of {BATCH} images, ms", ms["step"], "{:.2f}".format),
    ]
    print_table(("", "before", "after", ""), rows)
    shown = [f"{100 * value:.2f} % {when}" for when, value in report["accuracy"].items()]
    if shown:
        say(f"accuracy on {report['accuracy_on']}: {', '.join(shown)}")
        unknown = {entry["label"]: entry["images"] for entry in report["unknown_labels"]}
        if unknown:
            what = sentence(unknown, "", "the model does not know")
            say(f"counted as mistakes: {what}")
