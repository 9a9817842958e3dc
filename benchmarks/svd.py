"""Time the computation of leading singular triplets: ``python -m benchmarks svd``."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simplenn_py.errors import UserError
from simplenn_py.linalg import frobenius_error, randomized_svd
from simplenn_py.runtime.environment import cpu_name
from simplenn_py.runtime.threads import available

from .race import RaceError, Runner, let_run, start, stop, take_turns

_DESCRIPTION = """\
Time the rank-k SVD of matrices with singular values 1, 1/2, 1/3, ... and random singular
vectors, by this package and by others.  The error of each is printed beside its time:
||A - U S V'||_F divided by the error of the best approximation of rank k, so 1 is the optimum.

Each competitor runs in its own process.  They take turns, round after round.  A turn is one run
that does not count and one that does.  You can compare the ratios within one call, but not the
times of two calls.
The first table is the talk's, on 1000 x 1000."""

_EPILOG = """\
examples:
  python -m benchmarks svd
  python -m benchmarks svd --sizes 512x3136 --dtype float32 --competitors torch,torch-1
  python -m benchmarks svd --rank 50 --json

A package that is not installed is skipped."""

_TALK = ("numpy", "tensorflow", "sklearn", "ours")  # the rows of its table, in its order
_TALK_SIZE = (1000, 1000)
Solver = Callable[[], tuple[Any, Any, Any]]


def _ours(A: Any, k: int) -> Solver:
    return lambda: randomized_svd(A, k)


def _numpy(A: Any, k: int) -> Solver:
    def run() -> tuple[Any, Any, Any]:
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        return U[:, :k], s[:k], Vt[:k]

    return run


def _tensorflow(A: Any, k: int) -> Solver:
    import tensorflow as tf

    tensor = tf.constant(A)

    def run() -> tuple[Any, Any, Any]:
        s, U, V = tf.linalg.svd(tensor, full_matrices=False)
        return U.numpy()[:, :k], s.numpy()[:k], V.numpy()[:, :k].T

    return run


def _scipy(A: Any, k: int) -> Solver:
    from scipy.sparse.linalg import svds

    start = np.ones(min(A.shape), A.dtype)  # not a random start: the same work every time
    return lambda: svds(A, k, v0=start)


def _sklearn(A: Any, k: int, **options: Any) -> Solver:
    from sklearn.utils.extmath import randomized_svd as theirs

    return lambda: theirs(A, k, random_state=0, **options)


def _torch(A: Any, k: int, niter: int, columns: int) -> Solver:
    import torch

    tensor = torch.from_numpy(A)

    def run() -> tuple[Any, Any, Any]:
        U, s, V = torch.svd_lowrank(tensor, min(columns, *A.shape), niter)
        return U[:, :k].numpy(), s[:k].numpy(), V[:, :k].T.numpy()

    return run


# Each with the package whose version is shown.  Names with a number: as few power iterations as
# reach the best error to about 1 %, like our default.  The others follow their own defaults
# (scikit-learn) or common usage (torch: 4 iterations, rank + 10 columns).
_ENTRANTS: dict[str, tuple[Callable[[Any, int], Solver], str]] = {
    "ours": (_ours, "simplenn-py"),
    "numpy": (_numpy, "numpy"),
    "tensorflow": (_tensorflow, "tensorflow"),
    "scipy": (_scipy, "scipy"),
    "sklearn": (_sklearn, "scikit-learn"),
    "sklearn-2": (lambda A, k: _sklearn(A, k, n_iter=2), "scikit-learn"),
    "torch": (lambda A, k: _torch(A, k, 4, k + 10), "torch"),
    "torch-1": (lambda A, k: _torch(A, k, 1, 2 * k + 2), "torch"),
}
# Without huge pages torch is slower in some processes.
_ENVIRONMENT = {"torch": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}}
_COMPETITORS = [name for name in _ENTRANTS if name != "ours"]


@dataclass
class _Entrant(Runner):
    """A competitor that factorises the matrix."""

    error: float


def main(arguments: list[str] | None = None) -> int:
    """Run the races that the command line requests; return the exit status."""
    args = _parser().parse_args(arguments)
    if args.worker:
        return _work(*args.worker)
    rows: list[dict[str, Any]] = []
    try:
        for size in args.sizes:
            for dtype in args.dtype:
                found = _race(size, dtype, args)
                rows += found
                if args.json:
                    continue
                if size == _TALK_SIZE:
                    talk = [row for name in _TALK for row in found if row["competitor"] == name]
                    _print("the talk's table, ", talk)
                _print("", found)
    except (UserError, RaceError) as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    if args.json:
        keep = [{key: row[key] for key in row if key != "version"} for row in rows]
        print(json.dumps(keep, indent=2))
    return 0


