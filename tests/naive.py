"""The lecture in pure Python loops: what every compiled routine is compared with.

Nothing of the package is imported; NumPy only holds the numbers.  A geometry ``g`` is
anything with the attributes ``a b d p h s d_next h_pool``; all other sizes are counted
here.  Storage is ``(d, a*b*l)`` with pixel (row i, column j) of instance n in column
``i + a*j + a*b*n``; indices count from 0.
"""

from __future__ import annotations

import math

import numpy as np


def padded(g):
    return g.a + 2 * g.p, g.b + 2 * g.p


def convolved(g):
    """Count the places where the filter fits."""
    return tuple(sum(1 for _ in range(0, n - g.h + 1, g.s)) for n in padded(g))


def pooled(g):
    """Count the complete windows."""
    return tuple(sum(1 for _ in range(0, n - g.h_pool + 1, g.h_pool)) for n in convolved(g))


def pad(Z, g):
    (a_pad, b_pad), l = padded(g), Z.shape[1] // (g.a * g.b)
    out = np.zeros((g.d, a_pad * b_pad * l), Z.dtype)
    for n in range(l):
        for j in range(g.b):
            for i in range(g.a):
                for c in range(g.d):
                    to = (i + g.p) + a_pad * (j + g.p) + a_pad * b_pad * n
                    out[c, to] = Z[c, i + g.a * j + g.a * g.b * n]
    return out


def index_phi(g):
    """Of every entry of vec(phi(pad(Z))), its place in vec(pad(Z)): the lecture's formula."""
    (a_pad, _), (a_conv, b_conv) = padded(g), convolved(g)
    rows = g.h * g.h * g.d
    index = [0] * (rows * a_conv * b_conv)
    for j in range(b_conv):
        for i in range(a_conv):
            for c in range(g.d):
                for w in range(g.h):
                    for u in range(g.h):
                        row, column = u + g.h * w + g.h * g.h * c, i + a_conv * j
                        source = c + g.d * ((i * g.s + u) + a_pad * (j * g.s + w))
                        index[row + rows * column] = source
    return index


def _instance(A, n, pixels):
    """vec of instance n of a storage with so many pixels an instance."""
    return [x for k in range(pixels) for x in A[:, n * pixels + k]]


