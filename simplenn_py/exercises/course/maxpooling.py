"""Exercise: max pooling and the indices of P_pool."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from numpy.typing import ArrayLike

from ...layout import Array
from ..exercise import Args, Case, Exercise, Mistake, Points
from ..sizes import entry, geometry, normal, pixel


def _reference(S: Array, g: SimpleNamespace) -> tuple[Array, Array]:
    from ...cnn.operators.pooling import maxpooling

    return maxpooling(S, g)  # type: ignore[arg-type]


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield cases with the integers 0 ... 4, so that ties and windows of zeros occur."""
    small: tuple[tuple[str, SimpleNamespace, ArrayLike], ...] = (
        ("one window", geometry(2, 2, h_pool=2), [[1, 5, 3, 2]]),
        (
            "four windows",
            geometry(4, 4, h_pool=2),
            [[1, 2, 8, 4, 5, 6, 7, 3, 9, 0, 1, 1, 2, 4, 3, 5]],
        ),
        ("a tie in a column", geometry(2, 2, h_pool=2), [[4, 4, 1, 2]]),
        ("a tie across columns", geometry(2, 2, h_pool=2), [[1, 4, 4, 2]]),
        ("a window of zeros", geometry(4, 2, h_pool=2), [[1, 0, 0, 0, 2, 3, 0, 0]]),
        ("one row dropped", geometry(3, 2, h_pool=2), [[1, 2, 9, 4, 3, 8]]),
        ("two channels", geometry(2, 2, d_next=2, h_pool=2), [[1, 2, 3, 4], [7, 8, 6, 5]]),
        ("two instances", geometry(2, 2, h_pool=2), [[1, 2, 3, 4, 8, 7, 6, 5]]),
    )
    for label, g, numbers in small:
        S = np.array(numbers, float, order="F")
        yield Case(label, {"S": S, "g": g}, small=True)
    for label, g, l in (
        ("no pooling", geometry(3, 4, d_next=2, h_pool=1), 2),
        ("windows of 3, two rows dropped", geometry(8, 6, d_next=2, h_pool=3), 2),
        ("columns dropped", geometry(4, 7, d_next=3, h_pool=2), 3),
        ("one window per image", geometry(5, 5, d_next=4, h_pool=4), 3),
    ):
        S = np.asfortranarray(rng.integers(0, 5, (g.d_next, g.a_conv * g.b_conv * l)), float)
        yield Case(f"{label}, ties", {"S": S, "g": g})
    for _ in range(5):
        size = int(rng.integers(1, 5))
        a, b = (int(x) for x in rng.integers(size, size + 7, 2))
        d, l = (int(x) for x in rng.integers(1, 5, 2))
        g = geometry(a, b, d_next=d, h_pool=size)
        S = np.maximum(normal(rng, d, a * b * l), 0.0)
        yield Case(f"random: h_pool={size}", {"S": S, "g": g})


def _where(args: Args, name: str, index: tuple[int, ...]) -> str:
    g = args["g"]
    if name == "Z":
        return f"channel {index[0]}, {pixel(g.a_next, g.b_next, index[1])} of Z^{{m+1}}"
    return f"instance {index[1]}, {entry(g.d_next, g.a_next, index[0])} of Z^{{m+1}}"


