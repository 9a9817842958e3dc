"""The tape: what it records, what it refuses, and gradients of gradients."""

from __future__ import annotations

import math
import operator
import re
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from simplenn_py.autodiff import (
    GradientTape,
    finite_difference,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_gradient,
)


def talk(x, y):
    return np.log(x) + x * y - np.sin(y)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_the_example_of_the_talk_three_ways():
    exact = (5.5, 2 - math.cos(5))
    with GradientTape() as tape:
        x, y = tape.watch(2.0, 5.0)
        f = talk(x, y)
    assert_allclose(tape.gradient(f, [x, y]), exact, rtol=1e-15)
    forward = [jvp(talk, (2.0, 5.0), v)[1] for v in ((1.0, 0.0), (0.0, 1.0))]
    assert_allclose(forward, exact, rtol=1e-15)
    differences = finite_difference(lambda z: talk(z[0], z[1]), np.array([2.0, 5.0]))
    assert_allclose(differences, exact, rtol=1e-9)


def test_the_core_imports_nothing_of_ours():
    code = (
        "import sys, simplenn_py\nbefore = set(sys.modules)\nimport simplenn_py.autodiff\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [name for name in done.stdout.split() if name.startswith(("simplenn_py", "numba"))]
    assert ours
    assert all(name.startswith("simplenn_py.autodiff") for name in ours)
    assert "simplenn_py.autodiff.rules_cnn" not in ours


def test_a_value_used_twice_adds_up():
    with GradientTape() as tape:
        x = tape.watch(3.0)
        y = x * x
        z = y * y + x
    assert tape.gradient(z, x) == 4 * 27 + 1


def test_several_targets_and_one_that_does_not_depend():
    with GradientTape(persistent=True) as tape:
        x, y = tape.watch(np.array([1.0, 2.0]), 4.0)
        a, b = np.sum(x**3), y * y
    dx, dy = tape.gradient([a, b], [x, y])
    assert_allclose(dx, [3, 12])
    assert dy == 8
    assert_array_equal(tape.gradient(b, x), [0, 0])
    assert_allclose(tape.gradient([a, b], x, delta=[2.0, 1.0]), [6, 24])
    (only,) = tape.gradient(a, (x,))
    assert_allclose(only, [3, 12])


def test_gradient_at_an_intermediate_value():
    with GradientTape() as tape:
        x = tape.watch(2.0)
        y = x * x
        z = np.exp(y)
    at_y, at_x = tape.gradient(z, [y, x])
    assert_allclose([at_y, at_x], [math.exp(4), 4 * math.exp(4)])


def test_a_target_that_is_no_scalar_needs_delta():
    with GradientTape(persistent=True) as tape:
        x = tape.watch(np.array([1.0, 2.0]))
        y = x * x
    with pytest.raises(ValueError, match=r"shape \(2,\).*np\.ones"):
        tape.gradient(y, x)
    with pytest.raises(ValueError, match=r"delta has shape \(3,\)"):
        tape.gradient(y, x, delta=np.ones(3))
    with pytest.raises(ValueError, match="1 targets but 2 deltas"):
        tape.gradient([y], x, delta=[1, 2])
    assert_allclose(tape.gradient(y, x, delta=[1.0, 10.0]), [2, 40])


def test_a_used_tape_says_so_and_a_persistent_one_goes_on():
    for persistent in (False, True):
        with GradientTape(persistent) as tape:
            x = tape.watch(3.0)
            y = x * x
        assert tape.gradient(y, x) == 6
        if persistent:
            assert tape.gradient(y, x) == 6
        else:
            with pytest.raises(ValueError, match="persistent=True"):
                tape.gradient(y, x)
            with pytest.raises(ValueError, match="persistent=True"):
                tape.__enter__()
            with pytest.raises(ValueError, match="persistent=True"):
                tape.watch(1.0)


def test_what_is_not_on_the_tape_is_refused():
    with GradientTape() as tape, GradientTape() as other:
        x, stranger = tape.watch(1.0), other.watch(1.0)
        y = x + 1
    outside = y * 2
    assert type(outside) is np.float64
    for target, source in ((outside, x), (2.0, x), (stranger, x), (y, stranger)):
        with pytest.raises(ValueError, match="not on this tape"):
            tape.gradient(target, source)
    with pytest.raises(ValueError, match="inside its 'with' block"):
        GradientTape().watch(1.0)


@pytest.mark.parametrize("bad", ["text", 1j, None])
def test_only_real_numbers_are_watched(bad):
    with GradientTape() as tape, pytest.raises(TypeError, match="must be real"):
        tape.watch(bad)


def test_a_derivative_is_never_lost_in_silence():
    with GradientTape() as tape:
        x = tape.watch(np.array([1.0, 2.0]))
        with pytest.raises(TypeError, match=r"np\.stack"):
            np.asarray(x)
        with pytest.raises(TypeError, match=r"np\.stack"):
            np.array([x[0], x[1]])
        with pytest.raises(TypeError, match="use NumPy's functions"):
            math.sin(x[0])
        with pytest.raises(TypeError, match="norm has no derivative rule"):
            np.linalg.norm(x)
        with pytest.raises(TypeError, match=r"np\.add\.reduce"):
            np.add.reduce(x)
        with pytest.raises(TypeError, match=r"write s = np\.sin\(x\)"):
            np.sin(x, out=np.empty(2))
        with pytest.raises(TypeError, match=r"'dtype'.*leave such arguments out"):
            np.sin(x, dtype=np.float32)
        with pytest.raises(TypeError, match=r"cannot be changed in place.*np\.where"):
            x[0] = 1
        with pytest.raises(TypeError, match="an index is watched"):
            x[x]


def _in_place(name):
    """Return the function ``s -> s op= x`` for an operator, such as "iadd"."""
    return lambda s, x: getattr(operator, name)(s, x)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("iadd", "+"),
        ("isub", "-"),
        ("imul", "*"),
        ("itruediv", "/"),
        ("ipow", "**"),
        ("imatmul", "@"),
    ],
)
def test_a_plain_array_is_not_changed_in_place(name, symbol):
    s = np.ones((2, 2))
    with GradientTape() as tape:
        x = tape.watch(np.ones((2, 2)))
        with pytest.raises(TypeError) as caught:
            _in_place(name)(s, x)
    assert f"write s = s {symbol} x" in str(caught.value)
    assert_array_equal(s, 1)
    with pytest.raises(TypeError, match=re.escape(f"write s = s {symbol} x")):
        jvp(lambda x: _in_place(name)(s, x), (np.ones((2, 2)),), (np.ones((2, 2)),))