def _race(size: tuple[int, int], dtype: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    A = _matrix(size, dtype)
    randomized_svd(A, args.rank)  # reports a rank out of range before anything is started
    entrants: list[_Entrant] = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "A.npy"))
        np.save(path, A)
        try:
            for name in ["ours", *args.competitors]:
                if name == "tensorflow" and size != _TALK_SIZE:
                    continue  # only the talk's table has it
                entrant = _enter(name, path, args.rank)
                if entrant is not None:
                    entrants.append(entrant)
                    let_run(entrant.process, False)
            take_turns(entrants, args.repeat)
        finally:
            for entrant in entrants:
                stop(entrant.process)
    ours = entrants[0].ms_min
    return [
        {
            "shape": f"{size[0]}x{size[1]}",
            "dtype": dtype,
            "rank": args.rank,
            "competitor": entrant.name,
            "ms_min": entrant.ms_min,
            "ms_median": entrant.ms_median,
            "ours_ms_min": ours,
            "ratio": entrant.ms_min / ours,
            "error": entrant.error,
            "version": entrant.version,
        }
        for entrant in entrants
    ]


def _enter(name: str, path: str, rank: int) -> _Entrant | None:
    environment = _ENVIRONMENT.get(_ENTRANTS[name][1], {})
    words = ["benchmarks.svd", "--worker", name, path, str(rank)]
    process, ready = start(words, environment, "ready")
    if "reason" not in ready:
        return _Entrant(name, process, ready["version"], ready["error"])
    stop(process)
    reason = ready["reason"].strip()
    if name == "ours":
        raise RaceError(reason)
    print(f"benchmarks: {name} is skipped: {reason}", file=sys.stderr)
    return None


def _work(name: str, path: str, rank_text: str) -> int:
    """Act as one competitor: every line of stdin is a turn, every answer a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of a library must not mix with the answers
    A, rank = np.load(path), int(rank_text)
    build, package = _ENTRANTS[name]
    sys.stdin.readline()
    try:
        run = build(A, rank)
        U, s, Vt = run()
    except Exception as error:  # a peer may raise anything: it is skipped by name
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps({"reason": reason}), file=answers, flush=True)
        return 1
    tail = 1 / np.arange(rank + 1, min(A.shape) + 1)
    best = float(np.linalg.norm(tail)) or 1.0
    error_of = frobenius_error(A, *map(np.ascontiguousarray, (U, s, Vt))) / best
    try:
        version = f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        version = package
    print(json.dumps({"version": version, "error": error_of}), file=answers, flush=True)
    for _ in sys.stdin:
        run()  # untimed: caches and threads are still the previous competitor's
        began = time.perf_counter()
        run()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": [seconds]}), file=answers, flush=True)
    return 0


def _matrix(size: tuple[int, int], dtype: str) -> Any:
    """Make a matrix with singular values 1/j and random singular vectors, in C order."""
    rng, k = np.random.default_rng(0), min(size)
    U, V = (np.linalg.qr(rng.standard_normal((n, k)))[0] for n in size)
    return np.ascontiguousarray((U / np.arange(1, k + 1)) @ V.T, dtype=dtype)


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    print(
        f"{title}rank {first['rank']} of {first['shape']}, {first['dtype']}; "
        f"{available()} cores of {cpu_name()}"
    )
    width = max(len(row["competitor"]) for row in rows)
    print(f"  {'':{width}}    ms min  ms median    ratio    error")
    for row in rows:
        numbers = f"{row['ms_min']:10.2f} {row['ms_median']:10.2f} {row['ratio']:8.2f}"
        print(f"  {row['competitor']:{width}}{numbers} {row['error']:8.4f}   {row['version']}")
    print(flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks svd",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sizes", type=_sizes, default=[_TALK_SIZE, (4000, 1000), (512, 3136)],
        metavar="MxN,...", help="matrix sizes (1000x1000,4000x1000,512x3136)")  # fmt: skip
    add("--rank", type=_positive, default=15, metavar="K", help="rank (%(default)s)")
    add("--dtype", type=_choices("float32", "float64"), default=["float32", "float64"],
        metavar="D,...", help="float32, float64 (both)")  # fmt: skip
    add("--competitors", type=_choices(*_COMPETITORS), default=_COMPETITORS, metavar="NAME,...",
        help=f"any of {', '.join(_COMPETITORS)} (all)")  # fmt: skip
    add("--repeat", type=_positive, default=20, metavar="N",
        help="turns per competitor (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print only JSON, a list of rows, on stdout")
    add("--worker", nargs=3, help=argparse.SUPPRESS)
    return parser


def _sizes(text: str) -> list[tuple[int, int]]:
    sizes = [tuple(int(n) for n in part.split("x") if n.isdigit()) for part in text.split(",")]
    if not all(len(size) == 2 and min(size) > 0 for size in sizes):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 1000x1000,512x3136")
    return [(size[0], size[1]) for size in sizes]


def _choices(*known: str) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        for part in text.split(","):
            if part not in known:
                raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(known)}")
        return text.split(",")

    return parse


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
