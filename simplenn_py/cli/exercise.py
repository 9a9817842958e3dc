"""``simplenn exercise``: list, start, check, hint, progress, bundle."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..exercises.form import Exercise
    from ..exercises.progress import Progress

_DESCRIPTION = """\
Write the lecture's routines yourself, and see at once whether they are right.

A check runs the file in a process of its own, in which simplenn_py cannot be imported, with limits
of time and memory; expected values come from the package's own routines outside.  The first failure
shows input, expected, got, and where they part.  It is NO sandbox: the code runs with your rights,
so check files of others only where they can do no harm."""

_EPILOG = """\
examples:
  simplenn exercise list
  simplenn exercise start vTP_phi_loop --dir mine
  simplenn exercise check mine/vTP_phi_loop.py
  simplenn exercise hint vTP_phi_loop --dir mine      the next of three hints
  simplenn exercise check mine                        every exercise of the folder
  simplenn exercise progress --dir mine

for instructors:
  simplenn exercise bundle course --solutions
  simplenn exercise check submission --exercises maxpooling,vTP_phi_loop --gradescope results.json

status of check: 0 if all is right, 1 if something is not yet, 2 for a mistake in use"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``exercise`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "exercise",
        help="write the lecture's routines yourself, checked step by step",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="what to do", metavar="VERB", required=True)

    def verb(
        name: str, help: str, run: Callable[[argparse.Namespace], int]
    ) -> Callable[..., object]:
        child = verbs.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        child.set_defaults(run=run)
        return child.add_argument

    folder = {"default": ".", "metavar": "FOLDER", "help": "where your files are (this folder)"}
    verb("list", "the exercises, in order", _list)("--dir", **folder)
    add = verb("start", "write an exercise's file: its statement and where to begin", _start)
    add("name", metavar="NAME", help="an exercise, or 'all'")
    add("--dir", **{**folder, "help": "where to write it (this folder)"})
    add = verb("check", "run what you wrote and say where it first goes wrong", _check)
    add("path", metavar="FILE|DIR", help="NAME.py, or a folder of them")
    add("--exercise", metavar="NAME", help="which exercise a FILE of another name is for")
    add("--exercises", metavar="A,B", help="of a DIR, these; one that is missing is not right")
    add("--time-limit", type=float, default=60.0, metavar="S", help="seconds (%(default)g)")
    add("--memory-limit", type=float, default=2.0, metavar="GIB", help="GiB (%(default)g)")
    add("--seed", type=int, default=0, metavar="N", help="of the random cases (%(default)s)")
    add("--gradescope", metavar="FILE", help="also write the results for Gradescope")
    add = verb("hint", "the next hint; each says more than the one before", _hint)
    add("name", metavar="NAME")
    add("--dir", **folder)
    add("--level", type=int, choices=(1, 2, 3), help="this one")
    verb("progress", "points so far", _progress)("--dir", **folder)
    add = verb("bundle", "write the kit for students and the grader for Gradescope", _bundle)
    add("out", metavar="OUT", help="a new folder")
    add("--exercises", metavar="A,B", help="only these")
    add("--solutions", action="store_true", help="also the model solutions")


def _list(args: argparse.Namespace) -> int:
    from ..exercises.course import EXERCISES, exercise_named

    progress = _progress_of(args.dir)
    rows = []
    for name in EXERCISES:
        e = exercise_named(name)
        done = "passed" if name in progress.entries and progress.entries[name].passed else ""
        trains = ", with ".join(["yes", *e.uses]) if e.trains else ""
        rows.append((name, str(e.points.total), ", ".join(e.allows), trains, done, e.title))
    _table(("exercise", "points", "may import", "train --with", "", "what"), rows)
    return 0