def test_a_watched_value_is_not_written_into_a_plain_array():
    s = np.zeros(2)
    with GradientTape() as tape:
        x = tape.watch(np.array([1.0, 2.0]))
        for value in (x[0], s[0] + x[0]):
            with pytest.raises(ValueError, match="sequence") as caught:
                s[0] = value  # NumPy's own message, with ours as its cause
            assert re.search(r"s\[i\] = x.*np\.stack", str(caught.value.__cause__))
        with pytest.raises(TypeError, match=r"np\.stack"):
            s[:] = x
        with pytest.raises(TypeError, match=r"float\(\)"):
            int(x[0])


def test_a_watched_number_can_be_added_up():
    with GradientTape() as tape:
        x = tape.watch(np.array([1.0, 2.0]))
        s = 0.0
        for entry in x:
            s += entry  # a number is not changed in place: s becomes watched
    assert_array_equal(tape.gradient(s, x), 1)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda x: x.std(), r"'std'; use np\.std\(x\)"),
        (lambda x: x.clip(0, 1), r"'clip'; use np\.clip\(x\)"),
        (lambda x: x.argsort(), r"'argsort'; use x\.value\.argsort"),
        (lambda x: x.astype(float), r"'astype'; use x\.value\.astype"),
        (lambda x: x.flat, r"'flat'; use x\.value\.flat"),
        (lambda x: x.nonsense, r"'nonsense'$"),
    ],
)
def test_a_missing_method_names_the_function(use, words):
    with GradientTape() as tape, pytest.raises(AttributeError, match=words):
        use(tape.watch(np.array([1.0, 2.0])))


def test_a_watched_number_is_printed_as_a_number():
    with GradientTape() as tape:
        x = tape.watch(2.0)
        assert f"{x * x:.3f}" == "4.000"
        assert "Variable" in f"{x}"


def test_it_looks_like_an_array():
    with GradientTape() as tape:
        x = tape.watch(np.arange(6).reshape(2, 3))
    assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((2, 3), 2, 6, 2, np.float64)
    assert np.shape(x) == (2, 3)
    assert_array_equal(x > 2, np.arange(6).reshape(2, 3) > 2)
    assert_array_equal(x == 2, np.arange(6).reshape(2, 3) == 2)
    assert bool(x[1, 1] > 3)
    assert "Variable" in repr(x)
    assert [row.shape for row in x] == [(3,), (3,)]


def test_operators_on_both_sides():
    c = np.array([3.0, 5.0])

    def f(x):
        return np.sum(c + x - 2 * (c - x) * (1 / x) + c / x - (-x) ** 2 + 2**x + abs(+x) - c**x)

    x = np.array([0.3, 0.7])
    assert_allclose(gradient(f)(x), finite_difference(f, x), rtol=1e-8)


def test_methods_are_those_of_arrays(rng):
    A = rng.standard_normal((2, 3))

    def f(x):
        parts = x.sum(axis=0) + x.mean(axis=0) + x.max(axis=0) * x.min()
        return (
            x.T.dot(x).transpose().reshape(9).sum() * parts.ravel().sum()
            + (x.reshape(3, 2, order="F").transpose(1, 0) @ x.T).sum()
        )

    assert_allclose(gradient(f)(A), finite_difference(f, A), rtol=1e-8)


