"""Download a file from the first mirror that delivers it with the right checksum."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from ..io.atomic import atomic_open
from ..io.damage import reason
from ..runtime.console import make_console
from .catalogue import RemoteFile

CONNECT_SECONDS = 10
READ_SECONDS = 60


class _Mismatch(Exception):
    """The mirror delivered a different file."""


class _Sink:
    """A file open for writing that compares size and checksum with the expected ones."""

    def __init__(self, stream: IO[bytes], file: RemoteFile, advance: Callable[[int], None]):
        self._stream, self._file, self._advance = stream, file, advance
        self._size, self._hash = 0, hashlib.sha256()

    def write(self, block: bytes) -> int:
        self._size += len(block)
        if self._size > self._file.size:
            raise _Mismatch(f"sent more than the {self._file.size} bytes of this file")
        self._hash.update(block)
        self._advance(len(block))
        return self._stream.write(block)

    def flush(self) -> None:
        """Pooch flushes after every block; once at the end is enough."""

    def check(self) -> None:
        if self._size < self._file.size:
            raise _Mismatch(f"sent {self._size} of {self._file.size} bytes")
        if self._hash.hexdigest() != self._file.sha256:
            raise _Mismatch("sent a file with another checksum")


def download(
    file: RemoteFile, mirrors: tuple[str, ...], target: Path, progress: bool = True
) -> list[str]:
    """Download `file` to `target`; an old file there stays until the new one is verified.

    Parameters
    ----------
    file : RemoteFile
        Name, size and checksum of the file.
    mirrors : tuple of str
        Addresses ending in "/", tried in turn.
    target : Path
        Path of the downloaded file.
    progress : bool
        Whether to report the progress on standard error: as a bar on a terminal, otherwise
        as one line.

    Returns
    -------
    list of str
        Empty if the download succeeded; otherwise one line per mirror, with its host and the
        error.

    Raises
    ------
    DataError
        If `target` cannot be written; no other mirror is tried then.
    """
    from pooch import HTTPDownloader

    # Without it requests would decompress a response with "Content-Encoding: gzip".
    get = HTTPDownloader(
        chunk_size=2**16,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        headers={"Accept-Encoding": "identity"},
    )
    failures: list[str] = []
    for mirror in mirrors:
        host = urlsplit(mirror).hostname or mirror
        try:
            with atomic_open(target) as stream, _meter(file, host, progress) as advance:
                sink = _Sink(stream, file, advance)
                get(mirror + file.name, sink, None)
                sink.check()
        except (OSError, _Mismatch) as error:  # every error of requests is an OSError
            failures.append(f"{host}: {_explain(error)}")
        else:
            return []
    return failures


def _explain(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return reason(error)


@contextmanager
def _meter(file: RemoteFile, host: str, progress: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of bytes that have arrived since its last call."""
    title = f"{file.name} from {host}"
    if not progress:
        yield lambda count: None
        return
    if not sys.stderr.isatty():
        print(f"downloading {title} ({file.size / 1e6:.1f} MB)", file=sys.stderr, flush=True)
        yield lambda count: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bar = Progress(
        *columns, TimeRemainingColumn(), console=make_console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task(title, total=file.size)
        yield lambda count: bar.advance(task, count)