def _start(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..errors import UserError
    from ..exercises.course import EXERCISES, exercise_named
    from ..io.atomic import atomic_write_bytes

    folder = Path(args.dir)
    names = EXERCISES if args.name == "all" else (args.name,)
    exercises = [exercise_named(name) for name in names]
    folder.mkdir(parents=True, exist_ok=True)
    for exercise in exercises:
        path = folder / f"{exercise.name}.py"
        if path.exists():
            if args.name != "all":
                raise UserError(
                    f"{path} exists already; remove or rename it, or choose another --dir"
                )
            print(f"left as it is: {path}")
            continue
        atomic_write_bytes(path, exercise.skeleton.encode())
        print(f"written: {path}")
    first = folder / f"{exercises[0].name}.py"
    print(f"read the statement at the top of {first}, then: simplenn exercise check {first}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..errors import DataError, UserError
    from ..exercises.check import check_file
    from ..exercises.child import Limits
    from ..exercises.progress import Progress, load_progress
    from ..exercises.show import lines

    limits, path = Limits(args.time_limit, args.memory_limit), Path(args.path)
    if args.seed < 0:
        raise UserError(f"--seed is {args.seed}; it must be 0 or more")
    folder = path if path.is_dir() else path.parent
    # To grade, what a student hands in about their progress is neither believed nor written.
    progress = Progress(folder) if args.gradescope else load_progress(folder)
    files, missing = _files(args, path)
    print("In a process of its own, with simplenn_py shut out; this is no sandbox.")
    reports, unwritten = [], []
    for exercise, file in files:
        try:
            report = check_file(exercise, file, progress.helpers(exercise), limits, args.seed)
        except DataError as error:
            if not (path.is_dir() or args.gradescope):
                raise
            missing.append((exercise, str(error)))  # the others are checked all the same
            continue
        reports.append(report)
        progress.record(report, save=not args.gradescope)
        if path.is_dir() and report.failure is not None and report.failure.not_written:
            unwritten.append(exercise.name)
        else:
            print("\n" + "\n".join(lines(report)), flush=True)
    if unwritten:
        print(f"\nnot written yet: {', '.join(unwritten)}")
    for exercise, why in missing:
        print(f"\n{exercise.name}: {why}")
    if len(reports) + len(missing) > 1:
        passed, total = sum(r.passed for r in reports), len(reports) + len(missing)
        points = sum(r.points for r in reports)
        of = sum(e.points.total for e in [*(r.exercise for r in reports), *(e for e, _ in missing)])
        print(f"\n{passed} of {total} exercises are right: {points} of {of} points")
    if args.gradescope:
        from ..exercises.gradescope import write_results

        write_results(Path(args.gradescope), reports, missing)
        print(f"written: {args.gradescope}")
    return 0 if all(r.passed for r in reports) and not missing else 1


def _files(
    args: argparse.Namespace, path: Path
) -> tuple[list[tuple[Exercise, Path]], list[tuple[Exercise, str]]]:
    """Return what to check, and exercises asked for that have no file, with what there is."""
    from ..errors import UserError
    from ..exercises.handed_in import in_folder, one_file

    if not path.is_dir():
        if args.exercises:
            raise UserError(
                f"--exercises is {args.exercises!r}; it is for a folder, for one file there is "
                "--exercise"
            )
        return [one_file(path, args.exercise)], []
    if args.exercise:
        raise UserError(
            f"--exercise is {args.exercise!r}; it is for one file, for a folder there is "
            "--exercises A,B"
        )
    return in_folder(path, _names(args.exercises) if args.exercises else None)


def _names(asked: str | None) -> list[str]:
    """Return the exercises asked for, in the course's order; all by default."""
    from ..errors import UserError
    from ..exercises.course import EXERCISES, exercise_named

    if asked is None:
        return list(EXERCISES)
    try:
        names = [exercise_named(n.strip()).name for n in asked.split(",")]
    except UserError as error:
        raise UserError(f"--exercises is {asked!r}; {error}") from None
    return sorted(set(names), key=EXERCISES.index)


def _hint(args: argparse.Namespace) -> int:
    from ..exercises.course import exercise_named

    exercise, progress = exercise_named(args.name), _progress_of(args.dir)
    entry = progress.entry(exercise.name)
    level = args.level or min(entry.hints + 1, 3)
    print(f"{exercise.name}, hint {level} of 3:")
    print(_wrapped(exercise.hints[level - 1]))
    if level > entry.hints:
        entry.hints = level
        progress.save()
    return 0


def _progress(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..errors import DataError
    from ..exercises.course import EXERCISES, exercise_named

    progress = _progress_of(args.dir)
    folder = Path(args.dir)
    if not progress.entries and not any((folder / f"{name}.py").is_file() for name in EXERCISES):
        raise DataError(
            f"{folder}: nothing checked here; give --dir, the folder of your exercises' files"
        )
    rows, points, total = [], 0, 0
    for name in EXERCISES:
        e, entry = exercise_named(name), progress.entries.get(name)
        total += e.points.total
        if entry is None or not entry.checked:
            state, when, best = "not checked yet", "", 0
        else:
            changed = entry.passed and progress.own(name) is None
            state = "not yet right" if not entry.passed else "passed"
            state += ", changed since" if changed else ""
            when, best = entry.checked[:16].replace("T", " "), entry.best
        points += best
        hints = f"{entry.hints} of 3" if entry and entry.hints else ""
        rows.append((name, f"{best} of {e.points.total}", state, hints, when))
    _table(("exercise", "best", "last check", "hints", "when (UTC)"), rows)
    print(f"{points} of {total} points")
    return 0


def _bundle(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..exercises.bundle import write_bundle
    from ..exercises.course import exercise_named

    out, exercises = Path(args.out), [exercise_named(n) for n in _names(args.exercises)]
    for folder in write_bundle(out, exercises, args.solutions):
        print(f"written: {folder}")
    if args.solutions:
        print(f"for instructors only: {out / 'solutions'}; give students {out / 'student'} alone")
    print(f"next: read {out / 'grader' / 'README.txt'}: how to try, pack and upload the grader")
    return 0


def _progress_of(folder: str) -> Progress:
    from pathlib import Path

    from ..errors import DataError
    from ..exercises.progress import load_progress

    if not Path(folder).is_dir():
        raise DataError(f"{folder}: there is no such folder; 'simplenn exercise start' makes one")
    return load_progress(Path(folder))


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 92, initial_indent="  ", subsequent_indent="  ")


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table: by rich on a terminal, else plain columns that a script can cut."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        widths = [max(len(r[k]) for r in (titles, *rows)) for k in range(len(titles))]
        for row in (titles, *rows):
            print("  ".join(f"{x:{w}}" for x, w in zip(row, widths, strict=True)).rstrip())
        return
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=title == "exercise")
    for row in rows:
        colour = "green" if any(x.startswith("passed") for x in row) else ""
        table.add_row(*row, style=colour)
    console.print(table)
