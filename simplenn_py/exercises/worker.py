"""The process in which a student's code runs: ``python -I worker.py``, without the package.

The parent process sends requests to standard input and reads answers from standard output.  A
message is its length and an .npz archive without pickles.  Both streams are moved to other
descriptors before any student code runs: text that the student prints goes to standard error and
cannot disturb the messages.

The student's file arrives as bytes, and these bytes are hashed and run.  An import that the
exercise does not allow fails, and nobody can import simplenn_py.  This stops accidents, not
attacks.  It is NOT a sandbox: the code has the rights of the user who started it.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import importlib.abc
import io
import json
import linecache
import os
import struct
import sys
import time
import traceback
import types
from collections.abc import Callable, Sequence
from typing import IO, Any

PACKAGE = "simplenn_py"

#: Modules that every file may import: type hints, and what is needed to try the example.
ALWAYS = (
    "__future__", "abc", "collections", "dataclasses", "doctest", "functools", "time", "types",
    "typing",
)  # fmt: skip


def pack(value: Any) -> bytes:
    """Turn plain values, arrays and namespaces into bytes."""
    import numpy as np

    arrays: dict[str, Any] = {}
    text = json.dumps(_encode(value, arrays))
    stream = io.BytesIO()
    np.savez(stream, tree=np.frombuffer(text.encode(), np.uint8), **arrays)
    return stream.getvalue()


def unpack(data: bytes) -> Any:
    """Turn the bytes of :func:`pack` into the value again."""
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return _decode(json.loads(archive["tree"].tobytes()), archive)


class Other:
    """Placeholder for a value that cannot be sent: the name of its type."""

    def __init__(self, description: str) -> None:
        self.description = description


def _encode(value: Any, arrays: dict[str, Any]) -> Any:
    import numpy as np

    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        key = f"a{len(arrays)}"
        arrays[key] = np.asarray(value)
        return {"scalar": key}
    if value is None or type(value) in (bool, int, float, str):
        return {"plain": value}
    if type(value) is np.ndarray and not value.dtype.hasobject:
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if type(value) is bytes:
        return {"bytes": value.hex()}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_encode(v, arrays) for v in value]}
    if type(value) is dict and all(type(k) is str for k in value):
        return {"dict": {k: _encode(v, arrays) for k, v in value.items()}}
    if type(value) is types.SimpleNamespace:
        return {"namespace": {k: _encode(v, arrays) for k, v in vars(value).items()}}
    if isinstance(value, Other):
        return {"other": value.description}
    kind = type(value).__name__
    return {"other": f"ndarray of dtype {value.dtype}" if type(value) is np.ndarray else kind}


def _decode(node: dict[str, Any], archive: Any) -> Any:
    ((kind, content),) = node.items()
    if kind == "plain":
        return content
    if kind == "array":
        return archive[content]
    if kind == "scalar":
        return archive[content][()]
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind in ("tuple", "list"):
        items = [_decode(v, archive) for v in content]
        return tuple(items) if kind == "tuple" else items
    if kind in ("dict", "namespace"):
        fields = {k: _decode(v, archive) for k, v in content.items()}
        return fields if kind == "dict" else types.SimpleNamespace(**fields)
    return Other(str(content))


def _same(value: Any, sent: Any) -> bool:
    if isinstance(sent, types.SimpleNamespace):
        return _same(vars(value), vars(sent))
    if isinstance(sent, dict):
        return value.keys() == sent.keys() and all(_same(value[k], sent[k]) for k in sent)
    if isinstance(sent, list | tuple):
        return len(value) == len(sent) and all(map(_same, value, sent))
    if hasattr(sent, "tobytes"):  # bit by bit, so that NaN equals NaN
        return value.shape == sent.shape and value.tobytes() == sent.tobytes()
    return bool(value == sent)


def send(stream: IO[bytes], value: Any) -> None:
    """Write one message: its length, then its bytes."""
    data = pack(value)
    stream.write(struct.pack("<q", len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Read one message; return None if the other side has closed the stream."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack("<q", head)
    data = stream.read(length)
    return data if len(data) == length else None


class _NoPackage(importlib.abc.MetaPathFinder):
    """Makes every import of the package fail."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname.partition(".")[0] == PACKAGE:
            raise ImportError(f"{PACKAGE} cannot be imported here: write the routine yourself")


