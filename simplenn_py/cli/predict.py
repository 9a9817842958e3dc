"""``simplenn predict``: label a data set or picture files with a trained model."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import printable, shown
from ..runtime.console import say
from ..runtime.paths import user_path
from .tables import print_table

if TYPE_CHECKING:
    from ..layout import Array
    from ..model.model import Model

_DESCRIPTION = """\
Label images with a trained model.

For a data set, prints the accuracy and, for each class, the number of images that were labelled
correctly and the label that the others received most often.  The test set is used if the data set
has one (see --split).

For picture files (PNG, JPEG, ...) and folders of pictures without sub-folders, prints the label of
each and the second guess.  A picture of any size is resized to that of the training images and
converted to grey or colour as they were; its brightness, 0 to 255, is mapped linearly to their
range.  MNIST and the bundled digits are LIGHT strokes on a DARK ground; give --invert for pen on
paper, which is the reverse.

A network trained with the cross-entropy loss gives probabilities (softmax).  A network trained
with the squared loss gives decision values, near 1 for the predicted class and near 0 for the
others."""

_EPILOG = """\
examples:
  simplenn predict runs/digits digits                the test images of the bundled digits
  simplenn predict runs/digits digits --split train  the training images
  simplenn predict model.npz pictures/               a folder with one sub-folder per class
  simplenn predict model.npz new/                    a folder of pictures without labels
  simplenn predict model.npz seven.png --invert      a photographed digit, pen on paper
  simplenn predict model.mat mnist --normalise mnist a model that simpleNN trained
  simplenn predict model.npz mnist --out out.csv     all decision values, one line per image"""

_FEW = 8  # labels listed in one line
_FORMULA = ("=", "+", "-", "@")
_SETS = {"test": "test set", "validation": "validation set", "train": "training set"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``predict`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "predict",
        help="label a data set or picture files with a trained model",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="a model.npz, a run folder that holds one, or a .mat file of simpleNN",
    )
    add(
        "inputs",
        nargs="+",
        metavar="DATASET|IMAGE",
        help="digits, mnist, cifar10, a .mat or .npz file, a folder of pictures; or picture files, "
        "also as a pattern such as '*.png'",
    )
    add("--split", choices=tuple(_SETS),
        help="set to label: test, validation or training set (test, if there is one)")  # fmt: skip
    add("--data-dir", metavar="DIR", help="folder that holds mnist and cifar10")
    add("--test", metavar="FILE", help="test set, if the data set is a path")
    add(
        "--input-format",
        choices=("row", "column"),
        default="row",
        help="pixel order of an image in a .mat or flat .npz file: row by row, or column by "
        "column (%(default)s)",
    )
    add(
        "--normalise",
        metavar="DATASET|none",
        help="for a model of simpleNN, which has no normalisation: use the scale and mean of this "
        "data set's training images; none: the images are normalised already",
    )
    add("--batch-size", type=int, default=256, metavar="N", help="images per batch (%(default)s)")
    add("--invert", action="store_true",
        help="invert picture files with dark ink on light paper, see above")  # fmt: skip
    add(
        "--out",
        metavar="FILE.csv",
        help="write labels and all decision values z^{L+1} to FILE; before a label that a "
        "spreadsheet would take for a formula stands an apostrophe",
    )
    add("--force", action="store_true", help="overwrite an existing file of --out")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Label `args.inputs`; return the exit status.

    Raises
    ------
    UserError
        If the model or an input is missing, damaged, or of another image size, or an option
        does not apply.
    """
    from ..errors import DataError, OptionError

    if args.batch_size < 1:
        raise OptionError(f"--batch-size is {args.batch_size}; it must be 1 or more")
    if args.out and os.path.lexists(args.out) and not args.force:
        raise DataError(f"{args.out} exists; choose another name for --out, or give --force")
    pictures = not any(map(_is_dataset, args.inputs))
    _check_options(args, pictures)
    if pictures:
        args.inputs = [file for text in args.inputs for file in _picture_files(text)]
    model = load_model(args.model)
    normalise(args, model)
    report = _pictures(args, model) if pictures else _dataset(args, model)
    if args.json:
        import json

        print(json.dumps({"model": args.model, **report}, indent=2))
    return 0


