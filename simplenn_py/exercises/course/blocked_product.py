"""Exercise: a matrix product block by block, with points for speed."""

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

    return blocked(B.T, A.T).T  # blocked needs row-major arrays: C' = B' A'


def _case(m: int, k: int, n: int, blocks: tuple[int, int, int], A: Array, B: Array) -> Case:
    label = f"{m} x {k} times {k} x {n}, blocks of {blocks[0]}, {blocks[1]}, {blocks[2]}"
    return Case(label, {"A": A, "B": B, **dict(zip(("m_b", "k_b", "n_b"), blocks, strict=True))})


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    for label, (m, k, n), (m_b, k_b, n_b) in (
        ("one block", (2, 3, 2), (2, 3, 2)),
        ("two blocks of rows", (4, 2, 2), (2, 2, 2)),
        ("two blocks P", (2, 4, 2), (2, 2, 2)),
        ("a last block with one row of A", (5, 2, 4), (2, 2, 2)),
        ("a last block P of size 1", (2, 5, 2), (2, 2, 2)),
        ("a last block with one column of B", (2, 4, 3), (2, 2, 2)),
        ("blocks larger than the matrices", (2, 3, 2), (8, 8, 8)),
    ):
        # All blocks of B are different, so that a wrong block gives a wrong product.
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
    A, B = counting(3, 4).astype(np.float32), counting(4, 5).astype(np.float32)
    yield Case("float32", {"A": A, "B": B, "m_b": 2, "k_b": 2, "n_b": 2})


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    (i, j), m_b, n_b = index, args["m_b"], args["n_b"]
    return f"block (I={i // m_b}, J={j // n_b}), row {i % m_b} and column {j % n_b} of the block"


def _source_check(tree: ast.Module) -> str:
    if any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult) for n in ast.walk(tree)):
        return "the file multiplies with @; write the product of two blocks as three loops"
    for name in _OTHERS:
        if calls(tree, name):
            return f"the file calls {name}; write the product of two blocks as three loops"
    return ""


def _speed_case(rng: np.random.Generator) -> Case:
    m, k, n = 600, 420, 420
    return _case(m, k, n, (256, 64, 64), normal(rng, m, k), normal(rng, k, n))


EXERCISE = Exercise(
    name="blocked_product",
    title="C = A B block by block, with points for speed",
    functions=("blocked_product",),
    returns=("C",),
    allows=("numpy", "numba", "math"),
    points=Points(small=2, awkward=4, speed=6),
    hints=(
        "Think of the blocks as numbers first: which three loops give C[I, J] = sum over P of "
        "A[I, P] B[P, J]? Then replace the product of two numbers by three more loops over the "
        "entries of two blocks.",
        "You need six loops: three outer ones over j, p, i in steps of n_b, k_b, m_b, and three "
        "inner ones over the entries of a block. Start with zeros in C and add each product of "
        "blocks. A block ends at min(first + block size, matrix size). Let the row i be the "
        "innermost loop: then A and C are read in the order in which they are stored.",
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
            "If a matrix size is not a multiple of the block size, the last block is smaller: "
            "range(0, m, m_b) includes this block, m // m_b does not count it.",
            (
                ("range(0, n, n_b)", "range(0, n - n_b + 1, n_b)"),
                ("range(0, k, k_b)", "range(0, k - k_b + 1, k_b)"),
                ("range(0, m, m_b)", "range(0, m - m_b + 1, m_b)"),
            ),
        ),
        Mistake(
            "edge blocks moved back",
            "If the last block is moved back to have its full size, it overlaps the block before "
            "it, and the common entries are added twice. Make the last block smaller.",
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
            "sum over P missing",
            "C[I, J] is a sum over all blocks P: add every product to C, and do not overwrite the "
            "earlier ones.",
            (
                (
                    "    for j in range(j_first, j_last):\n",
                    "    C[i_first:i_last, j_first:j_last] = 0\n"
                    "    for j in range(j_first, j_last):\n",
                ),
            ),
        ),
        Mistake(
            "only the first block P",
            "The columns of A and the rows of B are divided as well: they have several blocks P, "
            "and the sum includes all of them.",
            (("range(0, k, k_b)", "range(0, min(k, 1))"),),
        ),
        Mistake(
            "blocks begin at 0",
            "Row i of block (I, P) is row i + m_b*I of A, and the same holds for columns and for "
            "B. Your code always multiplies the first blocks.",
            (
                ("A[i_first:i_last, p]", "A[: i_last - i_first, p - p_first]"),
                ("B[p, j]", "B[p - p_first, j - j_first]"),
            ),
        ),
        Mistake(
            "B read row by row",
            "The sum A[i, p] B[p, j] runs over the columns of A and the rows of B. B is in Fortran "
            "order, but your code reads its numbers as if they were stored row by row.",
            (("B[p, j]", "B.T.copy().reshape(B.shape)[p, j]"),),
        ),
    ),
    speed=Speed(case=_speed_case, kernel=_reference, full=5.0, half=15.0),
    source_check=_source_check,
    fortran=True,
    same_dtype=True,
)
