"""Calls sgd_momentum with the loss and the gradient of least squares."""

import numpy as np


def call(student, function, A, y, theta, *args):
    """Make fungrad from A, shape (l, n), and y, shape (l,), as in the example of the statement."""

    def fungrad(at, batch):
        at, batch = np.asarray(at), np.asarray(batch)
        if at.shape != theta.shape:
            raise ValueError(
                f"fungrad received theta of shape {at.shape}; its shape must be {theta.shape}"
            )
        if batch.ndim != 1 or batch.dtype.kind not in "iu" or not batch.size:
            raise ValueError(
                f"fungrad received a batch of shape {batch.shape}, dtype {batch.dtype}; it must be "
                "a 1-d array of instance numbers, with at least one entry"
            )
        r = A[batch] @ at - y[batch]
        return float(r @ r), 2 * A[batch].T @ r / batch.size

    return getattr(student, function)(fungrad, theta, *args)
