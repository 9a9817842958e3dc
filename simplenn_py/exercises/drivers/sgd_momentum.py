"""Calls sgd_momentum with the loss and the gradient of least squares."""

import numpy as np


def call(student, function, A, y, theta, *args):
    """Make fungrad from A and y, as the statement's example does."""

    def fungrad(at, batch):
        at, batch = np.asarray(at), np.asarray(batch)
        if at.shape != theta.shape:
            raise ValueError(f"fungrad was given theta of shape {at.shape}; it has {theta.shape}")
        if batch.ndim != 1 or batch.dtype.kind not in "iu" or not batch.size:
            raise ValueError(
                f"fungrad was given a batch of shape {batch.shape}, dtype {batch.dtype}; it takes "
                "a 1-d array of the numbers of instances, at least one"
            )
        r = A[batch] @ at - y[batch]
        return float(r @ r), 2 * A[batch].T @ r / batch.size

    return getattr(student, function)(fungrad, theta, *args)