EXERCISE = Exercise(
    name="maxpooling",
    title="max pooling, and the index of each maximum",
    functions=("maxpooling",),
    returns=("Z", "idx_pool"),
    allows=("numpy", "math", "itertools"),
    points=Points(small=3, awkward=5),
    hints=(
        "Think of one window of one channel first: which h_pool*h_pool entries of S are in it, and "
        "in which order must you compare them so that the first of several equal maxima is kept?",
        "Window (i, j) begins at pixel (i*h_pool, j*h_pool) of S. Loop over w, and inside over u. "
        "Replace the best value only if a new one is larger (>, not >=). Together with it, keep "
        "its index c + d_next*(row + a_conv*column) within the instance.",
        "pixel = (i*h_pool + u) + a_conv*(j*h_pool + w); if S[c, pixel + a_conv*b_conv*n] > best: "
        "best, index = this value, c + d_next*pixel. Start with best = -inf. Then Z[c, i + "
        "a_next*j + a_next*b_next*n] = best and idx_pool[c + d_next*(i + a_next*j), n] = index.",
    ),
    reference=_reference,
    cases=_cases,
    where=_where,
    mistakes=(
        Mistake(
            "incomplete windows kept",
            "Only complete windows are pooled: a_next = floor(a_conv/h_pool), and the remaining "
            "rows and columns are dropped.",
            (
                ("g.a_next", "(-(-g.a_conv // g.h_pool))"),
                ("g.b_next", "(-(-g.b_conv // g.h_pool))"),
                ("for w in range(size)", "for w in range(min(size, g.b_conv - j * size))"),
                ("for u in range(size)", "for u in range(min(size, g.a_conv - i * size))"),
            ),
        ),
        Mistake(
            "last of equal maxima",
            "Keep the first of several equal entries: replace the best value only if value > best, "
            "not if value >= best.",
            (("value > best", "value >= best"),),
        ),
        Mistake(
            "index order swapped",
            "The order in a window is u + h_pool*w, with the row offset u running fastest. Your "
            "code lets w run fastest, so it selects another entry if there is a tie.",
            (
                (
                    "(i * size + u) + g.a_conv * (j * size + w)",
                    "(i * size + w) + g.a_conv * (j * size + u)",
                ),
            ),
        ),
        Mistake(
            "stride forgotten",
            "Windows do not overlap: the stride of pooling is h_pool, so window (i, j) begins at "
            "pixel (i*h_pool, j*h_pool).",
            (("i * size + u", "i + u"), ("j * size + w", "j + w")),
        ),
        Mistake(
            "best value starts at 0",
            "In a window of zeros no entry is larger than 0, so the index is never set: start with "
            "-inf, or with the first entry of the window.",
            (("best, index = -np.inf, 0", "best, index = 0.0, 0"),),
        ),
        Mistake(
            "index within the window",
            "idx_pool has the index in vec(S) of the instance, c + d_next*(row + a_conv*column), "
            "not the index u + h_pool*w in the window.",
            (("value, c + d * pixel", "value, u + size * w"),),
        ),
        Mistake(
            "channel missing in the index",
            "The index refers to vec(S): it is c + d_next*pixel, since a pixel has d_next entries.",
            (("value, c + d * pixel", "value, pixel"),),
        ),
        Mistake(
            "index within the batch",
            "Each column of idx_pool counts from 0 within its own instance: the indices refer to "
            "vec(S^{m,n}), not to vec of the whole batch.",
            (("value, c + d * pixel", "value, c + d * (pixel + n_conv * n)"),),
        ),
        Mistake(
            "counted from 1",
            "MATLAB counts from 1, Python from 0: the first entry of vec(S) has index 0.",
            (("value, c + d * pixel", "value, 1 + c + d * pixel"),),
        ),
        Mistake(
            "pixels counted from 1",
            "MATLAB counts from 1, Python from 0: the first pixel of S has the number 0, so its "
            "entries of vec(S) are 0, 1 ... d_next - 1.",
            (("value, c + d * pixel", "value, c + d * (pixel + 1)"),),
        ),
        Mistake(
            "index row by row",
            "Images are stored column by column: pixel (i, j) of S has the number i + a_conv*j, "
            "not b_conv*i + j.",
            (
                (
                    "value, c + d * pixel",
                    "value, c + d * (g.b_conv * (i * size + u) + j * size + w)",
                ),
            ),
        ),
        Mistake(
            "image read row by row",
            "Images are stored column by column: pixel (i, j) of S is column i + a_conv*j, not "
            "b_conv*i + j.",
            (
                (
                    "(i * size + u) + g.a_conv * (j * size + w)",
                    "g.b_conv * (i * size + u) + j * size + w",
                ),
            ),
        ),
        Mistake(
            "smallest entry",
            "Pooling keeps the largest entry of each window: start with -inf, and replace the best "
            "value if a new one is larger.",
            (("value > best", "value < best"), ("-np.inf", "np.inf")),
        ),
        Mistake(
            "b_conv for a_conv in the index",
            "Pixel (i, j) of S has the number i + a_conv*j: the next column is a_conv pixels "
            "further on, the number of pixels in a column.",
            (
                (
                    "value, c + d * pixel",
                    "value, c + d * ((i * size + u) + g.b_conv * (j * size + w))",
                ),
            ),
        ),
        Mistake(
            "b_conv for a_conv",
            "Pixel (i, j) of S is column i + a_conv*j: the next column of an image is a_conv "
            "pixels further on, the number of pixels in a column.",
            (("+ g.a_conv * (j * size + w)", "+ g.b_conv * (j * size + w)"),),
        ),
        Mistake(
            "a_next for a_conv in the index",
            "The index refers to vec(S), whose columns have a_conv pixels; the columns of the "
            "pooled image have a_next pixels.",
            (
                (
                    "value, c + d * pixel",
                    "value, c + d * ((i * size + u) + g.a_next * (j * size + w))",
                ),
            ),
        ),
        Mistake(
            "number of the window",
            "idx_pool has the index of the selected entry of S, not the number of its window.",
            (("value, c + d * pixel", "value, c + d * (i + g.a_next * j)"),),
        ),
        Mistake(
            "channel runs slowest in the index",
            "In vec(S) the channel runs fastest: the index is c + d_next*pixel, not pixel + "
            "a_conv*b_conv*c.",
            (("value, c + d * pixel", "value, pixel + n_conv * c"),),
        ),
        Mistake(
            "windows row by row",
            "Window (i, j) is pixel i + a_next*j of the pooled image: the row i runs fastest.",
            (("i + g.a_next * j", "g.b_next * i + j"),),
        ),
        Mistake(
            "instance runs fastest",
            "In column i + a_next*j + a_next*b_next*n of Z the instance n runs slowest: the pooled "
            "images are side by side.",
            (("i + g.a_next * j + n_next * n", "n + l * (i + g.a_next * j)"),),
        ),
        Mistake(
            "instance runs fastest in S",
            "In column i + a_conv*j + a_conv*b_conv*n of S the instance n runs slowest: the images "
            "are side by side.",
            (("S[c, pixel + n_conv * n]", "S[c, n + l * pixel]"),),
        ),
        Mistake(
            "only the first instance, the others 0",
            "S has the images of l instances side by side, l = S.shape[1] / (a_conv*b_conv): pool "
            "all of them.",
            (("n in range(l)", "n in range(1)"),),
        ),
        Mistake(
            "only the first instance",
            "S has the images of l instances side by side, l = S.shape[1] / (a_conv*b_conv): pool "
            "all of them. idx_pool has one column per instance.",
            (("S.shape[1] // n_conv", "1"),),
        ),
        Mistake(
            "first image for all instances",
            "Pool the image of each instance: pixel (i, j) of instance n is column i + a_conv*j + "
            "a_conv*b_conv*n of S.",
            (("S[c, pixel + n_conv * n]", "S[c, pixel]"),),
        ),
    ),
)
