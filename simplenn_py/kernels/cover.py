"""A list of rows covered by register tiles."""

from .policy import compiled
from .tile import ROWS, VECTORS, outer_tile, tile

#: Rows of the smaller tile.  Images most often have 8, 16 or 32 pixels per side.
HALF = 8 if ROWS == 14 else 4


@compiled()
def clear(array, start, stop):
    """Set ``array[start:stop]`` of a 1-d array to 0."""
    part = array[start:stop]  # its indices are not negative, as LLVM can see
    for k in range(part.size):
        part[k] = 0


def halves(n: int) -> int:
    """Return the number of tiles of HALF rows that end a list of `n`, after those of ROWS rows.

    The number is one, two or three, whichever covers the remaining rows with the fewest spare
    rows: 16 rows are covered by two tiles of 8, not by one of 14 and one of 8.
    """
    rest = n % ROWS
    if rest == 0:
        return 0
    if n > ROWS and rest <= 2 * HALF - ROWS:
        return 2
    if n > ROWS and HALF < rest <= 3 * HALF - ROWS:
        return 3
    return 1 if rest <= HALF else 0


_halves = compiled()(halves)


@compiled()
def cover(vectors, n, rows, panel, target, add):
    """Multiply `n` rows by a panel.

    Tiles have ROWS rows; where it saves work, a few of HALF rows end the list.

    Parameters
    ----------
    vectors : int
        Number of vectors of the panel, VECTORS or 1.
    n : int
        Number of rows.  The offsets of `rows` and `target` must be padded with ROWS extra entries
        that repeat the last.
    rows : groups.Rows
        Left factor: numbers that are broadcast.
    panel : groups.Panel
        Right factor: one row of vectors per step.
    target : groups.Target
        Rows of the result; overwritten or added to, see `add`.
    add : int
        1 to add to `target`, 0 to overwrite it.
    """
    whole, done = n - HALF * _halves(n), 0
    while done < n:
        if vectors == VECTORS:
            if done < whole:
                tile(ROWS, VECTORS, rows, panel, target, done, add)
            else:
                tile(HALF, VECTORS, rows, panel, target, done, add)
        elif done < whole:
            tile(ROWS, 1, rows, panel, target, done, add)
        else:
            tile(HALF, 1, rows, panel, target, done, add)
        done += ROWS if done < whole else HALF


@compiled()
def outer_cover(vectors, left, pixels, panel, part):
    """Add one tile of a sum of outer products to `part`; return how many entries it covers.

    Parameters
    ----------
    vectors : int
        Number of vectors of the panel, VECTORS or 1.
    left : int
        Number of entries of a patch that are still to be done.
    pixels, panel, part
        As for ``tile.outer_tile``.
    """
    if vectors == VECTORS:
        if left > HALF:
            outer_tile(ROWS, VECTORS, pixels, panel, part, left)
        else:
            outer_tile(HALF, VECTORS, pixels, panel, part, left)
    elif left > HALF:
        outer_tile(ROWS, 1, pixels, panel, part, left)
    else:
        outer_tile(HALF, 1, pixels, panel, part, left)
    return ROWS if left > HALF else HALF
