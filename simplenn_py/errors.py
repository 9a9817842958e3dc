"""Errors that the user can correct.

Every message is one line that names the argument or file, its value, the rule
and the remedy.  The command line prints that line and exits with status 2.  Any
other exception is a bug in simplenn_py and keeps its traceback.
"""


class UserError(ValueError):
    """A mistake in the user's input; the message says how to correct it."""


class ConfigError(UserError):
    """A network that cannot exist, or a ``.config`` file that cannot be read."""


class OptionError(UserError):
    """A training option out of range."""


class DataError(UserError):
    """A data, model or checkpoint file that is missing, damaged or of the wrong kind."""


class DivergedError(UserError):
    """Training stopped because the loss is no longer finite."""


def closest(word: str, known: list[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to `word`, else ``""``.

    Parameters
    ----------
    word : str
    known : list of str

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

    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
