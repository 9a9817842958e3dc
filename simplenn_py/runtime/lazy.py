"""Names of a package that are loaded on first use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def exports(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for the ``__init__`` of a package.

    The package then loads a name on its first use.  Importing the package is fast and compiles
    nothing.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to tuple of str
        Names that each module defines, by the module, relative to the package.

    Returns
    -------
    load : callable
        The ``__getattr__`` of the package.
    names : callable
        The ``__dir__`` of the package.
    """
    module_of = {name: module for module, names in homes.items() for name in names}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = module_of[name]
        relative = module if module.startswith(".") else f".{module}"
        return getattr(importlib.import_module(relative, package), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return load, names
