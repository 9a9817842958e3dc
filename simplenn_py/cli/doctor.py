"""``simplenn doctor``: check whether this machine has all that the package needs to be fast."""

from __future__ import annotations

import argparse

from ..runtime.console import make_console

_DESCRIPTION = """\
Check everything that the package depends on: Python, NumPy, Numba, the processor's vector width,
threads, BLAS and the kernels that it chose, memory, the cache of compiled code, data folders,
and environment variables that make any of these slow.

A line that starts with "warning" is followed by a remedy.  The exit status is 0 without
warnings, else 1."""

_EPILOG = """\
examples:
  simplenn doctor                print the findings
  simplenn doctor --json         the same as JSON, to send with a question
  simplenn doctor --clean-cache  first delete compiled code that is damaged or of older versions"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``doctor`` to the parser of the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="check this machine: versions, vectors, threads, BLAS, caches",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--clean-cache",
        action="store_true",
        help="first delete damaged files, and the compiled code of all versions but the current "
        "one",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; return the exit status, 0 if nothing is wrong, else 1."""
    import sys

    from ..errors import UserError
    from ..machine.doctor import clean_caches, clean_damage, examine
    from ..runtime.units import human_bytes

    if args.clean_cache:
        try:
            (folders, size), damaged = clean_caches(), clean_damage()
        except UserError:
            folders = size = damaged = 0  # the findings name the variable that is wrong
        deleted = f"{folders} old cache folder{'s' * (folders != 1)}, {human_bytes(size)}"
        if damaged:
            deleted += f", {damaged} damaged file{'s' * (damaged != 1)}"
        print(f"deleted: {deleted}", file=sys.stderr)
    findings = examine()
    well = all(finding.ok for finding in findings)
    if args.json:
        import json
        from dataclasses import asdict

        lines = [{**asdict(finding), "ok": finding.ok} for finding in findings]
        print(json.dumps({"ok": well, "findings": lines}, indent=2))
        return 0 if well else 1

    console = make_console(soft_wrap=True)
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        state = "ok" if finding.ok else "warning"
        style = None if finding.ok else "yellow"
        console.print(f"{state:8} {finding.topic:{width}}  {finding.value}", style=style)
        if not finding.ok:
            console.print(f"{'':8} {'':{width}}  -> {finding.remedy}", style="bold yellow")
    return 0 if well else 1
