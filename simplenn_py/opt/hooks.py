"""Hooks: how a solver reports its progress, and how it is stopped."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import UserError
from ..runtime.arguments import described

_METHODS = ("on_start", "on_batch", "on_epoch", "on_stop")


class Hook:
    """Base class of all hooks; each method does nothing unless it is overridden.

    `state` is the solver's state, for instance a ``BatchState`` or a ``NewtonState``.
    """

    def on_start(self, state: Any) -> None:
        """Called before the first update of a run, also if the run is resumed."""

    def on_batch(self, state: Any) -> None:
        """Called after every update, or every CG step.  Setting ``state.stop`` ends the run."""

    def on_epoch(self, state: Any) -> None:
        """Called after every epoch or Newton iteration, with its record in ``state.history``."""

    def on_stop(self, state: Any) -> None:
        """Called when the run ends, also after an exception."""


class Hooks(Hook):
    """Several hooks as one.

    Parameters
    ----------
    hooks : sequence of Hook
        Called in this order.
    """

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = list(hooks)

    def on_start(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_start(state)

    def on_batch(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_batch(state)

    def on_epoch(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_epoch(state)

    def on_stop(self, state: Any) -> None:
        for hook in self._hooks:
            hook.on_stop(state)


class _Completed(Hook):
    """A hook of an object that has only some of the methods."""

    def __init__(self, partial: Any) -> None:
        for name in _METHODS:
            if hasattr(partial, name):
                setattr(self, name, getattr(partial, name))


def as_hook(hook: Any) -> Hook:
    """Return a hook, also for an object that has only some of its methods.

    Parameters
    ----------
    hook : Hook, or an object with one of its methods or more

    Returns
    -------
    Hook
        Methods that the object lacks do nothing.

    Raises
    ------
    UserError
        If `hook` has no such method, is a class, or a method does not take the state.
    """
    found = [name for name in _METHODS if hasattr(hook, name)]
    if inspect.isclass(hook) and found:
        name = hook.__name__
        raise UserError(f"a hook is the class {name}; it must be an object of it: {name}()")
    if not found:
        raise UserError(
            f"a hook is {described(hook)}; it must be an object with a method "
            f"{', '.join(_METHODS[:-1])} or {_METHODS[-1]}, which takes the solver's state"
        )
    for name in found:
        _check_method(hook, name)
    return hook if isinstance(hook, Hook) else _Completed(hook)


def as_hooks(hooks: Any) -> list[Hook]:
    """Return a list of hooks, also for a single one.

    Parameters
    ----------
    hooks : iterable of hooks, a hook, or None
        See :func:`as_hook`.

    Returns
    -------
    list of Hook

    Raises
    ------
    UserError
        If one of them cannot be used.
    """
    if hooks is None:
        return []
    single = any(hasattr(hooks, name) for name in _METHODS)
    if single or not isinstance(hooks, Iterable) or isinstance(hooks, str | bytes | dict):
        hooks = [hooks]
    return [as_hook(hook) for hook in hooks]


def _check_method(hook: Any, name: str) -> None:
    method = getattr(hook, name)
    if not callable(method):
        raise UserError(f"{name} of a hook is {described(method)}; it must be a method")
    try:
        inspect.signature(method).bind(None)
    except TypeError:
        raise UserError(
            f"{name} of a hook takes {inspect.signature(method)}; it must take one argument, the "
            "solver's state"
        ) from None
    except ValueError:
        return  # a function written in C may not tell its arguments