def load_model(path: str | Path) -> Model:
    """Read a model.npz, the model.npz of a run folder, or a .mat file of simpleNN.

    Parameters
    ----------
    path : str or Path
        The file or the run folder.

    Returns
    -------
    Model

    Raises
    ------
    DataError
        If there is no model, or it is damaged.
    """
    from ..errors import DataError
    from ..model.model import Model

    path = user_path(path)
    if path.is_dir():
        if not (path / "model.npz").is_file():
            raise DataError(
                f"{path}: this folder holds no model.npz; give a run folder that 'simplenn train' "
                "wrote, or a model file"
            )
        path /= "model.npz"
    if path.suffix.lower() == ".mat":
        from ..formats.simplenn_mat import read_simplenn

        return read_simplenn(path)
    return Model.load(path)


def normalise(args: argparse.Namespace, model: Model) -> None:
    """Set the normalisation of `model` to the one that --normalise names.

    Parameters
    ----------
    args : Namespace
        The options model, normalise, data_dir and input_format.
    model : Model
        Changed in place if --normalise is given.

    Raises
    ------
    UserError
        If the model has no normalisation and --normalise is not given, or if the images of that
        data set have another size.
    """
    import numpy as np

    from ..datasets import load_dataset
    from ..errors import DataError, OptionError
    from ..network.normalisation import Normalisation
    from ..training.job import check_size

    if args.normalise is None:
        if model.normalisation.is_none:
            raise OptionError(
                f"{args.model} has no normalisation, like all models of simpleNN; give "
                "--normalise DATASET to use the scale and mean of its training images, or "
                "--normalise none if the images are normalised already"
            )
        return
    a, b, d = model.config.image_shape
    if args.normalise == "none":
        model.normalisation = Normalisation.none(a * b * d)
        return
    images = load_dataset(
        args.normalise, data_dir=args.data_dir, shape=(a, b, d), input_format=args.input_format
    ).train
    check_size(images, model.config, "--normalise")
    model.normalisation = Normalisation.of(images.Z, np.arange(images.l), a * b * d)
    problem = model.normalisation.problem(model.theta.dtype)
    if problem:
        raise DataError(f"--normalise {args.normalise} cannot be used: {problem}")


def _is_dataset(text: str) -> bool:
    from ..datasets.loading import NAMES, unlabelled

    path = Path(text)
    if text in NAMES or path.suffix.lower() in (".mat", ".npz"):
        return True
    if path.is_dir():
        return not unlabelled(path)
    return not path.exists() and not path.suffix and not _is_pattern(text)  # perhaps misspelt


def _is_pattern(text: str) -> bool:
    import glob

    return glob.has_magic(text) and not os.path.lexists(text)


def _picture_files(text: str) -> list[str]:
    """Return the files that an input names: a file, a folder, or a pattern.

    Windows does not replace a pattern by the names of the files.
    """
    import glob

    from ..datasets.loading import unlabelled
    from ..errors import DataError

    if Path(text).is_dir():
        return [str(path) for path in unlabelled(Path(text))]
    if not _is_pattern(text):
        return [text]
    found = [path for path in sorted(glob.glob(text)) if not os.path.isdir(path)]
    if not found:
        raise DataError(f"{text}: no file matches this pattern; check the path")
    return found


def _check_options(args: argparse.Namespace, pictures: bool) -> None:
    from ..errors import OptionError

    if not pictures and len(args.inputs) > 1:
        raise OptionError(
            f"{len(args.inputs)} inputs are given, but not all are picture files; "
            "give picture files only, or one data set"
        )
    if pictures:
        wrong = [f"--{name}" for name in ("split", "test") if getattr(args, name) is not None]
        rule = "needs a data set, but picture files are given"
    else:
        wrong = ["--invert"] if args.invert else []
        rule = "is for picture files, but a data set is given"
    if wrong:
        raise OptionError(f"{wrong[0]} {rule}; leave it out")