class _Imports:
    """Replacement of ``__import__`` that checks the list of modules that each file may import."""

    def __init__(self) -> None:
        self._import = builtins.__import__
        self.allowed: dict[str, Sequence[str]] = {}
        self.uses: Sequence[str] = ()  # routines of earlier exercises

    def __call__(
        self,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        allowed = self.allowed.get((globals or {}).get("__name__", ""))
        top = name.partition(".")[0]
        if allowed is not None and top != PACKAGE and (level or top not in (*allowed, *ALWAYS)):
            what = "." * level + name
            message = f"this exercise does not allow {what}; it allows {', '.join(allowed)}"
            if {what.lstrip("."), *(fromlist or ())} & set(self.uses):
                message += (
                    "; keep the function of the skeleton that has no code: the check gives it yours"
                )
            raise ImportError(message)
        return self._import(name, globals, locals, fromlist, level)


class Worker:
    """Answers the requests of the parent process, one method per kind of request."""

    def __init__(self) -> None:
        self.imports = _Imports()
        builtins.__import__ = self.imports
        sys.meta_path.insert(0, _NoPackage())
        self.routines: dict[str, Callable[..., Any]] = {}
        self.modules: dict[str, types.ModuleType] = {}
        self.paths: set[str] = set()

    def load(self, m: dict[str, Any]) -> dict[str, Any]:
        """Run the bytes of a file as a module.

        The routine that a file "provides" is kept.  A later file that "uses" this routine, but has
        no code for it, gets the kept one.
        """
        source, path, name = m["source"], m["path"], m["name"]
        if m.get("allows") is not None:
            self.imports.allowed[name], self.imports.uses = m["allows"], m.get("uses", ())
        module = types.ModuleType(name)
        module.__file__ = path
        sys.modules[name] = self.modules[name] = module
        if name != "driver":  # tracebacks show only lines of the student's files
            self.paths.add(path)
        lines = source.decode("utf-8", "replace").splitlines(keepends=True)
        linecache.cache[path] = (len(source), None, lines, path)  # None: never read again
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
        for routine in m.get("uses", ()):
            if routine in module.__dict__:
                setattr(module, routine, _or_else(getattr(module, routine), self.routines[routine]))
        if m.get("provides"):
            self.routines[m["provides"]] = getattr(module, m["provides"])
        missing = [f for f in m.get("functions", ()) if not callable(getattr(module, f, None))]
        return {"sha256": hashlib.sha256(source).hexdigest(), "missing": missing}

    def call(self, m: dict[str, Any]) -> dict[str, Any]:
        """Call a function of a module, directly or through the driver."""
        value = self._call(m, list(m["args"].values()))
        return {"value": value, "changed": self._changed(m)}

    def quiet(self, m: dict[str, Any]) -> dict[str, Any]:
        """Drop what the student's code prints from now on."""
        sys.stdout.flush()
        sys.stderr.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)
        return {}

    def time(self, m: dict[str, Any]) -> dict[str, Any]:
        """Call a function once, then measure `repeat` calls; answer the shortest time in seconds.

        "others" are the returned values that differ from the first one.
        """
        args = list(m["args"].values())
        value, others = self._call(m, args), []
        best = float("inf")
        for _ in range(m["repeat"]):
            began = time.perf_counter()
            again = self._call(m, args)
            best = min(best, time.perf_counter() - began)
            if not _same(again, value):
                others.append(again)
        return {"value": value, "others": others, "seconds": best}

    def _call(self, m: dict[str, Any], args: list[Any]) -> Any:
        student = self.modules[m["name"]]
        if m.get("driver"):
            return self.modules["driver"].call(student, m["function"], *args)
        return getattr(student, m["function"])(*args)

    def _changed(self, m: dict[str, Any]) -> list[str]:
        """Return the names of the arguments that the call has changed."""
        as_sent = unpack(m["raw"])["args"]
        return [k for k, v in m["args"].items() if not _same(v, as_sent[k])]

    def answer(self, data: bytes) -> dict[str, Any]:
        """Carry out a request; an exception of the student's code becomes the answer."""
        m = unpack(data)
        try:
            m["raw"] = data
            return getattr(self, m["do"])(m)  # "do" is the name of a method
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return {"error": self._describe(error)}

    def _describe(self, error: BaseException) -> dict[str, Any]:
        frames = [
            {
                "file": os.path.basename(f.filename),
                "line": f.lineno or 0,
                "code": (f.line or "").strip(),
                "function": f.name,
            }
            for f in traceback.extract_tb(error.__traceback__)
            if f.filename in self.paths
        ]
        if isinstance(error, SyntaxError) and error.filename in self.paths:
            code = (error.text or "").strip()
            name = os.path.basename(error.filename)
            frames.append({"file": name, "line": error.lineno or 0, "code": code, "function": ""})
        message = error.msg if isinstance(error, SyntaxError) else _message(error)
        return {
            "type": type(error).__name__,
            "message": message[:4000],
            "frames": frames[-8:],
            "not_written": isinstance(error, NotImplementedError),
            "compiled": "numba" in sys.modules,
        }


def _or_else(own: Callable[..., Any], given: Callable[..., Any]) -> Callable[..., Any]:
    """Return a routine that calls `own`, or `given` if `own` has no code yet."""

    @functools.wraps(own)
    def routine(*args: Any, **named: Any) -> Any:
        try:
            return own(*args, **named)
        except NotImplementedError:
            return given(*args, **named)

    return routine


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # a student's own exception may fail to describe itself
        return "(its message cannot be shown)"


def main(folders: Sequence[str]) -> None:
    """Answer requests until the parent closes the pipe."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.path.extend(f for f in folders if f not in sys.path)
    worker = Worker()
    send(replies, {"ready": True})
    while (data := receive(requests)) is not None:
        answer = worker.answer(data)
        sys.stdout.flush()
        send(replies, answer)


if __name__ == "__main__":
    main(sys.argv[1:])
