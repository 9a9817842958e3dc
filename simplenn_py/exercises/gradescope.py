"""Write the results of a check in the format that Gradescope reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..io.atomic import atomic_write_bytes
from .exercise import Exercise
from .report import CheckReport
from .show import lines

#: An exercise without a file to run, and the reason.
Missing = tuple[Exercise, str]


def results(reports: Sequence[CheckReport], missing: Sequence[Missing] = ()) -> dict[str, Any]:
    """Return the content of Gradescope's ``results.json``: one test per part of an exercise.

    Parameters
    ----------
    reports : sequence of CheckReport
    missing : sequence of (Exercise, str)
        Exercises of the assignment without a file to run, and the reason; they get no points.
    """
    tests = []
    for report in reports:
        text = "\n".join(lines(report, short=False))
        for part in report.parts:
            right = part.points > 0
            tests.append(
                {
                    "name": f"{report.exercise.name}: {part.name}",
                    "score": part.points,
                    "max_score": part.of,
                    "status": "passed" if right else "failed",
                    "output": text if part is report.failed else part.message,
                    "output_format": "text",
                }
            )
    tests += [
        {
            "name": exercise.name,
            "score": 0,
            "max_score": exercise.points.total,
            "status": "failed",
            "output": why,
            "output_format": "text",
        }
        for exercise, why in missing
    ]
    return {
        "score": sum(t["score"] for t in tests),
        "execution_time": round(sum(r.seconds for r in reports), 3),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def write_results(
    path: Path, reports: Sequence[CheckReport], missing: Sequence[Missing] = ()
) -> None:
    """Write ``results.json`` atomically; the parameters are those of :func:`results`."""
    text = json.dumps(results(reports, missing), indent=2) + "\n"
    atomic_write_bytes(path, text.encode())
