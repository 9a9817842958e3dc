"""What a reader made of any bytes: a value, or the message of its one kind of error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simplenn_py.errors import DataError


def outcome(read: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, str]:
    """Return (what `read` returns, "") or (None, its DataError's message)."""
    try:
        return read(*args, **options), ""
    except DataError as error:
        return None, str(error) or "an empty message"
