"""sgd_momentum: one epoch of mini-batch SGD with momentum.

theta is the flat parameter vector, and v is the last step.  An epoch uses every instance once.  The
order of the instances is a permutation, which is divided into batches of batch_size instances.  The
last batch has the remaining instances and may be smaller.  For each batch (lecture, section A):

    v <- momentum*v - lr_t*grad,        theta <- theta + v,        lr_t = lr/(1 + decay*t),

where grad is the gradient at theta before this update, and t is the number of earlier updates,
including those of earlier epochs.

The argument batch of fungrad(theta, batch) is a 1-d array of instance numbers.  fungrad returns two
values: the loss SUMMED over the batch, and grad, which is the MEAN over the batch.  You need not
know the network behind fungrad.  Return theta and v after the epoch, and the losses of the batches
in the order in which the batches were used.

Example: three instances in batches of two, so the second batch has only one instance.  Instance i
has the loss (theta - y_i)^2 with y = 1, 5, 9, and the order is 2, 0, 1.  With lr = 0.1, decay = 0
and momentum = 0.5:

    batch 2, 0      loss 81 + 1,   grad = mean(-18, -2) = -10,   v = 1,     theta = 1
    batch 1         loss 16,       grad = -8,                    v = 1.3,   theta = 2.3

>>> y = np.array([1.0, 5.0, 9.0])
>>> def fungrad(theta, batch):
...     return float(((theta - y[batch]) ** 2).sum()), np.array([2 * (theta - y[batch]).mean()])
>>> theta, v, losses = sgd_momentum(
...     fungrad, np.array([0.0]), np.array([0.0]), np.array([2, 0, 1]), 2, 0.1, 0.0, 0.5, 0
... )
>>> theta.round(10), v.round(10), losses
(array([2.3]), array([1.3]), array([82., 16.]))

A check uses least squares: instance i has the loss (a_i'theta - y_i)^2, where a_i is row i of a
matrix A.  The report shows A and y in place of fungrad.
"""

import numpy as np


def sgd_momentum(
    fungrad,
    theta: np.ndarray,
    v: np.ndarray,
    order: np.ndarray,
    batch_size: int,
    lr: float,
    decay: float,
    momentum: float,
    t: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return theta, v and the losses of the batches after one epoch.

    Do not change the arrays theta and v of the caller; return new arrays.

    Parameters
    ----------
    fungrad : callable
        ``fungrad(theta, batch)`` returns the summed loss and the mean gradient, shape (n,).
    theta : ndarray, shape (n,)
        Parameters before the epoch.
    v : ndarray, shape (n,)
        Last step of the epoch before.
    order : ndarray of integers, shape (l,)
        Permutation of the instance numbers.
    batch_size : int
        Number of instances per batch.
    lr, decay : float
        Learning rate and its decay.
    momentum : float
        Factor of the last step.
    t : int
        Number of updates before this epoch.

    Returns
    -------
    theta : ndarray, shape (n,)
    v : ndarray, shape (n,)
    losses : ndarray
        One loss per batch.
    """
    raise NotImplementedError("sgd_momentum has no code yet")
