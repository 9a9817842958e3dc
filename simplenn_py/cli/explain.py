"""``simplenn explain``: write the layers of a network as an interactive page."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.console import say

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..model.model import Model

_DESCRIPTION = """\
Write a page for the browser that shows the convolutional layers of a network number by number,
for one image:

  forward pass:   pad, phi, the product W phi(pad(Z)), bias and ReLU, pooling
  backward pass:  V .* I[Z], P_pool (3); dxi/dW (4); W' dxi/dS, v' P_phi, padding dropped (5)

Choose an output pixel to see its patch, its column of phi, the filter and the sum.  The numbers
are computed by this package in float64.  The page needs no connection and no other file.

An untrained network gets random weights and an image as small as its layers allow.  If a layer
has many filters or channels, only the first few are shown."""

_EPILOG = """\
examples:
  simplenn explain digits                            the preset with random weights
  simplenn explain layer4 --layer 2 --out l2.html    one layer of a larger network
  simplenn explain runs/digits-1 --image 3           a trained network, the fourth test image
  simplenn explain model.npz --dataset mnist         an image like those that it was trained on

In the page, the arrow keys left and right change the step; in a framed matrix the arrow keys move
the selection."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``explain`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "explain",
        help="write an interactive page of a layer: patch, phi, product, backward pass",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "network",
        metavar="CONFIG|PRESET|MODEL",
        help="a .config file; digits, layer4, layer7, vgg11; a model.npz, a run folder, or a .mat "
        "file of simpleNN",
    )
    add("--out", default="explain.html", metavar="FILE.html", help="page to write (%(default)s)")
    add("--force", action="store_true", help="overwrite an existing file of --out")
    add("--layer", type=int, metavar="M",
        help="number of a convolutional layer, from 1 (all layers that fit)")  # fmt: skip
    add("--image", type=int, default=0, metavar="INDEX",
        help="index of an image in the test set, from 0 (%(default)s)")  # fmt: skip
    add("--dataset", metavar="DATASET",
        help="digits, mnist, cifar10, a .mat or .npz file, a folder (the data set of a run folder "
             "if it is still there, else digits)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N",
        help="seed for the weights of an untrained network (%(default)s)")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page of `args.network`; return the exit status.

    Raises
    ------
    UserError
        If there is no such network, layer or image, or if the page exists already.
    """
    from ..errors import DataError, OptionError
    from ..runtime.threads import limit_threads

    if args.seed < 0:
        raise OptionError(f"--seed is {args.seed}; it must be 0 or more")
    if Path(args.out).suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"--out is {args.out!r}; the name of the page must end in .html")
    if os.path.lexists(args.out) and not args.force:
        raise DataError(f"{args.out} exists; choose another name for --out, or give --force")
    from ..tools.explain import numbers as explain
    from ..tools.explain.picture import choose_picture

    model, layers, title, notes, trained = _network(args)
    picture = choose_picture(_dataset(args, model, trained), args.image, model)
    with limit_threads(0):
        data = explain.page_data(model, picture, layers, title, notes)
    html, shown = explain.fitting_page(data)
    explain.write_page(args.out, html)
    which = ", ".join(map(str, shown))
    say(f"{title}, layer{'s' * (len(shown) > 1)} {which}: {picture.about}")
    if not trained:
        print(
            "the network is untrained and its weights are random; after 'simplenn train digits', "
            "'simplenn explain runs/digits-1' shows a trained network"
        )
    say(f"written: {args.out} ({len(html.encode()) / 1e3:,.0f} kB); open it in a browser")
    return 0


def _network(args: argparse.Namespace) -> tuple[Model, list[int], str, list[str], bool]:
    """Return the network, the layers to show, its name, notes, and whether it is trained."""
    import numpy as np

    from ..model.model import Model
    from ..network.presets import PRESETS
    from ..tools.explain.numbers import choose_layers, smaller
    from ..tools.summary import check_memory
    from .predict import load_model
    from .summary import find_network

    path = Path(args.network)
    is_model = path.is_dir() or path.suffix.lower() in (".npz", ".mat")
    if is_model and args.network not in PRESETS:
        model = load_model(path)
        check_memory(model.config, 1, "float64")
        return model, choose_layers(model.config, args.layer), _name(path), [], True
    own, _ = find_network(argparse.Namespace(**vars(args), image_shape=None, classes=None))
    layers = choose_layers(own, args.layer)
    config = smaller(own, layers[0])
    check_memory(config, 1, "float64")
    notes = [f"The network is untrained: random weights (He), seed {args.seed}, biases 0."]
    if config != own:
        (a, b, _), (c, d, _) = own.image_shape, config.image_shape
        notes.append(f"The network is made for {a}x{b} images; here its layers take {c}x{d}.")
    rng = np.random.default_rng(args.seed)
    model = Model.initialise(config, np.arange(config.nL), rng, np.float64)
    return model, layers, _name(path), notes, False


def _name(path: Path) -> str:
    return path.resolve().name if path.name in ("", "..") else path.name


def _dataset(args: argparse.Namespace, model: Model, trained: bool) -> Dataset:
    from ..datasets import load_dataset
    from ..datasets.loading import NAMES
    from ..errors import shown
    from ..training.run_data import find_data

    if args.dataset is None:
        if trained and Path(args.network, "run.json").is_file():
            data, reason = find_data(args.network, model.config)
            if data is not None:
                return data
            note = f"note: the images that {args.network} was trained on are not used: {reason}"
            print(shown(note, 1000), file=sys.stderr)
        return load_dataset("digits")
    # Images from a path take the network's size if their format does not fix one.
    shape = None if args.dataset in NAMES or not trained else model.config.image_shape
    return load_dataset(args.dataset, shape=shape)
