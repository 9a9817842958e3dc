"""sgd_momentum: one epoch of mini-batch SGD with momentum.

theta is the flat parameter vector, v the last step.  An epoch uses every instance once, in the
order of a permutation, which is cut into batches of batch_size; the last batch has what is left and
may be smaller.  For each batch (lecture, section A):

    v <- momentum*v - lr_t*grad,        theta <- theta + v,        lr_t = lr/(1 + decay*t),

where grad is the gradient at theta as it is before this update, and t the number of updates made
before it, those of earlier epochs included.

fungrad(theta, batch) returns two things for a batch, a 1-d array of the numbers of its instances:
the loss SUMMED over the batch, and grad, already the MEAN over the batch.  The network behind it is
of no concern here.  Return theta and v after the epoch, and the losses of the batches in the order
in which they were used.

Example: three instances, batches of two, so the second batch is a single instance.  Instance i has
the loss (theta - y_i)^2 with y = 1, 5, 9, and the order is 2, 0, 1:

    batch 2, 0      loss 81 + 1,   grad = mean(-18, -2) = -10,   v = 1,     theta = 1
    batch 1         loss 16,       grad = -8,                    v = 1.3,   theta = 2.3

with lr = 0.1, decay = 0 and momentum = 0.5.

>>> y = np.array([1.0, 5.0, 9.0])
>>> def fungrad(theta, batch):
...     return float(((theta - y[batch]) ** 2).sum()), np.array([2 * (theta - y[batch]).mean()])
>>> theta, v, losses = sgd_momentum(
...     fungrad, np.array([0.0]), np.array([0.0]), np.array([2, 0, 1]), 2, 0.1, 0.0, 0.5, 0
... )
>>> theta.round(10), v.round(10), losses
(array([2.3]), array([1.3]), array([82., 16.]))

In a check the losses are least squares: instance i has (a_i'theta - y_i)^2, with a_i row i of a
matrix A.  The report shows A and y where fungrad stands here.
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
    """Return theta, v and the losses of the batches, after one epoch.

    theta and v have shape (n,), order is a permutation of the instances' numbers, t the number of
    updates before this epoch.  Leave the caller's theta and v as they are: return new arrays.
    """
    raise NotImplementedError("sgd_momentum has no code yet")
