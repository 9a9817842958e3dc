"""Tables on the terminal, in the style of all commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..runtime.console import print_whole


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[str] = ()
) -> None:
    """Print a table, in full width if the output is not a terminal.

    Parameters
    ----------
    headings : sequence of str
    rows : iterable of sequence of str
        The cells, one per heading.
    left : collection of str
        Headings of the columns that are aligned left, as the first one always is; all others are
        aligned right.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="left" if k == 0 or heading in left else "right")
    for row in rows:
        table.add_row(*row)
    print_whole(table, plain_width=200)
