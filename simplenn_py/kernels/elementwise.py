"""Element-wise passes over a batch, compiled: input, bias and ReLU, its indicator."""

from numba import prange

from .policy import compiled


@compiled(parallel=True)
def gather_input(images, indices, flips, line, scale, offset, out):
    """Take the chosen images, scaled and centred: ``out[n] = images[indices[n]]*scale - offset``.

    ``images`` is ``[instance, entry]`` of any type, ``offset`` ``[entry]``; an image column has
    ``line`` entries, and the columns change places where ``flips[n]``.
    """
    l, entries = out.shape
    columns = entries // line
    for q in prange(l * columns):
        n, j = q // columns, q % columns
        source = images[indices[n]]
        first = j * line
        start = (columns - 1 - j) * line if flips[n] else first
        for k in range(line):
            out[n, first + k] = source[start + k] * scale - offset[first + k]


@compiled(parallel=True)
def add_bias(S, bias, activate):
    """``S <- S + bias 1'``, and the ReLU of it if ``activate``; in place, one pixel a row."""
    pixels, d = S.shape
    zero = S.dtype.type(0)
    for k in prange(pixels):
        for c in range(d):
            value = S[k, c] + bias[c]
            # "0 where it is <= 0" and not "max(value, 0)": a NaN must stay to be seen.
            S[k, c] = zero if activate and value <= 0 else value


@compiled(parallel=True)
def mask(V, Z, columns):
    """``V <- V .* I[Z]`` in place; ``V[q]`` belongs to instance ``q // columns`` of ``Z``."""
    n_gradients, entries = V.shape
    for q in prange(n_gradients):
        own = V[q]
        active = Z[q // columns]
        for k in range(entries):
            if not active[k] > 0:
                own[k] = 0
