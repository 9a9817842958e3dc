"""``simplenn exercise``: list, start, check, hint, progress, bundle."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..runtime.console import make_console, say, shell_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..exercises.exercise import Exercise
    from ..exercises.gradebook import Gradebook

_DESCRIPTION = """\
Write the routines of the lecture yourself and check at once whether they are correct.

A check runs your file in a separate process with limits of time and memory, in which simplenn_py
cannot be imported.  The expected values come from the routines of the package.  The report shows
the first failure: the input, the expected result, your result, and the first entry that differs.
A check is NOT a sandbox: the code runs with your rights, so check other people's files only if they
can do no harm."""

_EPILOG = """\
examples:
  simplenn exercise list
  simplenn exercise start vTP_phi_loop --dir mine
  simplenn exercise check mine/vTP_phi_loop.py
  simplenn exercise hint mine/vTP_phi_loop.py         shows the next of three hints
  simplenn exercise check mine                        checks every exercise in the folder
  simplenn exercise progress mine

Without a folder the files are those of this folder: 'check' checks all of them, and
'check vTP_phi_loop' checks vTP_phi_loop.py.

for instructors:
  simplenn exercise bundle course --solutions
  simplenn exercise check submission --exercises maxpooling,vTP_phi_loop --gradescope results.json

exit status of check: 0 if everything is correct, 1 if something is not, 2 for a wrong command"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``exercise`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "exercise",
        help="write the routines of the lecture yourself and check them step by step",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="actions", metavar="VERB", required=True)

    def verb(
        name: str, help: str, run: Callable[[argparse.Namespace], int]
    ) -> Callable[..., object]:
        subparser = verbs.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        subparser.set_defaults(run=run)
        return subparser.add_argument

    folder = {"metavar": "FOLDER", "help": "folder of your files (this folder)"}
    add = verb("list", "list the exercises in the order of the course", _list)
    add("folder", nargs="?", **folder)
    add("--dir", **folder)
    add = verb("start", "write the file of an exercise: its statement and the skeleton", _start)
    add("name", metavar="NAME|FILE", help="name of an exercise, 'all', or a new file NAME.py")
    add("--dir", **{**folder, "help": "folder to write the file to (this folder)"})
    add = verb("check", "run your routines and show the first failure", _check)
    add(
        "path",
        nargs="?",
        metavar="FILE|DIR|NAME",
        help="your file NAME.py, a folder of such files (this folder), or the name of an exercise",
    )
    add("--dir", **folder)
    add("--exercise", metavar="NAME", help="exercise that FILE answers, if it has another name")
    add("--exercises", metavar="A,B", help="check these in DIR; a missing file gets 0 points")
    add(
        "--time-limit", type=float, default=60.0, metavar="S", help="limit in seconds (%(default)g)"
    )
    add("--memory-limit", type=float, default=2.0, metavar="GIB", help="limit in GiB (%(default)g)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the random cases (%(default)s)")
    add("--gradescope", metavar="FILE", help="also write the results for Gradescope to FILE")
    add = verb("hint", "show the next hint; each says more than the one before", _hint)
    add("name", metavar="NAME|FILE", help="name of an exercise, or your file NAME.py")
    add("--dir", **folder)
    add("--level", type=int, choices=(1, 2, 3), help="show this hint")
    add = verb("progress", "show your points so far", _progress)
    add("folder", nargs="?", **folder)
    add("--dir", **folder)
    add = verb("bundle", "write the kit for students and the grader for Gradescope", _bundle)
    add("out", metavar="OUT", help="new folder")
    add("--exercises", metavar="A,B", help="only these exercises")
    add("--solutions", action="store_true", help="also write the model solutions")


def _list(args: argparse.Namespace) -> int:
    from ..exercises.course import EXERCISES, exercise_named

    gradebook = _gradebook_of(_folder(args))
    rows = []
    for name in EXERCISES:
        e = exercise_named(name)
        done = "passed" if name in gradebook.entries and gradebook.entries[name].passed else ""
        trains = ", with ".join(["yes", *e.uses]) if e.trains else ""
        rows.append((name, str(e.points.total), ", ".join(e.allows), trains, done, e.title))
    _table(("exercise", "points", "may import", "train --with", "", "title"), rows)
    return 0


