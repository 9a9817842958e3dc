"""``simplenn convert``: convert models to and from simpleNN's ``.mat``, and to ONNX."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.console import say

if TYPE_CHECKING:
    from ..model.model import Model

_DESCRIPTION = """\
Write a trained model in another format.  The file names' suffixes choose the formats:

  .npz   the format of this package, written by 'simplenn train'
  .mat   the format of simpleNN for MATLAB or Octave: the struct 'model' that cnn_predict takes
  .onnx  for other programs: takes float32 images (l, height, width, channels) on the scale of the
         training images; needs pip install "simplenn-py[onnx]"

A .npz or .mat file can be converted to each of the others.  An .onnx file is only written.

simpleNN does not normalise images.  A .mat file keeps our normalisation in fields that simpleNN
ignores; the two lines of MATLAB that apply it are printed after writing.  A model that simpleNN
trained has no normalisation: give it images that are scaled as they were for cnn_train."""

_EPILOG = """\
examples:
  simplenn convert runs/mnist model.mat     the model of a run, for simpleNN's cnn_predict
  simplenn convert runs/mnist model.onnx    for onnxruntime, a browser, a phone
  simplenn convert model.mat model.npz      a model of simpleNN, for 'simplenn predict'; save it
                                            in MATLAB by save('-v7', 'model.mat', 'model')
  simplenn convert model.npz model.onnx --probabilities
                                            with a second output, the softmax of the first"""

_READ = (".npz", ".mat")
_WRITTEN = (".npz", ".mat", ".onnx")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``convert`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "convert",
        help="convert a model to simpleNN's .mat or to ONNX, or from simpleNN's .mat",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="IN", help="a model.npz, a run folder, or a .mat file of simpleNN")
    add("target", metavar="OUT", help="file to write: NAME.npz, NAME.mat or NAME.onnx")
    add(
        "--probabilities",
        action="store_true",
        help=".onnx: add a second output with probabilities, if the loss was cross-entropy",
    )
    add("--force", action="store_true", help="overwrite OUT")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert `args.source` to `args.target`; return the exit status.

    Raises
    ------
    UserError
        If IN is not a model, OUT exists, or there is no such conversion.
    """
    from ..errors import DataError, OptionError

    source, target = Path(args.source), Path(args.target)
    before, after = _suffix(source), target.suffix.lower()
    if before not in _READ:
        raise OptionError(
            f"{args.source}: models are read from {' and '.join(_READ)} files and from run "
            "folders; give one of these as IN"
        )
    if after not in _WRITTEN or after == before:
        choices = " or ".join(suffix for suffix in _WRITTEN if suffix != before)
        reason = (
            f"already has the format of {args.source}" if after == before else "has no known suffix"
        )
        raise OptionError(f"{args.target} {reason}; give OUT the suffix {choices}")
    if args.probabilities and after != ".onnx":
        raise OptionError("--probabilities is for .onnx files; leave it out")
    if os.path.lexists(target) and not args.force:
        raise DataError(f"{args.target} exists; choose another name for OUT, or give --force")
    model = _load(source, before)
    _write(args, model, after)
    say(f"written: {args.target}")
    _explain(args, model, after)
    return 0


def _suffix(source: Path) -> str:
    return ".npz" if source.is_dir() else source.suffix.lower()


def _load(source: Path, suffix: str) -> Model:
    if suffix == ".mat":
        from ..formats.simplenn_mat import read_simplenn

        return read_simplenn(source)
    from .predict import load_model

    return load_model(source)


def _write(args: argparse.Namespace, model: Model, suffix: str) -> None:
    if suffix == ".npz":
        model.save(args.target)
    elif suffix == ".mat":
        from ..formats.simplenn_mat import write_simplenn

        write_simplenn(args.target, model)
    else:
        from ..formats.onnx import write_onnx

        write_onnx(args.target, model, args.probabilities)


def _explain(args: argparse.Namespace, model: Model, suffix: str) -> None:
    """Print what a user of the new file must know, above all how to prepare the images."""
    from ..formats.simplenn_mat import matlab_lines, not_square

    if suffix == ".onnx":
        a, b, d = model.config.image_shape
        print(
            f"input 'images': float32, (l, {a}, {b}, {d}); output 'values': (l, {model.config.nL})"
        )
    if model.normalisation.is_none:
        print(
            "note: this model has no normalisation; scale its images and subtract the mean as was "
            "done before training"
        )
    elif suffix == ".mat":
        reorder, normalise = matlab_lines(model)
        print("raw images, Z with one image per row, need this before cnn_predict(y, Z, model):")
        print("% only if each row of Z holds an image row by row, as in MNIST's files")
        print(reorder)
        print("% always")
        print(normalise)
    if ".mat" in (suffix, _suffix(Path(args.source))) and not_square(model.config):
        print(
            "note: some revisions of simpleNN mix up height and width if the padded images of a "
            "convolution are not square; compare some labels of both packages before you rely on it"
        )
    if suffix == ".mat" and model.classes.dtype.kind == "U":
        print(f"the labels in the file are 1 to {model.config.nL}; this gives their names:")
        print("jsondecode(model.simplenn_py_classes)")
