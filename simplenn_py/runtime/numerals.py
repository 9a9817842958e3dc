"""Numbers that people write: ASCII digits only, wherever a text is read as a number.

``str.isdigit``, ``\\d``, ``int`` and ``float`` take the digits of other scripts too, and not all
the same ones: "\\u136b".isdigit() is true, but int("\\u136b") raises ValueError.
"""

from __future__ import annotations


def is_digits(text: str, most: int = 9) -> bool:
    """Return whether a text is made of ASCII digits only.

    Parameters
    ----------
    text : str
    most : int
        Maximum number of digits.

    Returns
    -------
    bool

    Examples
    --------
    >>> from simplenn_py.runtime.numerals import is_digits
    >>> is_digits("28"), is_digits("-1"), is_digits("\\u0662"), is_digits("9" * 5000)
    (True, False, False, False)
    """
    return text.isascii() and text.isdigit() and len(text) <= most


def whole(text: str) -> int:
    """Convert a text to a whole number, as ``int`` does, but from ASCII only.

    Parameters
    ----------
    text : str

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the text is not a whole number.
    """
    if not text.isascii():
        raise ValueError(f"{text!a} is not a whole number")
    return int(text)


def real(text: str) -> float:
    """Convert a text to a number, as ``float`` does, but from ASCII only.

    Parameters
    ----------
    text : str

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the text is not a number.
    """
    if not text.isascii():
        raise ValueError(f"{text!a} is not a number")
    return float(text)