def _start(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..errors import UserError, shown
    from ..exercises.course import EXERCISES, exercise_named
    from ..io.atomic import atomic_write_bytes

    if args.name == "all":
        folder, exercises = Path(args.dir or "."), [exercise_named(name) for name in EXERCISES]
    else:
        exercise, folder = _exercise_and_folder(args, "start")
        exercises = [exercise]
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{shown(folder)} is a file, not a folder; name another folder with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    for exercise in exercises:
        path = folder / f"{exercise.name}.py"
        if path.exists():
            if args.name != "all":
                raise UserError(
                    f"{path} already exists; remove or rename it, or choose another --dir"
                )
            say(f"exists, left unchanged: {path}")
            continue
        atomic_write_bytes(path, exercise.skeleton.encode())
        say(f"written: {path}")
    first = folder / f"{exercises[0].name}.py"
    command = f"simplenn exercise check {shell_words([str(first)])}"
    say(f"read the statement at the top of {first}, then: {command}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..errors import DataError, UserError
    from ..exercises.check import check_file
    from ..exercises.gradebook import Gradebook, load_gradebook
    from ..exercises.show import lines
    from ..exercises.waiting import Waiting
    from ..exercises.worker_client import Limits

    limits, path = Limits(args.time_limit, args.memory_limit), _path(args)
    if args.seed < 0:
        raise UserError(f"--seed is {args.seed}; it must be 0 or more")
    folder = path if path.is_dir() else path.parent
    # For grading, a progress file among the submitted files is neither read nor written.
    gradebook = Gradebook(folder) if args.gradescope else load_gradebook(folder)
    files, missing = _files(args, path)
    print("The code runs in a separate process without simplenn_py; this is not a sandbox.")
    reports, unwritten = [], []
    for exercise, file in files:
        try:
            with Waiting(exercise.name, limits.seconds) as waiting:
                report = check_file(
                    exercise, file, gradebook.helpers(exercise), limits, args.seed, waiting.step
                )
        except DataError as error:
            if not (path.is_dir() or args.gradescope):
                raise
            missing.append((exercise, str(error)))  # continue with the other files
            continue
        reports.append(report)
        adjoint = gradebook.tell(report)
        gradebook.record(report, save=not args.gradescope)
        if path.is_dir() and report.failure is not None and report.failure.not_written:
            unwritten.append(exercise.name)
        else:
            hint = _command("hint", exercise.name, folder)
            print("\n" + "\n".join(lines(report, adjoint=adjoint, hint=hint)), flush=True)
    if unwritten:
        print()
        say(f"not written yet: {', '.join(unwritten)}")
    for exercise, why in missing:
        print()
        say(f"{exercise.name}: {why}")
    if len(reports) + len(missing) > 1:
        passed, total = sum(r.passed for r in reports), len(reports) + len(missing)
        points = sum(r.points for r in reports)
        of = sum(e.points.total for e in [*(r.exercise for r in reports), *(e for e, _ in missing)])
        print(f"\n{passed} of {total} exercises are correct: {points} of {of} points")
    if args.gradescope:
        from ..exercises.gradescope import write_results

        write_results(Path(args.gradescope), reports, missing)
        say(f"written: {args.gradescope}")
    return 0 if all(r.passed for r in reports) and not missing else 1


def _path(args: argparse.Namespace) -> Path:
    """Return the file or folder to check: a path, or the name of an exercise, below --dir."""
    from pathlib import Path

    from ..exercises.course import EXERCISES

    folder = Path(args.dir or ".")
    if not folder.is_dir():
        raise _no_folder(folder)
    path = folder / (args.path or "")
    return path.with_suffix(".py") if args.path in EXERCISES and not path.is_dir() else path


def _exercise_and_folder(args: argparse.Namespace, verb: str) -> tuple[Exercise, Path]:
    """Return the exercise, and the folder of its file, for a name or a path NAME.py."""
    from pathlib import Path

    from ..errors import UserError, shown
    from ..exercises.course import EXERCISES, exercise_named
    from ..exercises.near import exercise_of

    path, folder = Path(args.name), Path(args.dir or ".")
    if path.stem not in EXERCISES and (folder / path).is_dir():
        example = folder / path / f"{EXERCISES[0]}.py"
        command = f"simplenn exercise {verb} {shell_words([str(example)])}"
        raise UserError(f"{shown(args.name)} is a folder; name one exercise, such as: {command}")
    if path.name == args.name and path.suffix != ".py":
        return exercise_named(args.name), folder
    if path.stem not in EXERCISES and (meant := exercise_of(path)):
        raise UserError(
            f"{shown(args.name)} is not named after an exercise; rename the file to {meant}.py, "
            f"or use: {_command(verb, meant, folder / path.parent)}"
        )
    return exercise_named(path.stem), folder / path.parent


def _command(verb: str, name: str, folder: Path) -> str:
    where = "" if str(folder) == "." else f" --dir {shell_words([str(folder)])}"
    return f"simplenn exercise {verb} {name}{where}"


def _folder(args: argparse.Namespace) -> Path:
    """Return the folder given by its name alone or by --dir; this folder by default."""
    from pathlib import Path

    from ..errors import UserError

    if args.folder and args.dir:
        raise UserError(f"the folder is {args.folder} and --dir is {args.dir}; give one of them")
    return Path(args.folder or args.dir or ".")


def _files(
    args: argparse.Namespace, path: Path
) -> tuple[list[tuple[Exercise, Path]], list[tuple[Exercise, str]]]:
    """Return the files to check, and required exercises without a file with the reason."""
    from ..errors import UserError
    from ..exercises.near import is_other_kind
    from ..exercises.submissions import in_folder, one_file

    if not path.is_dir():
        if args.exercises and not is_other_kind(path):
            raise UserError(
                f"--exercises is {args.exercises!r}; this option is for a folder, use --exercise "
                "for one file"
            )
        return [one_file(path, args.exercise)], []
    if args.exercise:
        raise UserError(
            f"--exercise is {args.exercise!r}; this option is for one file, use --exercises A,B "
            "for a folder"
        )
    return in_folder(path, _names(args.exercises) if args.exercises else None)


def _names(asked: str | None) -> list[str]:
    """Return the names of the selected exercises in the order of the course; all by default."""
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
    exercise, folder = _exercise_and_folder(args, "hint")
    gradebook = _gradebook_of(folder)
    entry = gradebook.entry(exercise.name)
    level = args.level or min(entry.hints + 1, 3)
    print(f"{exercise.name}, hint {level} of 3:")
    print(_wrapped(exercise.hints[level - 1]))
    if level > entry.hints:
        entry.hints = level
        gradebook.save()
    return 0


def _progress(args: argparse.Namespace) -> int:
    from ..errors import DataError, shown
    from ..exercises.course import EXERCISES, exercise_named

    folder = _folder(args)
    gradebook = _gradebook_of(folder)
    if not gradebook.entries and not any((folder / f"{name}.py").is_file() for name in EXERCISES):
        raise DataError(
            f"{shown(folder)}: this folder holds no exercise file; name the folder that holds "
            "yours, such as 'simplenn exercise progress mine'"
        )
    rows, points, total = [], 0, 0
    for name in EXERCISES:
        e, entry = exercise_named(name), gradebook.entries.get(name)
        total += e.points.total
        if entry is None or not entry.checked:
            state, when, best = "not checked yet", "", 0
        else:
            changed = entry.passed and gradebook.own(name) is None
            state = "not yet correct" if not entry.passed else "passed"
            state += ", changed since then" if changed else ""
            when, best = entry.checked[:16].replace("T", " "), entry.best
        points += best
        hints = f"{entry.hints} of 3" if entry and entry.hints else ""
        rows.append((name, f"{best} of {e.points.total}", state, hints, when))
    _table(("exercise", "best", "last check", "hints", "when (UTC)"), rows)
    say(f"{points} of {total} points")
    return 0


def _bundle(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ..exercises.bundle import write_bundle
    from ..exercises.course import exercise_named

    out, exercises = Path(args.out), [exercise_named(n) for n in _names(args.exercises)]
    for folder in write_bundle(out, exercises, args.solutions):
        say(f"written: {folder}")
    if args.solutions:
        say(f"for instructors only: {out / 'solutions'}; give only {out / 'student'} to students")
    say(f"next: read {out / 'grader' / 'README.txt'} to test, pack and upload the grader")
    return 0


def _gradebook_of(folder: Path) -> Gradebook:
    from ..exercises.gradebook import load_gradebook

    if not folder.is_dir():
        raise _no_folder(folder)
    return load_gradebook(folder)


def _no_folder(folder: Path) -> Exception:
    from ..errors import DataError, shown

    if folder.exists():
        return DataError(f"{shown(folder)}: is not a folder; name the folder of your files")
    return DataError(
        f"{shown(folder)}: there is no such folder; 'simplenn exercise start' creates it"
    )


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 92, initial_indent="  ", subsequent_indent="  ")


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table: formatted by rich on a terminal, else plain columns for scripts."""
    from rich.table import Table

    console = make_console()
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