def test_gradients_are_the_users_to_change():
    with GradientTape(persistent=True) as tape:
        x, y = tape.watch(np.ones(3), np.ones(3))
        s = np.sum(x + y)
    dx, dy = tape.gradient(s, [x, y])
    dx += 1  # neither read-only nor shared
    assert_array_equal(dy, np.ones(3))


def test_float32_stays_float32():
    x = np.array([0.5, 2.0], np.float32)
    fs = (
        lambda x: np.sum(x**2 + 2 * x - 1 / x),
        lambda x: np.max(np.maximum(x, 1.0) * np.where(x > 1, x, 0)) + np.mean(np.abs(x)),
        lambda x: np.sum(np.sqrt(np.exp(np.tanh(x))) @ np.stack([x, x])),
    )
    for f in fs:
        assert gradient(f)(x).dtype == np.float32


def test_nested_tapes():
    with GradientTape() as outer:
        x0 = outer.watch(2.0)
        with GradientTape() as inner:
            x = inner.watch(x0)
            y = x**3
        slope = inner.gradient(y, x)
    assert slope.value == 12
    assert outer.gradient(slope, x) == 12  # the inner variable finds its place on the outer tape
    assert gradient(gradient(gradient(lambda x: x**4)))(2.0) == 48


def test_the_outer_tape_must_watch_first():
    with GradientTape() as outer, GradientTape() as inner:
        x = inner.watch(1.0)
        with pytest.raises(ValueError, match=r"inner\.watch\(outer\.watch\(x\)\)"):
            outer.watch(x)


def test_perturbations_are_not_confused():
    # d/dx (x * d/dy (x + y)) = 1, not 2, in all four pairs of modes
    def slope(f, x):
        return jvp(f, x, np.ones(()))[1]

    def back(f, x):
        return gradient(f)(x)

    for outside in (slope, back):
        for inside in (slope, back):

            def f(x, inside=inside):
                return x * inside(lambda y, x=x: x + y, 1.0)

            assert outside(f, 1.0) == 1


def test_hessian_symmetric_and_equal_in_all_modes(rng):
    x = rng.standard_normal(5)
    H = hessian(rosenbrock)(x)
    assert_allclose(H, H.T, rtol=1e-13, atol=1e-12)
    assert_allclose(jacobian(gradient(rosenbrock))(x), H, rtol=1e-12, atol=1e-12)
    assert_allclose(
        jacobian(jacobian(rosenbrock, "forward"), "forward")(x), H, rtol=1e-12, atol=1e-11
    )
    assert_allclose(H, finite_difference(gradient(rosenbrock), x), rtol=1e-7, atol=1e-6)
    v = rng.standard_normal(5)
    assert_allclose(hvp(rosenbrock)(x, v), H @ v, rtol=1e-12, atol=1e-11)


def test_hessian_of_a_quadratic(rng):
    A = rng.standard_normal((4, 4))
    x = rng.standard_normal(4)
    assert_allclose(hessian(lambda x: x @ A @ x)(x), A + A.T, atol=1e-14)
    assert_array_equal(hessian(np.sum)(x), np.zeros((4, 4)))


def test_argnum_and_constants():
    value, (dx, dy) = value_and_gradient(talk, (0, 1))(2.0, 5.0)
    assert value == pytest.approx(talk(2, 5))
    assert (dx, dy) == (5.5, 2 - math.cos(5))
    assert gradient(talk, 1)(2.0, 5.0) == 2 - math.cos(5)
    assert gradient(lambda x: 3.0)(1.0) == 0
    assert_array_equal(jacobian(lambda x: np.ones(3))(np.ones(2)), np.zeros((3, 2)))
    for differentiate in (gradient, jacobian, lambda f: lambda x: jvp(f, x, x)):
        with pytest.raises(TypeError, match=r"returned a tuple.*np\.stack"):
            differentiate(lambda x: (x, x))(1.0)
        with pytest.raises(TypeError, match="result of the function has dtype object"):
            differentiate(lambda x: None)(1.0)
    for f in (lambda x: 2 * x, lambda x: np.ones(2)):
        with pytest.raises(ValueError, match=r"shape \(2,\)"):
            gradient(f)(np.ones(2))
    with pytest.raises(ValueError, match="mode is 'sideways'"):
        jacobian(talk, "sideways")


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobian_of_arrays(mode, rng):
    A, x = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    exact = np.einsum("ik,jl->ijkl", A, np.eye(2))
    J = jacobian(lambda x: A @ x, mode)(x)
    assert J.shape == (3, 2, 4, 2)
    assert_allclose(J, exact, atol=1e-15)
    assert jacobian(lambda x: 2 * x, mode)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
