"""Errors that the user can mend.

Every message is one line that names the argument or file, its value, the rule
and the remedy.  The command line prints that line and exits with status 2; any
other exception is a bug of ours and keeps its traceback.
"""


class UserError(ValueError):
    """A mistake in what the user asked for; the message says how to mend it."""


class ConfigError(UserError):
    """A network that cannot exist, or a ``.config`` file that cannot be read."""


class OptionError(UserError):
    """A training option out of its range."""


class DataError(UserError):
    """A data, model or checkpoint file that is missing, damaged or of the wrong kind."""


class DivergedError(UserError):
    """Training stopped because the loss is no longer finite."""


def closest(word: str, known: list[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to `word`, else ``""``."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
