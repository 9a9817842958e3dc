"""Files whose name is almost that of an exercise: copies, notebooks, archives."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import shown
from .course import EXERCISES

_MOST = 3  # files that a message names
_ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar")

#: Beginning of a file's content, and what the file is.
_OTHER_FORMATS = (
    (b"PK\x03\x04", "an archive; unpack it"),
    (b"{\\rtf", "a rich text document; save it as plain text"),
    (b"<", "a web page; download the file itself"),
    (b"%PDF", "a PDF document; hand in the Python file"),
)


def exercise_of(path: Path) -> str:
    """Return the exercise that a file's name seems to mean; "" if it means none, or several.

    Examples
    --------
    >>> from pathlib import Path
    >>> from simplenn_py.exercises.near import exercise_of
    >>> exercise_of(Path("maxpooling (1).py")), exercise_of(Path("Max_Pooling.py.txt"))
    ('maxpooling', 'maxpooling')
    """
    stem = path.name.partition(".")[0].lower()
    found = [e for e in EXERCISES if re.search(rf"(?<![a-z0-9]){e.lower()}(?![a-z])", stem)]
    if not found:
        squeezed = {_letters(e): e for e in EXERCISES}
        close = difflib.get_close_matches(_letters(stem), squeezed, n=2, cutoff=0.85)
        found = [squeezed[c] for c in close]
    return found[0] if len(found) == 1 else ""


def _letters(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalpha())


def near_files(folder: Path, name: str) -> list[Path]:
    """Return the files whose name seems to mean an exercise, in a folder or one folder below it.

    The exercise's own file, NAME.py in the folder itself, is not among them; files NAME.py in
    folders below come first.
    """
    own = folder / f"{name}.py"
    near = [p for p in _files(folder) if p != own and exercise_of(p) == name]
    return sorted(near, key=lambda p: p.name != own.name)


def _files(folder: Path) -> Iterator[Path]:
    for pattern in ("*", "[!._]*/*"):
        for path in sorted(folder.glob(pattern)):
            if path.name[0] not in "._" and _could_be_code(path) and path.is_file():
                yield path


def _could_be_code(path: Path) -> bool:
    """Whether a name has the ending of a file that a student hands in: not that of notes."""
    endings = {x.lower() for x in path.suffixes}
    return bool(endings & {".py", ".ipynb", *_ARCHIVES}) or (
        endings == {".txt"} and path.stem.lower() in {e.lower() for e in EXERCISES}
    )


def is_other_kind(path: Path) -> str:
    """Say how to get Python files from a notebook or an archive; "" for other names."""
    file, kind = shown(shlex.quote(str(path))), path.suffix.lower()
    if kind == ".ipynb":
        name = exercise_of(path)
        output = f" --output {name}" if name and name != path.stem else ""
        return f"is a notebook; export it: jupyter nbconvert --to script{output} {file}"
    if kind in _ARCHIVES:
        return "is an archive; unpack it, then check the folder"
    return ""


def advice(path: Path, name: str) -> str:
    """Say how to turn a file with another name, or in another folder, into an exercise's file."""
    if path.name == f"{name}.py":
        return f"did you mean {shown(path)}?"
    file = shown(shlex.quote(str(path)))
    other = is_other_kind(path)
    return f"{file} {other}" if other else f"if {file} is your file, rename it to {name}.py"


def there_is(paths: Sequence[Path], name: str) -> str:
    """Name the files that could be meant, and say what to do; "" if there are none."""
    more = f"; and {len(paths) - _MOST} more" if len(paths) > _MOST else ""
    return "; ".join(advice(path, name) for path in paths[:_MOST]) + more


def other_format(source: bytes, path: Path) -> str:
    """Say what a file is, if it is a notebook or another format that is not Python; or ""."""
    start = source.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{") and b'"nbformat"' in source:
        notebook = path.with_suffix(".ipynb")
        return (
            f"a notebook, not Python; rename it to {shown(notebook.name)}, then run: "
            f"jupyter nbconvert --to script {shown(shlex.quote(str(notebook)))}"
        )
    for mark, what in _OTHER_FORMATS:
        if start.startswith(mark):
            return what
    return ""
