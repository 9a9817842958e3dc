"""One pass over theta per update: the mean of the gradient, theta/C, and the solver's rule.

Every entry is updated by itself, in the order of operations of the formulas, so the result does
not depend on the number of threads.  With NumPy's functions the same takes six passes for SGD and
eleven for Adam, each over memory that no cache holds if the network is large.
"""

import numpy as np
from numba import prange

from .policy import compiled

#: Entries per task.
_ENTRIES = 1 << 14
#: Up to so many entries one thread is done before another one is awake.
_ALONE = 1 << 16


@compiled(parallel=True)
def momentum_step(theta, v, total, count, inverse_C, momentum, lr):
    """``g = total/count + theta/C``, ``v <- momentum*v - lr*g``, ``theta <- theta + v``.

    Parameters
    ----------
    theta, v : float array, shape (n_parameters,)
        Parameters and last step; both are changed.
    total : float array, shape (n_parameters,)
        Gradient of the summed loss of a batch.
    count, inverse_C, momentum, lr : numbers of the same dtype
        Number of instances in the batch; ``1/C``, 0 for no regularisation; the rule's factors.
    """
    if theta.size <= _ALONE:
        _momentum_part(theta, v, total, count, inverse_C, momentum, lr)
        return
    for task in prange(-(-theta.size // _ENTRIES)):
        own = slice(task * _ENTRIES, (task + 1) * _ENTRIES)
        _momentum_part(theta[own], v[own], total[own], count, inverse_C, momentum, lr)


@compiled()
def _momentum_part(theta, v, total, count, inverse_C, momentum, lr):
    for k in range(theta.size):
        g = total[k] / count + theta[k] * inverse_C
        v[k] = v[k] * momentum - g * lr
        theta[k] += v[k]


@compiled(parallel=True)
def adam_step(theta, m, v, total, count, inverse_C, betas, steps):
    """``g = total/count + theta/C``, then Kingma and Ba's rule.

        m <- beta1*m + (1 - beta1)*g,   v <- beta2*v + (1 - beta2)*g^2
        theta <- theta - step*m/(scale*sqrt(v) + epsilon)

    Parameters
    ----------
    theta, m, v : float array, shape (n_parameters,)
        Parameters and running means; all are changed.
    total : float array, shape (n_parameters,)
        Gradient of the summed loss of a batch.
    count, inverse_C : numbers of the same dtype
        As for :func:`momentum_step`.
    betas : float array, shape (4,)
        ``beta1, 1 - beta1, beta2, 1 - beta2``.
    steps : float array, shape (3,)
        ``step = lr/(1 - beta1^t)``, ``scale = 1/sqrt(1 - beta2^t)``, and ``epsilon``.
    """
    if theta.size <= _ALONE:
        _adam_part(theta, m, v, total, count, inverse_C, betas, steps)
        return
    for task in prange(-(-theta.size // _ENTRIES)):
        own = slice(task * _ENTRIES, (task + 1) * _ENTRIES)
        _adam_part(theta[own], m[own], v[own], total[own], count, inverse_C, betas, steps)


@compiled()
def _adam_part(theta, m, v, total, count, inverse_C, betas, steps):
    beta1, rest1, beta2, rest2 = betas[0], betas[1], betas[2], betas[3]
    step, scale, epsilon = steps[0], steps[1], steps[2]
    for k in range(theta.size):
        g = total[k] / count + theta[k] * inverse_C
        m[k] = m[k] * beta1 + g * rest1
        v[k] = v[k] * beta2 + g * g * rest2
        theta[k] -= step * m[k] / (np.sqrt(v[k]) * scale + epsilon)