# -- a data set


def _dataset(args: argparse.Namespace, model: Model) -> dict[str, Any]:
    import numpy as np

    from ..labels import match_labels
    from ..plots.confusion import confusion_counts

    images, part, name = _load(args, model)
    Z = images.Z
    if Path(args.inputs[0]).is_dir() and model.normalisation.doubt(Z):
        Z = _on_scale(Z, model)  # the training images were no picture files
    values = model.decision_values(Z, batch_size=args.batch_size, layout="storage")
    predicted = model.classes[values.argmax(axis=0)]
    counts = confusion_counts(images.y, predicted, model.classes)
    foreign = match_labels(images.y, model.classes)[1]
    labels = model.classes.tolist()
    correct = int(np.trace(counts))
    report = {
        "data": name,
        "split": part,
        "images": images.l,
        "correct": correct,
        "accuracy": correct / images.l,
        "classes": [_class_row(counts, k, labels) for k in range(len(labels))],
        "unknown_labels": [{"label": k, "images": n} for k, n in foreign.items()],
    }
    if args.out:
        keys = [("index", range(images.l)), ("label", images.y.tolist())]
        _write_csv(args.out, keys, predicted.tolist(), model, values)
    if not args.json:
        _print_report(args, report)
    return report


def _load(args: argparse.Namespace, model: Model) -> tuple[Any, str, str]:
    """Return the images to label, the name of their set (test or train), and of the data set."""
    from ..datasets import load_dataset
    from ..datasets.loading import NAMES
    from ..errors import DataError, OptionError

    name, shape = args.inputs[0], model.config.image_shape
    wanted = "x".join(map(str, shape))
    try:
        data = load_dataset(
            name,
            data_dir=args.data_dir,
            test=args.test,
            shape=None if name in NAMES else shape,
            input_format=args.input_format,
            progress=not args.json,
        )
    except DataError as error:
        if not re.search(r"\d+x\d+x\d+|column", str(error)):  # not about the shape
            raise
        raise DataError(f"{error} (this model takes images of {wanted})") from None
    part = args.split or ("test" if data.test is not None else "train")
    images = {"train": data.train, "validation": data.validation, "test": data.test}[part]
    if images is None:
        more = ", or give --test FILE" if part == "test" else ""
        raise OptionError(f"{name} has no {_SETS[part]}; leave --split out{more}")
    if not args.json:
        print("".join(f"{data.name}: {note}\n" for note in data.notes), end="")
    if (images.a, images.b, images.d) != shape:
        raise DataError(
            f"{name}: its images are {images.a}x{images.b}x{images.d}, but this model takes "
            f"{wanted}; use images of that size, or train a model on these"
        )
    if images.l == 0:
        raise DataError(f"{name}: its {_SETS[part]} has no image; choose the other --split")
    return images, part, data.name


def _class_row(counts: Array, k: int, labels: Sequence[Any]) -> dict[str, Any]:
    """Return one row of the table; equally frequent mistakes are represented by the first."""
    total, correct = int(counts[k].sum()), int(counts[k, k])
    mistakes = counts[k].copy()
    mistakes[k] = 0
    worst = int(mistakes.argmax())
    some = bool(mistakes[worst])
    return {
        "class": labels[k],
        "images": total,
        "correct": correct,
        "accuracy": correct / total if total else None,
        "mistaken_for": labels[worst] if some else None,
        "mistaken_images": int(mistakes[worst]),
    }


