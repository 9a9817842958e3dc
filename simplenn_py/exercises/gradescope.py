"""The results of a check in the format that Gradescope reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..io.atomic import atomic_write_bytes
from .check import Report
from .form import Exercise
from .show import lines


def results(reports: Sequence[Report], missing: Sequence[Exercise] = ()) -> dict[str, Any]:
    """Return what Gradescope expects in ``results.json``: one test a part of an exercise.

    Parameters
    ----------
    reports : sequence of Report
    missing : sequence of Exercise
        Exercises of the assignment for which no file was handed in: no points.
    """
    tests = []
    for report in reports:
        text = "\n".join(lines(report))
        for k, part in enumerate(report.parts):
            right = part.points > 0
            tests.append(
                {
                    "name": f"{report.exercise.name}: {part.name}",
                    "score": part.points,
                    "max_score": part.of,
                    "status": "passed" if right else "failed",
                    "output": text if k == 0 else part.says,
                    "output_format": "text",
                }
            )
    tests += [
        {
            "name": exercise.name,
            "score": 0,
            "max_score": exercise.points.total,
            "status": "failed",
            "output": f"{exercise.name}.py was not handed in",
            "output_format": "text",
        }
        for exercise in missing
    ]
    return {
        "score": sum(t["score"] for t in tests),
        "execution_time": round(sum(r.seconds for r in reports), 3),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def write_results(path: Path, reports: Sequence[Report], missing: Sequence[Exercise] = ()) -> None:
    """Write ``results.json``, atomically."""
    text = json.dumps(results(reports, missing), indent=2) + "\n"
    atomic_write_bytes(path, text.encode())
