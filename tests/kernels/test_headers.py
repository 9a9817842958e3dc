"""Matrices and constants that the kernels' docstrings print are those that the code computes."""

from __future__ import annotations

import re
from fractions import Fraction

import numba
import numpy as np
import pytest

from simplenn_py.kernels import cover, tile, winners, winograd
from simplenn_py.kernels.emitter import at
from simplenn_py.kernels.groups import Panel, Square

LANES_FIT = 40  # channels: 36 unit matrices, filled up to whole vectors of any width


def printed(text):
    """Return the matrices that a docstring prints as ``name = | ... |``, side by side or not."""
    matrices, names = {}, {}
    for line in text.splitlines():
        pieces = line.split("|")
        for j in range(len(pieces) // 2):
            matrices.setdefault(j, []).append(
                [float(Fraction(x)) for x in pieces[2 * j + 1].split()]
            )
            if label := re.search(r"([A-Z]'?) =", pieces[2 * j]):
                names[j] = label[1]
    return {names[j]: np.array(rows) for j, rows in matrices.items()}


MATRICES = printed(winograd.__doc__)


@numba.njit
def run_transforms(piece, places, products, tile_, filters, packed):
    corner, tile_corner = at(piece, 0), at(tile_, 0)
    winograd.transform_input(
        Square(corner, LANES_FIT, 6 * LANES_FIT), 6, 6, LANES_FIT, Panel(at(places, 0), LANES_FIT)
    )
    winograd.transform_output(
        Panel(at(products, 0), LANES_FIT), LANES_FIT, Square(tile_corner, LANES_FIT, 4 * LANES_FIT)
    )
    winograd.transform_filter(Panel(at(filters, 0), 9), 9, Panel(at(packed, 0), 16), 16)


@pytest.fixture(scope="module")
def computed():
    """Transforms of all unit matrices: ``[u, w, i, j]`` is entry (u, w) for the unit (i, j)."""
    units = np.eye(36, LANES_FIT)  # [6*i + j, channel]
    piece = units.reshape(6, 6, -1).transpose(1, 0, 2).ravel()  # as in pad(Z): columns first
    places, tile_ = np.full(36 * LANES_FIT, np.nan), np.full(16 * LANES_FIT, np.nan)
    filters = np.eye(9).reshape(3, 3, 9).transpose(1, 0, 2).ravel()  # entry u + 3*w of filter k
    packed = np.full(36 * 16, np.nan)
    run_transforms(piece, places, units.ravel(), tile_, filters, packed)
    return {
        "B'": places.reshape(6, 6, -1)[:, :, :36].reshape(6, 6, 6, 6),
        "A'": tile_.reshape(4, 4, -1).transpose(1, 0, 2)[:, :, :36].reshape(4, 4, 6, 6),
        "G": packed.reshape(6, 6, 16)[:, :, :9].reshape(6, 6, 3, 3),
    }


def test_all_matrices_are_found():
    shapes = {name: matrix.shape for name, matrix in MATRICES.items()}
    assert shapes == {"B'": (6, 6), "G": (6, 3), "A'": (4, 6)}


@pytest.mark.parametrize("name", ["B'", "G", "A'"])
def test_the_transforms_apply_the_printed_matrices(name, computed):
    """``T x T'`` of the unit matrix (i, j) is the outer product of columns i and j of T."""
    T = MATRICES[name]
    wanted = np.einsum("ui,wj->uwij", T, T)
    np.testing.assert_allclose(computed[name], wanted, rtol=1e-14, atol=1e-15)


def test_the_printed_formula_is_a_convolution(rng):
    B, G, A = MATRICES["B'"].T, MATRICES["G"], MATRICES["A'"].T
    d, g = rng.standard_normal((6, 6)), rng.standard_normal((3, 3))
    S = A.T @ ((G @ g @ G.T) * (B.T @ d @ B)) @ A
    windows = np.lib.stride_tricks.sliding_window_view(d, (3, 3))
    np.testing.assert_allclose(S, np.einsum("ijuw,uw->ij", windows, g), rtol=1e-12, atol=1e-13)


def test_the_columns_of_A_have_the_powers_of_the_printed_points():
    found = re.search(r"at the points ([-\d/, ]+) and infinity", winograd.__doc__)
    points = [float(Fraction(x)) for x in found[1].split(",")]
    powers = np.array([[point**k for point in points] for k in range(4)])
    np.testing.assert_array_equal(MATRICES["A'"][:, :5], powers)
    np.testing.assert_array_equal(MATRICES["A'"][:, 5], [0, 0, 0, 1])


def test_the_printed_numbers_of_multiplications():
    found = re.search(r"from (\d+) multiplications per channel instead of (\d+)", winograd.__doc__)
    assert int(found[1]) == winograd.PIECE**2
    assert int(found[2]) == winograd.TILE**2 * 3 * 3
    assert winograd.PIECE == winograd.TILE + 3 - 1


def test_the_printed_tiles_fit_the_registers():
    found = re.search(r"P = (\d+) and V = (\d+) \(P = (\d+) with 16 registers\)", tile.__doc__)
    P, V, fewer = map(int, found.groups())
    assert (tile.VECTORS, tile.ROWS) in ((V, P), (V, fewer))
    for rows, registers in ((P, 32), (fewer, 16)):
        assert rows * V >= 8  # accumulators
        assert rows * V + V + 1 <= registers


@pytest.mark.skipif(tile.ROWS != 14, reason="the docstring's example is for 14 rows")
def test_the_printed_ending():
    text = " ".join(cover.halves.__doc__.split())
    assert "16 rows are covered by two tiles of 8, not by one of 14 and one of 8" in text
    assert (cover.HALF, cover.halves(16)) == (8, 2)


def test_the_passes_fit_the_registers():
    registers = 32 if tile.ROWS == 14 else 16
    assert registers >= winners.MOST + 2