def _print_report(args: argparse.Namespace, report: dict[str, Any]) -> None:
    from ..labels import listed

    rows = []
    for row in report["classes"]:
        share = "-" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f} %"
        mistake = f"{row['mistaken_for']} ({row['mistaken_images']:,})"
        rows.append([str(row["class"]), f"{row['images']:,}", f"{row['correct']:,}", share])
        rows[-1].append(mistake if row["mistaken_images"] else "")
    say(
        f"{report['data']}, {_SETS[report['split']]}: {100 * report['accuracy']:.2f} % correct, "
        f"{report['correct']:,} of {report['images']:,} images"
    )
    headings = ("class", "images", "correct", "accuracy", "most often mistaken for")
    print_table(headings, rows, left=headings[-1:])
    absent = [row["class"] for row in report["classes"] if not row["images"]]
    if absent:
        say(f"classes without an image in the data set: {_listed(absent)}")
    foreign = report["unknown_labels"]
    if foreign:
        images = sum(entry["images"] for entry in foreign)
        say(
            f"counted as mistakes: {images:,} image{'s' * (images > 1)} with labels that the model "
            f"does not know: {listed({entry['label']: entry['images'] for entry in foreign})}"
        )
    if args.out:
        say(f"written: {args.out}")


# -- picture files


def _pictures(args: argparse.Namespace, model: Model) -> dict[str, Any]:
    import numpy as np

    from ..cnn.operators.loss import CrossEntropy
    from ..datasets.images import read_images

    pixels = read_images(args.inputs, *model.config.image_shape)
    if args.invert:
        pixels = 255 - pixels
    images = _on_scale(pixels, model)
    values = model.decision_values(images, batch_size=args.batch_size, layout="storage")
    best = np.argsort(-values, axis=0, kind="stable")[:2]
    softmax = model.loss == CrossEntropy.name
    shown = CrossEntropy.softmax(values) if softmax else values
    labels = model.classes.tolist()
    rows = [
        {
            "file": file,
            "predicted": labels[first],
            "value": float(shown[first, i]),
            "second": labels[second],
            "second_value": float(shown[second, i]),
        }
        for i, (file, (first, second)) in enumerate(zip(args.inputs, best.T, strict=True))
    ]
    report = {"measure": "probability" if softmax else "decision value", "images": rows}
    if args.out:
        predicted = [row["predicted"] for row in rows]
        _write_csv(args.out, [("file", args.inputs)], predicted, model, values)
    if not args.json:
        _print_pictures(args, report)
    return report


def _on_scale(pixels: Array, model: Model) -> Array:
    """Map brightness, 0 to 255, to the range of the training images."""
    # Normalisation maps raw images to [0, 1]; pixels / 255 are there already, so undo it first.
    low, scale = model.normalisation.shift, model.normalisation.scale
    return pixels / 255 / scale + low


def _print_pictures(args: argparse.Namespace, report: dict[str, Any]) -> None:
    def number(value: float) -> str:
        return f"{100 * value:.1f} %" if report["measure"] == "probability" else f"{value:.3f}"

    rows = []
    for row in report["images"]:
        first, second = number(row["value"]), number(row["second_value"])
        rows.append([row["file"], str(row["predicted"]), first, str(row["second"]), second])
    measure = report["measure"]
    headings = ("file", "predicted", measure, "second guess", measure)
    print_table(headings, rows, left=("predicted", "second guess"))
    if args.out:
        say(f"written: {args.out}")


# -- output


def _write_csv(
    path: str,
    keys: list[tuple[str, Sequence[Any]]],
    predicted: list[Any],
    model: Model,
    values: Array,
) -> None:
    """Write the columns `keys`, the predicted label, and ``z^{L+1}`` with all its digits."""
    import csv

    from ..io.atomic import atomic_open

    digits = ".9g" if values.dtype.itemsize == 4 else ".17g"
    with atomic_open(path, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = [f"z_{label}" for label in model.classes.tolist()]
        writer.writerow([*(name for name, _ in keys), "predicted", *map(_cell, names)])
        columns = [column for _, column in keys]
        for *known, label, z in zip(*columns, predicted, values.T, strict=True):
            numbers = (format(value, digits) for value in z.tolist())
            writer.writerow([*map(_cell, known), _cell(label), *numbers])


def _cell(value: Any) -> Any:
    """Return a label or file name as one line that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _listed(labels: list[Any]) -> str:
    more = f" and {len(labels) - _FEW} more" if len(labels) > _FEW else ""
    return ", ".join(map(shown, labels[:_FEW])) + more
