"""The exceptions that file-reading libraries raise for damaged files, and their text."""

from __future__ import annotations

import lzma
import struct
import tarfile
import tokenize
import zipfile
import zlib

# zipfile, tarfile, gzip, NumPy's header parser, scipy.io and Pillow have no common exception.
# Around a call to one of them, and only there, each of these means "the file is damaged".
# (Warning is needed if a test turns warnings into errors.)
LIBRARY_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    NameError,
    AssertionError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    Warning,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


def reason(error: BaseException) -> str:
    """Return the text of an exception on one line.

    Parameters
    ----------
    error : BaseException
        Exception, usually one of `LIBRARY_ERRORS`.

    Returns
    -------
    str
        At most 120 characters; the name of the exception's class if it has no text.

    Examples
    --------
    >>> from simplenn_py.io.damage import reason
    >>> reason(ValueError("bad\\n  header")), reason(EOFError())
    ('bad header', 'EOFError')
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
