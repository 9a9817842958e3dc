"""``simplenn data``: list, find, download and verify data sets."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..errors import printable
from ..runtime.console import print_whole, say

_DESCRIPTION = """\
Find, download and verify the data sets digits, mnist and cifar10.

Training downloads missing data automatically.  Use this command to download data in advance, for
instance before a course without an internet connection, or to check the data that you have.

Data sets are searched for in this order:
  1. the folder given by --data-dir,
  2. the folder named by the environment variable SIMPLENN_DATA_DIR,
  3. the cache of your platform ('simplenn data list' shows it),
  4. the folder 'data' in the working folder.
A download goes to the first of these that is given, but never to the last.  The files may lie there
as their authors, torchvision or Keras keep them: for instance MNIST/raw/, mnist.npz,
cifar-10-batches-py/ or cifar-10-python.tar.gz.  Your own images do not need this command:
give the path of a .mat file, a .npz file or a folder of pictures to 'simplenn train'."""

_EPILOG = """\
examples:
  simplenn data list                              all data sets, and which ones you have
  simplenn data fetch mnist                       download MNIST into the cache
  simplenn data fetch mnist cifar10 --data-dir D  both, into the folder D
  simplenn data where mnist                       print the folder that holds MNIST
  simplenn data verify                            read and check all data sets that you have"""

_ACTIONS = {
    "list": "show all data sets, their sizes, and whether and where you have them",
    "where": "print the folder that holds a data set; an error if there is none",
    "fetch": "download missing files and replace damaged ones; keep good files",
    "verify": "read all files, check numbers and checksums; download nothing",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``data`` to the parser of the command line."""
    actions = "\n".join(f"  {name:8}{text}" for name, text in _ACTIONS.items())
    parser = subparsers.add_parser(
        "data",
        help="list, find, download and verify data sets",
        description=f"{_DESCRIPTION}\n\nactions:\n{actions}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=list(_ACTIONS), help="action to perform, see above")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="digits, mnist or cifar10; all if no name is given (fetch needs at least one)",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder to search first and to download to; created if it does not exist",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Perform `args.action` for the data sets `args.names`; return the exit status.

    Raises
    ------
    UserError
        If a data set is unknown, missing, damaged, or cannot be downloaded.
    """
    actions: dict[str, Callable[[list[str], str | None], int]] = {
        "list": _list,
        "where": _where,
        "fetch": _fetch,
        "verify": _verify,
    }
    from ..datasets.fetch import info

    for name in args.names:
        info(name)
    return actions[args.action](args.names, args.data_dir)


def _list(names: list[str], data_dir: str | None) -> int:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ..datasets.catalogue import catalogue
    from ..datasets.fetch import folders, where

    entries = [entry for entry in catalogue() if not names or entry.name in names]
    places = {entry.name: where(entry.name, data_dir) for entry in entries}
    headings = ("name", "training", "test", "size", "classes", "present", "content")
    table = Table(*headings, box=SIMPLE_HEAD)
    table.padding = (0, 1, 0, 0)
    for column in table.columns[1:5]:
        column.justify = "right"
    for entry in entries:
        megabytes = sum(file.size for file in entry.files) / 1e6
        table.add_row(
            entry.name,
            f"{entry.train:,}",
            f"{entry.test:,}",
            "x".join(map(str, entry.shape)),
            str(entry.classes),
            "yes" if places[entry.name] else f"no ({megabytes:.0f} MB)",
            entry.about,
        )
    print_whole(table, plain_width=80)
    for name, place in places.items():
        missing = f"not found; to download it: simplenn data fetch {name}"
        say(f"{name}: {place or missing}")
    say("searched: " + ", ".join(map(str, folders(data_dir))))
    return 0


def _where(names: list[str], data_dir: str | None) -> int:
    from ..datasets.catalogue import CATALOGUE
    from ..datasets.fetch import require, where

    if len(names) == 1:  # one bare path, for use in scripts
        say(require(names[0], data_dir))
        return 0
    for name in names or CATALOGUE:
        place = require(name, data_dir) if names else where(name, data_dir)
        print(f"{name}\t{printable(place or '-')}")
    return 0


def _fetch(names: list[str], data_dir: str | None) -> int:
    from ..datasets.fetch import fetch
    from ..errors import DataError

    if not names:
        raise DataError(
            "fetch needs the name of a data set; give one or more, such as 'simplenn data fetch "
            "mnist'"
        )
    for name in names:
        say(f"{name}: {fetch(name, data_dir)}")
    return 0


def _verify(names: list[str], data_dir: str | None) -> int:
    from ..datasets.catalogue import CATALOGUE
    from ..datasets.fetch import where
    from ..datasets.verify import verify

    # Without names, verify the data sets that are present; a named one must be present.
    for name in names or [known for known in CATALOGUE if where(known, data_dir)]:
        result = verify(name, data_dir)
        print(f"{name}: good, {result.train:,} training and {result.test:,} test images")
        for path, verdict in result.files:
            say(f"  {path}: {verdict}")
    return 0
