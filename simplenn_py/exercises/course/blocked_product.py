"""Exercise: a matrix product by blocks, with points for speed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points, Speed, calls
from ..sizes import counting, normal

_OTHERS = ("dot", "matmul", "einsum", "tensordot", "inner", "vdot", "multi_dot")


def _reference(A: Array, B: Array, m_b: int, k_b: int, n_b: int) -> Array:
    from ...linalg.products import blocked

    return blocked(B.T, A.T).T  # row-major, as the package's steps want it: C' = B' A'


def _case(m: int, k: int, n: int, blocks: tuple[int, int, int], A: Array, B: Array) -> Case:
    label = f"{m} x {k} times {k} x {n}, blocks of {blocks[0]}, {blocks[1]}, {blocks[2]}"
    return Case(label, {"A": A, "B": B, **dict(zip(("m_b", "k_b", "n_b"), blocks, strict=True))})


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    for label, (m, k, n), (m_b, k_b, n_b) in (
        ("one block", (2, 3, 2), (2, 3, 2)),
        ("two blocks of rows", (4, 2, 2), (2, 2, 2)),
        ("two blocks in the middle", (2, 4, 2), (2, 2, 2)),
        ("a row left over", (5, 2, 4), (2, 2, 2)),
        ("one left over in the middle", (2, 5, 2), (2, 2, 2)),
        ("a column left over", (2, 4, 3), (2, 2, 2)),
        ("blocks larger than the matrices", (2, 3, 2), (8, 8, 8)),
    ):
        # The blocks of B differ from one another, so that one cannot stand for another.
        args = {"A": counting(m, k), "B": counting(k, n) - 3.0, "m_b": m_b, "k_b": k_b, "n_b": n_b}
        yield Case(label, args, small=True)
    for sizes, blocks in (
        ((9, 11, 7), (4, 3, 5)),
        ((16, 8, 12), (4, 4, 4)),
        ((13, 1, 6), (5, 2, 1)),
        ((1, 10, 1), (3, 4, 2)),
        ((33, 20, 17), (32, 19, 16)),
    ):
        m, k, n = sizes
        yield _case(m, k, n, blocks, normal(rng, m, k), normal(rng, k, n))
    for _ in range(5):
        m, k, n, m_b, k_b, n_b = (int(x) for x in rng.integers(1, 20, 6))
        yield _case(m, k, n, (m_b, k_b, n_b), normal(rng, m, k), normal(rng, k, n))


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    (i, j), m_b, n_b = index, args["m_b"], args["n_b"]
    return f"block (I={i // m_b}, J={j // n_b}), row {i % m_b} and column {j % n_b} of the block"


def _source_check(tree: ast.Module) -> str:
    if any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult) for n in ast.walk(tree)):
        return "the file multiplies with @; the product of two blocks is three loops of your own"
    for name in _OTHERS:
        if calls(tree, name):
            return f"the file calls {name}; the product of two blocks is three loops of your own"
    return ""


def _race(rng: np.random.Generator) -> Case:
    m, k, n = 600, 420, 420
    return _case(m, k, n, (256, 64, 64), normal(rng, m, k), normal(rng, k, n))


EXERCISE = Exercise(
    name="blocked_product",
    title="C = A B by blocks, edges included, with points for speed",
    functions=("blocked_product",),
    returns=("C",),
    allows=("numpy", "numba", "math"),
    points=Points(small=2, awkward=4, speed=6),
    hints=(
        "Think of the blocks as numbers first: which three loops give C[I, J] = sum over P of "
        "A[I, P] B[P, J]? Then replace the product of two numbers by the same three loops once "
        "more, over the entries of two blocks.",
        "Six loops: outside j, p, i in steps of n_b, k_b, m_b, inside over one block. Start from C "
        "of zeros and add each product of blocks to it. A block ends at min(first + size, whole "
        "size). Inside, let the row i be innermost: A and C are then read as they lie.",
        "for j in range(0, n, n_b): for p in range(0, k, k_b): for i in range(0, m, m_b): "
        "add_block(A, B, C, i, min(i + m_b, m), p, min(p + k_b, k), j, min(j + n_b, n)). In "
        "add_block: for j: for p: add B[p, j] times the column A[i_first:i_last, p] to "
        "C[i_first:i_last, j], by a loop in an @njit function of its own.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "edges left out",
            "Where a size is no multiple of its block, a smaller block remains at the end: "
            "range(0, m, m_b) begins it, m // m_b does not count it.",
            (
                ("range(0, n, n_b)", "range(0, n - n_b + 1, n_b)"),
                ("range(0, k, k_b)", "range(0, k - k_b + 1, k_b)"),
                ("range(0, m, m_b)", "range(0, m - m_b + 1, m_b)"),
            ),
        ),
        Mistake(
            "edge blocks moved back",
            "A last block that is moved back to have its full size overlaps the one before it, and "
            "what is in both is added twice. Let the last block be smaller.",
            (
                (
                    "                i_last, p_last",
                    "                i, p, j = (max(0, min(i, m - m_b)), max(0, min(p, k - k_b)),\n"
                    "                           max(0, min(j, n - n_b)))\n"
                    "                i_last, p_last",
                ),
            ),
        ),
        Mistake(
            "sum over P lost",
            "C[I, J] is a sum over all blocks P: every product is added to what is in C, it does "
            "not take its place.",
            (
                (
                    "    for j in range(j_first, j_last):\n",
                    "    C[i_first:i_last, j_first:j_last] = 0\n"
                    "    for j in range(j_first, j_last):\n",
                ),
            ),
        ),
        Mistake(
            "first block of the middle alone",
            "The middle is cut, too: the columns of A and the rows of B have several blocks P, "
            "and all of them count.",
            (("range(0, k, k_b)", "range(0, min(k, 1))"),),
        ),
        Mistake(
            "blocks begin at 0",
            "Row i of block (I, P) is row i + m_b*I of A, and so for columns and for B: here every "
            "product is one of the first blocks.",
            (
                ("A[i_first:i_last, p]", "A[: i_last - i_first, p - p_first]"),
                ("B[p, j]", "B[p - p_first, j - j_first]"),
            ),
        ),
        Mistake(
            "B read row by row",
            "The sum runs over the columns of A and the rows of B: A[i, p] B[p, j], with B in "
            "Fortran order. Here B's numbers are read as if they lay row by row.",
            (("B[p, j]", "B.T.copy().reshape(B.shape)[p, j]"),),
        ),
    ),
    speed=Speed(case=_race, kernel=_reference, full=5.0, half=15.0),
    source_check=_source_check,
    fortran=True,
)
