"""Randomized SVD: known spectra, both bounds by experiment, and the matrices that are awkward."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from simplenn_py.errors import DataError, OptionError
from simplenn_py.layout import Array
from simplenn_py.linalg import (
    bound_frobenius,
    bound_spectral,
    error_estimate,
    frobenius_error,
    randomized_svd,
)
from simplenn_py.linalg.svd import _orthonormal

SHAPES = [(90, 90), (200, 60), (60, 200), (7, 300), (300, 7)]


def with_spectrum(shape: tuple[int, int], sigma: Array, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((n, len(sigma))))[0] for n in shape)
    return (U * sigma) @ V.T


def harmonic(shape: tuple[int, int]) -> tuple[Array, Array]:
    sigma = 1 / np.arange(1, min(shape) + 1)
    return with_spectrum(shape, sigma), sigma


def assert_factors(A: Array, rank: int, U: Array, s: Array, Vt: Array) -> None:
    m, n = A.shape
    assert (U.shape, s.shape, Vt.shape) == ((m, rank), (rank,), (rank, n))
    assert U.dtype == s.dtype == Vt.dtype == A.dtype
    assert U.flags.c_contiguous
    assert Vt.flags.c_contiguous
    eps = np.finfo(A.dtype).eps
    np.testing.assert_allclose(U.T @ U, np.eye(rank), rtol=0, atol=20 * eps)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(rank), rtol=0, atol=20 * eps)
    assert (s >= 0).all()
    assert (np.diff(s) <= 0).all()
    largest = U[np.abs(U).argmax(axis=0), np.arange(rank)]
    assert (largest > 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_optimal_error_on_a_known_spectrum(shape: tuple[int, int], dtype: type, order: str) -> None:
    A, sigma = harmonic(shape)
    A = np.asarray(A, dtype, order=order)  # type: ignore[call-overload]
    rank = min(6, min(shape))
    factors = randomized_svd(A, rank)
    assert_factors(A, rank, *factors)
    np.testing.assert_allclose(factors.s, sigma[:rank], rtol=0.01)
    best = np.linalg.norm(sigma[rank:])
    assert frobenius_error(A, *factors) <= 1.01 * best + 1e-6
    assert frobenius_error(A, *factors) >= 0.999 * best


@pytest.mark.parametrize("rank", [3, 15, 22, 50])
def test_default_sample_is_within_one_percent(rank: int) -> None:
    A, sigma = harmonic((400, 300))
    best = np.linalg.norm(sigma[rank:])
    worst = max(frobenius_error(A, *randomized_svd(A, rank, rng=seed)) for seed in range(5))
    assert worst <= 1.01 * best


@pytest.mark.parametrize("shape", SHAPES)
def test_full_rank_is_the_svd(shape: tuple[int, int]) -> None:
    A, sigma = harmonic(shape)
    factors = randomized_svd(A, min(shape))
    assert_factors(A, min(shape), *factors)
    np.testing.assert_allclose(factors.s, sigma, rtol=1e-12)
    np.testing.assert_allclose((factors.U * factors.s) @ factors.Vt, A, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("true_rank", [0, 1, 4])
def test_rank_deficient(shape: tuple[int, int], dtype: type, true_rank: int) -> None:
    sigma = np.arange(true_rank, 0, -1.0)
    A = with_spectrum(shape, sigma).astype(dtype)
    factors = randomized_svd(A, 6)
    np.testing.assert_allclose(factors.s[:true_rank], sigma, rtol=10 * np.finfo(dtype).eps)
    np.testing.assert_allclose(factors.s[true_rank:], 0, atol=30 * np.finfo(dtype).eps)
    assert_factors(A, 6, *factors)
    assert frobenius_error(A, *factors) <= 100 * np.finfo(dtype).eps


@pytest.mark.parametrize("exponent", range(0, 15, 2))
@pytest.mark.parametrize("q", [0, 1])
def test_any_condition(exponent: int, q: int) -> None:
    # The sample's condition is about 10**exponent: one pass of Cholesky, two, or Householder.
    sigma = np.geomspace(1, 10.0**-exponent, 16)
    A = with_spectrum((120, 80), sigma)
    factors = randomized_svd(A, 16, oversampling=0, power_iterations=q)
    assert_factors(A, 16, *factors)
    # Without a power iteration the sample's own rounding errors count by its condition.
    limit = 1e-13 if q else 1e-12
    np.testing.assert_allclose(factors.s, sigma, rtol=0, atol=limit)
    assert frobenius_error(A, *factors) <= limit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", range(0, 17, 2))
def test_orthonormal_factor(exponent: int, dtype: type) -> None:
    sigma = np.concatenate([np.ones(6), np.full(6, 10.0**-exponent)])
    Y = with_spectrum((300, 12), sigma).astype(dtype)
    Q, R = _orthonormal(Y)
    np.testing.assert_allclose(Q.T @ Q, np.eye(12), rtol=0, atol=5 * np.finfo(dtype).eps)
    np.testing.assert_allclose(Q @ R, Y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ratio", [0.5, 0.1, 0.05])
@pytest.mark.parametrize("q", [0, 1, 5])
def test_geometric_spectrum_does_not_drown(ratio: float, q: int) -> None:
    # Without orthonormalising in between, (A A')^5 loses all but the first singular values.
    sigma = ratio ** np.arange(40)
    A = with_spectrum((120, 80), sigma)
    factors = randomized_svd(A, 8, power_iterations=q)
    assert_factors(A, 8, *factors)
    np.testing.assert_allclose(factors.s, sigma[:8], rtol=2e-3, atol=1e-15)
    if q == 5:
        np.testing.assert_allclose(factors.s, sigma[:8], rtol=1e-5)
    assert frobenius_error(A, *factors) <= 1.01 * np.linalg.norm(sigma[8:]) + 1e-11


def test_float32_geometric_spectrum() -> None:
    sigma = 0.25 ** np.arange(40)
    A = with_spectrum((120, 80), sigma).astype(np.float32)
    factors = randomized_svd(A, 8, power_iterations=3)
    assert_factors(A, 8, *factors)
    np.testing.assert_allclose(factors.s, sigma[:8], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_scale(scale: float) -> None:
    A, sigma = harmonic((90, 60))
    factors = randomized_svd(A * scale, 5)
    assert_factors(A, 5, *factors)
    np.testing.assert_allclose(factors.s, sigma[:5] * scale, rtol=0.01)


@pytest.mark.parametrize("shape", [(80, 120), (120, 80)])
@pytest.mark.parametrize("q", [0, 1, 3])
def test_spectral_bound_by_experiment(shape: tuple[int, int], q: int) -> None:
    sigma = np.arange(1, 81) ** -0.5
    A = with_spectrum(shape, sigma)
    k = 6
    errors = []
    for seed in range(20):
        U, s, Vt = randomized_svd(A, 2 * k, oversampling=0, power_iterations=q, rng=seed)
        errors.append(np.linalg.norm(A - (U * s) @ Vt, 2))
    assert sigma[2 * k] * 0.999 <= np.mean(errors) <= bound_spectral(sigma, k, q, shape)


def test_power_iterations_make_the_error_smaller() -> None:
    sigma = np.arange(1, 81) ** -0.5
    A = with_spectrum((120, 80), sigma)
    errors = [
        np.mean(
            [
                frobenius_error(A, *randomized_svd(A, 8, 0, power_iterations=q, rng=seed))
                for seed in range(10)
            ]
        )
        for q in (0, 1, 2, 4)
    ]
    assert (np.diff(errors) < 0).all()
    # Fixed by hand: (1 + 4 sqrt(160/5))^(1/3) = 2.87 times sigma_7
    assert math.isclose(bound_spectral(sigma, 6, 1, (120, 80)), 2.8694 * 7**-0.5, rel_tol=1e-4)


@pytest.mark.parametrize("p", [2, 4, 10])
def test_frobenius_bound_by_experiment(p: int) -> None:
    sigma = np.arange(1, 61) ** -0.5
    A = with_spectrum((90, 60), sigma)
    k = 8
    # rank k + p without more columns: U spans exactly the sampled range, A - QQ'A is the error
    errors = [frobenius_error(A, *randomized_svd(A, k + p, 0, 0, seed)) for seed in range(40)]
    bound = bound_frobenius(sigma, k, p)
    assert np.linalg.norm(sigma[k + p :]) < np.mean(errors) <= bound
    assert math.isclose(bound, math.sqrt((1 + 8 / (p - 1)) * (sigma[8:] ** 2).sum()))


def test_error_estimate_is_a_bound() -> None:
    A, sigma = harmonic((200, 100))
    factors = randomized_svd(A, 10)
    error = np.linalg.norm(A - (factors.U * factors.s) @ factors.Vt, 2)
    for seed in range(20):
        assert error <= error_estimate(A, *factors, rng=seed) <= 60 * error
    # A bad factorization is found out, and the zeros of an exact one too.
    assert error_estimate(A, factors.U, 0 * factors.s, factors.Vt) >= sigma[0]
    assert error_estimate(A, *randomized_svd(A, 100)) < 1e-12


def test_frobenius_error_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    import simplenn_py.linalg.svd as module

    A, _ = harmonic((50, 40))
    factors = randomized_svd(A, 3)
    direct = np.linalg.norm(A - (factors.U * factors.s) @ factors.Vt)
    monkeypatch.setattr(module, "_BLOCK", 40 * 7 + 3)
    assert math.isclose(frobenius_error(A, *factors), direct, rel_tol=1e-13)


def test_seeds() -> None:
    A, _ = harmonic((200, 120))
    first, again = randomized_svd(A, 4, rng=3), randomized_svd(A, 4, rng=3)
    drawn = randomized_svd(A, 4, rng=np.random.default_rng(3))
    for one, two, three in zip(first, again, drawn, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    assert not np.array_equal(first.U, randomized_svd(A, 4, rng=4).U)


def test_transpose_and_strides_change_nothing() -> None:
    A, _ = harmonic((200, 120))
    tall, wide = randomized_svd(A, 4), randomized_svd(A.T, 4)
    np.testing.assert_allclose(wide.s, tall.s, rtol=1e-13)
    wider = np.zeros((400, 240))
    wider[::2, ::2] = A
    np.testing.assert_allclose(randomized_svd(wider[::2, ::2], 4).U, tall.U, atol=1e-12)
    before = A.copy()
    randomized_svd(A, 4)
    np.testing.assert_array_equal(A, before)


def test_integers_become_float64() -> None:
    A = np.arange(12).reshape(3, 4)
    factors = randomized_svd(A, 2)
    assert_factors(A.astype(float), 2, *factors)
    np.testing.assert_allclose((factors.U * factors.s) @ factors.Vt, A, atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_properties(data: st.DataObject) -> None:
    m, n = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rank = data.draw(st.integers(1, min(m, n)))
    decay = data.draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))
    true_rank = data.draw(st.integers(0, min(m, n)))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    q = data.draw(st.integers(0, 3))
    sigma = np.arange(1, true_rank + 1) ** -decay
    A = with_spectrum((m, n), sigma, data.draw(st.integers(0, 99))).astype(dtype)
    factors = randomized_svd(A, rank, power_iterations=q, rng=data.draw(st.integers(0, 99)))
    assert_factors(A, rank, *factors)
    eps = 100 * np.finfo(dtype).eps
    # Singular values of a projection are never larger (Cauchy's interlacing).
    assert (factors.s[:true_rank] <= sigma[:rank] + eps).all()
    error, best = frobenius_error(A, *factors), float(np.linalg.norm(sigma[rank:]))
    assert best - eps <= error
    # The default sample has at least 10 columns more; 4 times the expected error is very rare.
    # A nearly square Gaussian sample may have a condition of hundreds, which costs digits.
    assert error <= 4 * math.sqrt(1 + rank / 9) * best + 10 * eps


@pytest.mark.parametrize("rank", [0, -1, 6, 2.0, True, None])
def test_rank_out_of_range(rank: object) -> None:
    with pytest.raises(OptionError, match=r"rank is .*from 1 to 5 .*8 x 5") as caught:
        randomized_svd(np.ones((8, 5)), rank)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["oversampling", "power_iterations"])
def test_negative_options(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} is -1; it must be a whole number, 0 or more"):
        randomized_svd(np.ones((8, 5)), 2, **{name: -1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("A", "words"),
    [
        (np.ones(5), r"shape \(5,\)"),
        (np.ones((2, 3, 4)), "must be a matrix"),
        (np.ones((0, 4)), "must not be empty"),
        (np.ones((3, 3), complex), "complex128; it must be real"),
        (np.array([["a", "b"]]), "real numbers; convert it"),
        (np.array([[None, 1.0]]), "real numbers; convert it"),
        (np.ma.masked_equal([[1.0, 2.0], [3.0, 4.0]], 2.0), "masked"),
        (sparse.eye_array(3, dtype=complex), r"complex128; it must be real"),
        (sparse.csr_array((0, 4)), "must not be empty"),
        (sparse.csr_array(np.diag([1.0, np.nan, 1.0])), r"A\[1, 1\] is nan.*replace the 1 that"),
        (sparse.csr_array(np.full((50, 50), 1e308)), "scale it down"),
        (aslinearoperator(np.ones((3, 3), complex)), "must be real"),
        (aslinearoperator(np.diag([1.0, np.nan, 1.0])), "product with A is not finite"),
        (np.diag([1.0, np.nan, 1.0]), r"A\[1, 1\] is nan.*finite"),
        (np.diag([1.0, 1.0, -np.inf]), r"A\[2, 2\] is -inf.*finite"),
        (np.full((50, 50), 1e308), "scale it down"),
    ],
)
def test_unusable_matrices(A: Array, words: str) -> None:
    for matrix in (A, A.T):
        with pytest.raises(DataError, match=words) as caught:
            randomized_svd(matrix, 1)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(120, 50), (50, 120), (9, 70)])
@pytest.mark.parametrize("rank", [1, 9])
def test_only_products_are_needed(shape: tuple[int, int], dtype: type, rank: int) -> None:
    A = harmonic(shape)[0].astype(dtype)
    A[np.abs(A) < 0.01] = 0
    U, s, Vt = randomized_svd(A, rank)
    tolerance = 50 * float(np.finfo(dtype).eps)
    kinds = [
        f(A) for f in (sparse.csr_array, sparse.csc_matrix, sparse.coo_matrix, sparse.lil_array)
    ]
    for operand in (*kinds, aslinearoperator(A)):
        found = randomized_svd(operand, rank)
        assert_factors(A, rank, *found)
        np.testing.assert_allclose(found.s, s, rtol=0, atol=tolerance)
        assert frobenius_error(operand, *found) == pytest.approx(
            float(np.linalg.norm(A - (U * s) @ Vt)), rel=1e-3, abs=tolerance
        )
        error = float(np.linalg.norm(A - (U * s) @ Vt, 2))
        assert error_estimate(operand, *found) >= error * (1 - 1e-3) - tolerance


def test_a_sum_of_operators_needs_no_entries() -> None:
    """A rank-one change of a large sparse matrix, whose dense form would take 8 TB."""
    n = 10**6
    u = np.ones((n, 1))
    A = aslinearoperator(sparse.eye_array(n)) + aslinearoperator(u) @ aslinearoperator(u.T)
    assert randomized_svd(A, 1).s[0] == pytest.approx(n + 1)


def test_a_sparse_matrix_of_integers() -> None:
    A = np.arange(12).reshape(3, 4)
    found = randomized_svd(sparse.coo_array(A), 2)
    assert found.s.dtype == np.float64
    np.testing.assert_allclose(found.s, np.linalg.svd(A)[1][:2])


def test_an_operator_without_its_transpose() -> None:
    A = LinearOperator((30, 20), matvec=lambda x: np.zeros(30), dtype=np.float64)
    with pytest.raises(DataError, match=r"lacks the product with its transpose.*rmatvec"):
        randomized_svd(A, 1)


def test_an_operator_whose_products_are_wrong() -> None:
    def imaginary(X: Array) -> Array:
        return np.ones((30, X.shape[1])) * 1j

    wrong = LinearOperator(
        (30, 20), lambda x: x, lambda y: y[:20], matmat=imaginary, dtype=np.float64
    )
    with pytest.raises(DataError, match=r"complex128.*correct the operator"):
        randomized_svd(wrong, 1)


def test_frobenius_error_of_an_operator_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    A = np.random.default_rng(3).standard_normal((11, 7))
    found = randomized_svd(A, 2)
    whole = frobenius_error(A, *found)
    monkeypatch.setattr("simplenn_py.linalg.svd._BLOCK", 25)
    for operand in (A, sparse.csr_array(A), aslinearoperator(A)):
        assert frobenius_error(operand, *found) == pytest.approx(whole)


def test_bounds_and_estimates_check_their_arguments() -> None:
    sigma = np.ones(10)
    with pytest.raises(OptionError, match=r"k is 1; .*from 2 to 5"):
        bound_spectral(sigma, 1, 1, (10, 20))
    with pytest.raises(OptionError, match=r"k is 6; .*from 2 to 5"):
        bound_spectral(sigma, 6, 1, (10, 20))
    with pytest.raises(OptionError, match="q is -1"):
        bound_spectral(sigma, 2, -1, (10, 20))
    with pytest.raises(DataError, match=r"sigma has shape \(2,\)"):
        bound_spectral(sigma[:2], 2, 1, (10, 20))
    with pytest.raises(OptionError, match="p is 1"):
        bound_frobenius(sigma, 4, 1)
    with pytest.raises(OptionError, match=r"k is 9; .*from 2 to 8"):
        bound_frobenius(sigma, 9, 2)
    with pytest.raises(DataError, match="descending"):
        bound_frobenius(np.arange(10.0), 4, 2)
    A = np.ones((4, 3))
    U, s, Vt = randomized_svd(A, 2)
    with pytest.raises(OptionError, match="probes is 0"):
        error_estimate(A, U, s, Vt, probes=0)
    with pytest.raises(DataError, match="must be \\(m, k\\)"):
        error_estimate(A, U, s, Vt.T)
    with pytest.raises(DataError, match="must be \\(m, k\\)"):
        frobenius_error(A.T, U, s, Vt)
