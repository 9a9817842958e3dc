"""The command line: one file per subcommand, each a thin caller of the library."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from ..errors import UserError, closest, printable, shown
from ..runtime.console import print_anything
from ..runtime.numerals import real, whole
from ..runtime.threads import polite_waiting
from . import (
    compare,
    compress,
    convert,
    data,
    doctor,
    exercise,
    explain,
    gemm,
    gradcheck,
    graph,
    im2col,
    predict,
    profile,
    roofline,
    summary,
    train,
    warmup,
)

_EPILOG = """\
a first session:
  simplenn train digits                  train on the bundled images (seconds, once compiled)
  simplenn predict runs/digits-1 digits  the accuracy of that network, class by class
  simplenn summary layer4                all sizes of the lecture's section A
"""

#: What other programs call our options.
_ELSEWHERE = {
    "--learning-rate": "--lr",
    "--optimizer": "--solver",
    "--optim": "--solver",
    "--net": "--config",
    "--model": "--config",
    "--network": "--config",
    "--output": "--out",
    "--output-dir": "--out",
    "--random-state": "--seed",
    "--weight-decay": "--C",
}


class _Parser(argparse.ArgumentParser):
    """Report a usage error in one line, as the rest of the program does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register("type", int, _whole)
        self.register("type", float, _number)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse an unknown option here, where the options of the command are known."""
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            options = [o for action in self._actions for o in action.option_strings]
            word = rest[0].split("=")[0]
            word = _ELSEWHERE.get(word, word)
            near = closest(word, options, 0.75) if word.startswith("-") else ""
            self.error(f"unrecognized arguments: {' '.join(rest)}{near}")
        return known, rest

    def error(self, message: str) -> NoReturn:
        # argparse lists what may be left out as well.
        message = message.replace("are required: action, NAME", "are required: action")
        wrong = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message)
        if wrong:
            message += closest(wrong[1], re.findall(r"[\w-]+", wrong[2]))
        see = f"{' See' if message.endswith('?') else '; see'} '{self.prog} --help'"
        self.exit(2, f"simplenn: error: {shown(message, 600)}{see}\n")


def _whole(text: str) -> int:
    try:
        return whole(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _number(text: str) -> float:
    try:
        return real(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands, without importing anything heavy."""
    top = _Parser(
        prog="simplenn",
        description="Convolutional networks as the lecture writes them, compiled by Numba.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"simplenn_py {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (train, predict, compare, compress, summary, profile, gemm, im2col, roofline,
                   explain, gradcheck, graph, exercise, convert, data, doctor, warmup):  # fmt: skip
        module.add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        The command's own status, 0 for success; 2 for a usage error or an error of the system;
        130 if interrupted; 141 if the reader of the output has gone.
    """
    polite_waiting()  # before NumPy loads its BLAS
    print_anything()
    args = _with_homes(parser().parse_args(argv))
    try:
        return int(args.run(args))
    except UserError as error:
        print(f"simplenn: error: {error}", file=sys.stderr)
        return 2
    except (BrokenPipeError, SystemExit):  # rich turns the first into the second
        # The reader of our output has gone: nothing more can be written there, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"simplenn: error: {_told(error)}", file=sys.stderr)
        return 2
    except MemoryError as error:
        size = f" ({error})" if str(error) else ""
        print(f"simplenn: error: out of memory{size}; choose smaller sizes or a smaller batch",
              file=sys.stderr)  # fmt: skip
        return 2
    except KeyboardInterrupt:
        print("simplenn: interrupted", file=sys.stderr)
        return 130


def _told(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    told = f"{where}{error.strerror or error}; check the path, its permissions and the disk"
    return printable(told)


def _with_homes(args: argparse.Namespace) -> argparse.Namespace:
    """Replace ``~`` at the start of arguments, which a shell leaves in ``--out=~/runs``."""

    def home(value: object) -> object:
        if isinstance(value, list):
            return [home(one) for one in value]
        return os.path.expanduser(value) if isinstance(value, str) else value

    return argparse.Namespace(**{name: home(value) for name, value in vars(args).items()})
