"""A solution of sgd_momentum: the two formulas of the lecture, batch by batch."""

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
    """Return theta and v, both of shape (n,), and one loss per batch."""
    losses = []
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        loss, grad = fungrad(theta, batch)
        lr_t = lr / (1 + decay * t)
        v = momentum * v - lr_t * grad
        theta = theta + v
        losses.append(loss)
        t += 1
    return theta, v, np.array(losses)
