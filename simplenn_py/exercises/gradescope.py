"""The results of a check in the format that Gradescope reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..io.atomic import atomic_write_bytes
from .form import Exercise
from .report import Report
from .show import lines

#: An exercise without a file to run, and why.
Missing = tuple[Exercise, str]


def results(reports: Sequence[Report], missing: Sequence[Missing] = ()) -> dict[str, Any]:
    """Return what Gradescope expects in ``results.json``: one test a part of an exercise.

    Parameters
    ----------
    reports : sequence of Report
    missing : sequence of (Exercise, str)
        Exercises of the assignment without a file to run, and what there is instead: no points.
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
                    "output": text if part is report.failed else part.says,
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


def write_results(path: Path, reports: Sequence[Report], missing: Sequence[Missing] = ()) -> None:
    """Write ``results.json``, atomically."""
    text = json.dumps(results(reports, missing), indent=2) + "\n"
    atomic_write_bytes(path, text.encode())