def _store(instances, rows, dtype):
    """Inverse of `_instance` for a list of instances."""
    pixels = len(instances[0]) // rows
    out = np.zeros((rows, pixels * len(instances)), dtype)
    for n, entries in enumerate(instances):
        for k, x in enumerate(entries):
            out[k % rows, n * pixels + k // rows] = x
    return out


def phi(Z, g):
    (a_pad, b_pad), index = padded(g), index_phi(g)
    P = pad(Z, g)
    images = [_instance(P, n, a_pad * b_pad) for n in range(P.shape[1] // (a_pad * b_pad))]
    return _store([[vec[k] for k in index] for vec in images], g.h * g.h * g.d, Z.dtype)


def vTP_phi(V, g):
    (a_pad, b_pad), (a_conv, b_conv), index = padded(g), convolved(g), index_phi(g)
    instances = []
    for n in range(V.shape[1] // (a_conv * b_conv)):
        sums = [V.dtype.type(0)] * (g.d * a_pad * b_pad)
        for k, x in zip(index, _instance(V, n, a_conv * b_conv), strict=True):
            sums[k] += x
        instances.append(sums)
    return _store(instances, g.d, V.dtype)


def unpad(V, g):
    (a_pad, b_pad) = padded(g)
    l = V.shape[1] // (a_pad * b_pad)
    out = np.zeros((g.d, g.a * g.b * l), V.dtype)
    for n in range(l):
        for j in range(g.b):
            for i in range(g.a):
                source = (i + g.p) + a_pad * (j + g.p) + a_pad * b_pad * n
                out[:, i + g.a * j + g.a * g.b * n] = V[:, source]
    return out


def conv(Z, W, bias, g):
    """``S = W phi(pad(Z)) + bias 1'`` as the sum over filter offsets, without phi."""
    (a_pad, b_pad), (a_conv, b_conv) = padded(g), convolved(g)
    P, l = pad(Z, g), Z.shape[1] // (g.a * g.b)
    S = np.zeros((g.d_next, a_conv * b_conv * l), Z.dtype)
    for n in range(l):
        for j in range(b_conv):
            for i in range(a_conv):
                for q in range(g.d_next):
                    total = bias[q]
                    for c in range(g.d):
                        for w in range(g.h):
                            for u in range(g.h):
                                pixel = (i * g.s + u) + a_pad * (j * g.s + w) + a_pad * b_pad * n
                                total += W[q, u + g.h * w + g.h * g.h * c] * P[c, pixel]
                    S[q, i + a_conv * j + a_conv * b_conv * n] = total
    return S


def relu(S):
    out = S.copy()
    for k in np.ndindex(S.shape):
        out[k] = max(out[k], 0)
    return out


def maxpool(S, g):
    """Return the pooled images and, per instance, where in vec(S^i) each entry stood."""
    (a_conv, b_conv), (a_next, b_next) = convolved(g), pooled(g)
    l, d = S.shape[1] // (a_conv * b_conv), g.d_next
    Z = np.zeros((d, a_next * b_next * l), S.dtype)
    index = np.zeros((d * a_next * b_next, l), int)
    for n in range(l):
        for j in range(b_next):
            for i in range(a_next):
                for c in range(d):
                    window = []
                    for w in range(g.h_pool):
                        for u in range(g.h_pool):
                            k = (i * g.h_pool + u) + a_conv * (j * g.h_pool + w)
                            window.append((S[c, k + a_conv * b_conv * n], c + d * k))
                    best = max(value for value, _ in window)
                    first = next(place for value, place in window if value == best)
                    Z[c, i + a_next * j + a_next * b_next * n] = best
                    index[c + d * (i + a_next * j), n] = first
    return Z, index


def vTP_pool(V, index, g):
    (a_conv, b_conv), (a_next, b_next) = convolved(g), pooled(g)
    instances = []
    for n in range(index.shape[1]):
        entries = [V.dtype.type(0)] * (g.d_next * a_conv * b_conv)
        for k, x in zip(index[:, n], _instance(V, n, a_next * b_next), strict=True):
            entries[k] += x
        instances.append(entries)
    return _store(instances, g.d_next, V.dtype)


def P_pool(V, index, g):
    (a_conv, b_conv) = convolved(g)
    instances = []
    for n in range(index.shape[1]):
        vec = _instance(V, n, a_conv * b_conv)
        instances.append([vec[k] for k in index[:, n]])
    return _store(instances, g.d_next, V.dtype)


def feedforward(Z, geometries, W, bias):
    """Return ``[Z^1 ... Z^{L+1}]``, ``[S^1 ... S^L]`` and the indices of every pooling.

    The first ``len(geometries)`` layers are convolutional, the rest fully connected.
    """
    Zs, Ss, indices = [Z], [], []
    for m in range(len(W)):
        if m < len(geometries):
            g = geometries[m]
            S = conv(Zs[m], W[m], bias[m], g)
            Z, index = maxpool(relu(S), g)
            indices.append(index)
            l = S.shape[1] // math.prod(convolved(g))
        else:
            l = l if m else Z.shape[1] * Z.shape[0] // W[0].shape[1]
            pixels = Zs[m].shape[1] // l
            S = np.zeros((W[m].shape[0], l), Z.dtype)
            for n in range(l):
                z = _instance(Zs[m], n, pixels)
                for q in range(W[m].shape[0]):
                    S[q, n] = bias[m][q] + sum(W[m][q, k] * z[k] for k in range(len(z)))
            Z = relu(S) if m < len(W) - 1 else S
        Zs.append(Z)
        Ss.append(S)
    return Zs, Ss, indices


def squared_loss(z, y):
    """``sum_i ||z_i - e_y||^2`` and its derivative in ``z``."""
    total, derivative = 0.0, np.zeros(z.shape)
    for i in range(z.shape[1]):
        for k in range(z.shape[0]):
            residual = z[k, i] - (1.0 if k == y[i] else 0.0)
            total += residual**2
            derivative[k, i] = 2 * residual
    return total, derivative


def cross_entropy(z, y):
    """``sum_i -log p_y`` with the softmax p, and its derivative in ``z``."""
    total, derivative = 0.0, np.zeros(z.shape)
    for i in range(z.shape[1]):
        normaliser = sum(math.exp(x) for x in z[:, i])
        total += math.log(normaliser) - z[y[i], i]
        for k in range(z.shape[0]):
            derivative[k, i] = math.exp(z[k, i]) / normaliser - (1.0 if k == y[i] else 0.0)
    return total, derivative


def selection(index, columns):
    """The 0/1 matrix P with ``(P v)[k] = v[index[k]]``: exactly one 1 in each row."""
    P = np.zeros((len(index), columns))
    for k, source in enumerate(index):
        P[k, source] = 1
    return P


def gradient(Z, geometries, W, bias, V):
    """``sum_i J_i' v_i``, vec(W) then bias layer by layer, with (3)-(5) as they are printed.

    ``P_phi``, ``P_pad`` and ``P_pool`` are the matrices themselves.
    """
    Zs, _, indices = feedforward(Z, geometries, W, bias)
    dW, dbias = [np.zeros(w.shape) for w in W], [np.zeros(b.shape) for b in bias]
    L = len(W)
    for n in range(V.shape[1]):
        z = [np.array(_instance(A, n, A.shape[1] // V.shape[1])) for A in Zs]
        dz = V[:, n]
        for m in reversed(range(L)):
            if m < L - 1:
                dz = dz * (z[m + 1] > 0)
            if m >= len(geometries):
                dS = dz.reshape(-1, 1)
                dW[m] += dS @ z[m].reshape(1, -1)
                dz = W[m].T @ dz
            else:
                g = geometries[m]
                (a_pad, b_pad), (a_conv, b_conv) = padded(g), convolved(g)
                P_pool = selection(indices[m][:, n], g.d_next * a_conv * b_conv)
                P_phi = selection(index_phi(g), g.d * a_pad * b_pad)
                one_image = np.arange(g.d * g.a * g.b).reshape(g.d, -1, order="F") + 1
                P_pad = np.zeros((g.d * a_pad * b_pad, g.d * g.a * g.b))
                for k, source in enumerate(pad(one_image, g).ravel(order="F")):
                    if source:
                        P_pad[k, source - 1] = 1
                dS = (dz @ P_pool).reshape(g.d_next, -1, order="F")  # (3)
                phi_n = (P_phi @ P_pad @ z[m]).reshape(-1, a_conv * b_conv, order="F")
                dW[m] += dS @ phi_n.T  # (4)
                dz = (W[m].T @ dS).ravel(order="F") @ P_phi @ P_pad  # (5)
            dbias[m] += dS.sum(axis=1)
    pairs = zip(dW, dbias, strict=True)
    return np.concatenate([x.ravel(order="F") for pair in pairs for x in pair])
