"""Figures beside results: they are drawn last, and a figure that fails is a note."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import shown
from .fonts import script_names
from .style import write_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A function that draws a figure and returns its axes.
Plot = Callable[[], "Axes | Sequence[Axes]"]


def draw(figures: Mapping[Path, Plot]) -> tuple[list[Path], list[str]]:
    """Draw figures in the package's own style and write them as PNG files.

    Nothing that goes wrong with a figure is an exception, not even Ctrl-C: the results that it
    belongs to are there already.  The settings of the user's ``matplotlibrc`` do not apply.

    Parameters
    ----------
    figures : mapping of path to function
        For each file, the function that draws it.

    Returns
    -------
    written : list of path
        The files that were written.
    notes : list of str
        For the user: which figures were not drawn and why, and the characters that no installed
        font has.
    """
    written: list[Path] = []
    failed: dict[str, list[str]] = {}  # reason: names of figures
    boxes = ""
    for path, plot in figures.items():
        if "interrupted" in failed:
            failed["interrupted"].append(shown(path.name))
            continue
        try:
            with _own_style():
                boxes += write_png(plot(), path)
            written.append(path)
        except KeyboardInterrupt:
            failed["interrupted"] = [shown(path.name)]
        except Exception as error:  # whatever Matplotlib and its fonts, caches and files raise
            failed.setdefault(_reason(error, path), []).append(shown(path.name))
    notes = [
        f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} not drawn: {reason}"
        for reason, names in failed.items()
    ]
    if boxes:
        notes.append(
            f"no installed font has the characters {shown(''.join(sorted(set(boxes))), 60)} of the "
            f"figures ({shown(script_names(boxes), 60)}); install one, such as Noto Sans or Noto "
            "Sans CJK"
        )
    return written, notes


@contextmanager
def _own_style() -> Iterator[None]:
    """Use Matplotlib's defaults, without the user's settings, and keep its warnings quiet."""
    import matplotlib

    log = logging.getLogger("matplotlib.font_manager")
    level = log.level

    # A change of the backend would close the user's figures, and nothing is shown here.
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
        try:
            with matplotlib.rc_context(defaults):
                yield
        finally:
            log.setLevel(level)


def _reason(error: Exception, path: Path) -> str:
    text = str(error).removeprefix(f"{os.fspath(path)}: ") or type(error).__name__
    return shown(text.strip(), 300)
