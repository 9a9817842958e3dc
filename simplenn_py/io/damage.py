"""What the libraries that read files raise over damaged bytes, and how to say it in one line."""

from __future__ import annotations

import lzma
import struct
import tarfile
import tokenize
import zipfile
import zlib

# zipfile, tarfile, gzip, NumPy's header parser, scipy.io and Pillow have no common error.
# Around a call to one of them, and only there, each of these means "the file is damaged".
# (A warning is one of them where a test turns warnings into errors.)
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
    """Return what `error` says, on one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
