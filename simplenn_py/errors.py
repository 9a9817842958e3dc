"""Errors that the user can correct.

Every message is one line that names the argument or file, its value, the rule
and the remedy.  The command line prints that line and exits with status 2.  Any
other exception is a bug in simplenn_py and keeps its traceback.
"""

#: Maximum length of a whole message.
_MESSAGE = 1000
# Joiners of letters and of emoji, and the blank of CJK texts: they belong to names.
_HARMLESS = frozenset("\u200c\u200d\u3000")


def printable(value: object) -> str:
    """Return a text on one line, complete, with every character escaped that is not printable.

    Parameters
    ----------
    value : object
        What to print; its ``str`` is taken.

    Returns
    -------
    str
        Ends of lines, terminal controls, controls of the writing direction, and bytes of file names
        that are not UTF-8 are escaped as in Python.

    Examples
    --------
    >>> from simplenn_py.errors import printable
    >>> print(printable("two\\nlines \\x1b[31m"))
    two\\nlines \\x1b[31m
    """
    return "".join(c if c.isprintable() or c in _HARMLESS else _escaped(c) for c in str(value))


def shown(value: object, most: int = 120) -> str:
    """Return a name, label or text of the user or of a file, safe to print on one line.

    Parameters
    ----------
    value : object
        What to show; its ``str`` is taken.
    most : int
        Maximum length; the middle of a longer text is left out.

    Returns
    -------
    str
        The text as :func:`printable` escapes it.

    Examples
    --------
    >>> from simplenn_py.errors import shown
    >>> shown("9" * 500, most=20)
    '99999999 ... 9999999'
    """
    text = printable(value)
    if len(text) > most:
        tail = (most - 5) // 2
        text = f"{text[: most - 5 - tail]} ... {text[len(text) - tail :]}"
    return text


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


class UserError(ValueError):
    """A mistake in the user's input; the message says how to correct it.

    Parameters
    ----------
    message : str
        It is kept on one line of printable characters, see :func:`shown`.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shown(message, _MESSAGE))


class ConfigError(UserError):
    """A network that cannot exist, or a ``.config`` file that cannot be read."""


class OptionError(UserError):
    """A training option out of range."""


class DataError(UserError):
    """A data, model or checkpoint file that is missing, damaged or of the wrong kind."""


class DivergedError(UserError):
    """Training stopped because the loss is no longer finite."""


def closest(word: str, known: list[str], alike: float = 0.6) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to `word`, else ``""``.

    Parameters
    ----------
    word : str
    known : list of str
    alike : float
        Minimum similarity, from 0 to 1.

    Returns
    -------
    str
        The end of an error message; empty if no known word is close to `word`.

    Examples
    --------
    >>> from simplenn_py.errors import closest
    >>> closest("diret", ["lecture", "direct"])
    "; did you mean 'direct'?"
    """
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=alike)
    return f"; did you mean '{near[0]}'?" if near else ""
