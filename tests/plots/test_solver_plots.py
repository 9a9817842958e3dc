"""Figures of the solvers: what they show is what was recorded, however odd the records."""

from __future__ import annotations

import io
import itertools
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from simplenn_py import plots
from simplenn_py import plots as solver_plots
from simplenn_py.errors import DataError
from simplenn_py.training.run_reader import Run


def record(iteration: int, **changed: Any) -> dict[str, Any]:
    """Return what the solver writes after an iteration."""
    usual = {
        "f": 2.0 / iteration, "gradient_norm": 0.3 / iteration**2, "alpha": 1.0, "ratio": 0.9,
        "lambda": (2 / 3) ** iteration, "cg_steps": 2, "actred": -0.9, "prered": -1.0,
        "loss": 1.9 / iteration, "train_accuracy": 1 - 0.5 / iteration, "seconds": 0.5,
        "cg_residuals": [1.0, 0.5, 0.05],
    }  # fmt: skip
    return {"iteration": iteration, **usual, **changed}


def a_run(name: str, solver: str, accuracies: list[float], seconds: float, **report: Any) -> Run:
    step = "iteration" if solver == "newton" else "epoch"
    records = [
        {step: k, "loss": 1.0 / k, "train_accuracy": accuracy, "seconds": seconds}
        for k, accuracy in enumerate(accuracies, 1)
    ]
    status = report.pop("status", "finished")
    return Run(
        Path(name), solver, "digits", "digits", 100, "squared", status, tuple(records), report
    )


def points(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """All that is drawn with a name, or without (keys that start with "_")."""
    return {
        str(line.get_label()): list(zip(line.get_xdata(), line.get_ydata(), strict=True))
        for line in axes.get_lines()
    }


def twin(axes: Axes) -> Axes:
    """The axes of |grad f|, which lie on those of f."""
    (other,) = (a for a in axes.get_shared_x_axes().get_siblings(axes) if a is not axes)
    return other


def drawn(axes: Axes) -> None:
    """Lay the figure out and draw it; a warning, as of a tick or limit that cannot be, fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes.figure.savefig(io.BytesIO(), format="png", dpi=100)


def texts_of(axes: Axes) -> list[Any]:
    """All texts of a panel that are seen, with its legend's and title."""
    low, high = sorted(axes.get_ylim())
    left, right = sorted(axes.get_xlim())
    ticks = [
        label
        for axis, (start, end) in ((axes.xaxis, (left, right)), (axes.yaxis, (low, high)))
        for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
        if start <= place <= end
    ]
    legend = axes.get_legend()
    named = legend.get_texts() if legend else []
    labels = [axes.title, axes.xaxis.label, axes.yaxis.label]
    return [t for t in [*ticks, *named, *labels, *axes.texts] if t.get_text()]


def assert_no_overlap(panels: tuple[Axes, ...]) -> None:
    drawn(panels[0])
    figure = panels[0].figure
    texts = [text for panel in panels for text in texts_of(panel)]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for (first, a), (second, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        assert apart, f"{first!r} lies on {second!r}"
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text


class TestNewton:
    def test_four_panels_show_what_was_recorded(self) -> None:
        records = [record(1), record(2, ratio=0.2, cg_residuals=[1.0, 0.09])]
        panels = solver_plots.plot_newton(records, data="the $ set", xi=0.1)
        objective, residuals, lambda_, ratio = panels
        assert points(objective)["f"] == [(1, 2.0), (2, 1.0)]
        gradient = points(twin(objective))["|grad f|"]
        assert gradient == [(1, 0.3), (2, pytest.approx(0.075))]
        curves = list(points(residuals).values())
        assert curves[:2] == [[(0, 1.0), (1, 0.5), (2, 0.05)], [(0, 1.0), (1, 0.09)]]
        tolerance = points(residuals)["tolerance xi = 0.1"]
        assert [y for _, y in tolerance] == [0.1, 0.1]
        (values,) = points(lambda_).values()
        assert values == [(1, pytest.approx(2 / 3)), (2, pytest.approx(4 / 9))]
        assert points(ratio)["alpha = 1"] == [(1, 0.9), (2, 0.2)]
        levels = {
            line.get_ydata()[0] for line in ratio.get_lines() if line.get_color() == "#555555"
        }
        assert levels == {0.25, 0.75}
        assert objective.figure.get_suptitle() == "Newton's method on the $ set"
        assert_no_overlap(panels)

    def test_thirty_iterations_are_readable(self, rng: np.random.Generator) -> None:
        records = [
            record(k, ratio=float(rng.normal(0.8, 0.5)), alpha=(1.0, 1.0, 0.25, 0.0)[k % 4],
                   cg_residuals=[0.9**i for i in range(5 + k)])
            for k in range(1, 31)
        ]  # fmt: skip
        records[7]["ratio"] = -40.0
        assert_no_overlap(solver_plots.plot_newton(records, data="digits", xi=0.1))

    def test_colours_tell_the_iterations(self) -> None:
        axes = solver_plots.plot_cg_residuals([record(k) for k in (1, 2, 3)])
        colours = [line.get_color() for line in axes.get_lines()]
        assert len(set(colours)) == 3
        light = [sum(colour[:3]) for colour in colours]
        assert light == sorted(light, reverse=True)  # later is darker
        assert axes.get_yscale() == "log"
        drawn(axes)

    def test_one_iteration(self) -> None:
        panels = solver_plots.plot_newton([record(1)], data="digits", xi=0.1)
        assert_no_overlap(panels)
        low, high = panels[3].get_ylim()
        assert low < 0.25 < 0.75 < high  # both thresholds are seen
        objective = panels[0]
        heights = []
        for axes, value in ((objective, 2.0), (twin(objective), 0.3)):
            assert axes.get_lines()[0].get_marker() not in ("", "None")
            low, high = axes.get_ylim()
            heights.append((value - low) / (high - low))
        assert abs(heights[0] - heights[1]) > 0.2  # one point does not hide the other

    def test_scales_are_logarithmic_only_where_they_can_be(self) -> None:
        wide = solver_plots.plot_lambda(
            [record(1, **{"lambda": 1.0}), record(2, **{"lambda": 0.01})]
        )
        zero = solver_plots.plot_lambda(
            [record(1, **{"lambda": 0.0}), record(2, **{"lambda": 0.0})]
        )
        assert (wide.get_yscale(), zero.get_yscale()) == ("log", "linear")
        drawn(wide)
        drawn(zero)

    @pytest.mark.parametrize("residuals", [None, [], [0.0], [math.nan]])
    def test_without_residuals_the_panel_says_so(self, residuals: Any) -> None:
        lacking = record(1)
        del lacking["cg_residuals"]
        records = [lacking, record(2, cg_residuals=residuals)]
        panels = solver_plots.plot_newton(records)
        assert [text.get_text() for text in panels[1].texts] == ["no residuals are recorded"]
        assert_no_overlap(panels)

    def test_an_exact_solution_leaves_a_line_without_its_zero(self) -> None:
        axes = solver_plots.plot_cg_residuals([record(1, cg_residuals=[1.0, 1e-3, 0.0])], xi=0.1)
        assert points(axes)[axes.get_lines()[0].get_label()] == [(0, 1.0), (1, 1e-3)]
        drawn(axes)

    def test_symbols_of_the_steps(self) -> None:
        records = [
            record(1), record(2, alpha=0.5, ratio=0.1), record(3, alpha=0.0, ratio=0.0),
            record(4, ratio=-9.0), record(5, ratio=math.inf), record(6, ratio=math.nan),
            record(7, ratio=None), record(8, alpha=None),
        ]  # fmt: skip
        axes = solver_plots.plot_ratio(records)
        seen = points(axes)
        assert seen["alpha = 1"] == [(1, 0.9)]
        assert seen["alpha < 1"] == [(2, 0.1)]
        assert seen["alpha = 0, no step"] == [(3, 0.0)]
        assert seen["beyond the edge"] == [(4, -0.5)]
        assert seen["_beyond the edge"] == [(5, 2.0)]
        assert seen["step"] == [(8, 0.9)]
        markers = {line.get_label(): line.get_marker() for line in axes.get_lines()}
        assert (markers["beyond the edge"], markers["_beyond the edge"]) == ("v", "^")
        low, high = axes.get_ylim()
        assert low < -0.5 < 2.0 < high < 2.5
        drawn(axes)

    def test_nothing_finite_is_still_a_figure(self) -> None:
        records = [{"iteration": 1, "f": math.nan, "lambda": None}, {"iteration": 2}]
        assert_no_overlap(solver_plots.plot_newton(records))

    def test_given_axes_are_drawn_into(self) -> None:
        mine = solver_plots.plot_newton([record(1)])
        again = solver_plots.plot_newton([record(2)], axes=mine)
        assert all(a is b for a, b in zip(mine, again, strict=True))

    def test_no_record(self) -> None:
        with pytest.raises(DataError, match="train for at least one iteration"):
            solver_plots.plot_newton([])


class TestComparison:
    def test_lines_are_the_records_over_time_and_steps(self) -> None:
        sgd = a_run("a", "sgd", [0.5, 0.6, 0.7], seconds=0.5, test_accuracy=0.65)
        newton = a_run("b", "newton", [0.4, 0.8], seconds=1.0)
        for accuracy, entry in zip((0.3, 0.5), newton.records, strict=True):
            entry["validation_accuracy"] = accuracy
        panels = solver_plots.plot_comparison([sgd, newton])
        loss_time, loss_steps, accuracy_time, accuracy_steps = (
            list(points(panel).values()) for panel in panels
        )
        third = pytest.approx(1 / 3)
        assert loss_time == [[(0.5, 1.0), (1.0, 0.5), (1.5, third)], [(1.0, 1.0), (2.0, 0.5)]]
        assert loss_steps == [[(1, 1.0), (2, 0.5), (3, third)], [(1, 1.0), (2, 0.5)]]
        assert accuracy_time[0] == [(0.5, 50), (1.0, 60), (1.5, 70)]
        assert accuracy_steps[1] == [(1, 30), (2, 50)]
        (legend,) = panels[0].figure.legends
        assert [text.get_text() for text in legend.get_texts()] == [
            "a: sgd, accuracy on training images, test 65.00 %",
            "b: newton, accuracy on validation images",
        ]
        assert panels[1].get_xlabel() == "epoch or iteration"
        assert panels[1].get_title() == "Training loss over epochs or iterations"
        assert "(s)" in panels[0].get_xlabel()
        assert "%" in panels[2].get_ylabel()
        assert_no_overlap(panels)

    def test_runs_of_very_different_lengths_share_a_logarithmic_axis(self) -> None:
        short = a_run("short", "sgd", [0.5] * 2, seconds=0.1)
        long = a_run("long", "newton", [0.5] * 40, seconds=2.0)
        alike = a_run("alike", "adam", [0.5] * 3, seconds=0.1)
        scales = [panel.get_xscale() for panel in solver_plots.plot_comparison([short, long])]
        assert scales == ["log"] * 4
        panels = solver_plots.plot_comparison([short, alike])
        assert [panel.get_xscale() for panel in panels] == ["linear"] * 4
        drawn(panels[0])

    def test_accuracies_near_100_have_room(self) -> None:
        run = a_run("a", "sgd", [0.5, 0.98, 0.999, 1.0], seconds=0.1)
        panels = solver_plots.plot_comparison([run])
        axes = panels[3]
        drawn(axes)
        heights = [axes.transData.transform((1, 100 * a))[1] for a in (0.5, 0.98, 0.999, 1.0)]
        bottom, top = axes.bbox.y0, axes.bbox.y1
        assert bottom < heights[0]
        assert heights[3] < top
        assert min(np.diff(heights)) > 0.05 * (top - bottom)
        assert "log scale" in axes.get_ylabel()
        assert "100" in [text.get_text() for text in axes.get_yticklabels()]
        assert_no_overlap(panels)

    @pytest.mark.parametrize("accuracies", [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.99, 1.0], [0.7]])
    def test_any_accuracy(self, accuracies: list[float]) -> None:
        panels = solver_plots.plot_comparison([a_run("a", "sgd", accuracies, seconds=0.0)])
        low, high = panels[2].get_ylim()
        assert all(low <= 100 * accuracy <= high for accuracy in accuracies)
        assert_no_overlap(panels)

    def test_many_runs_differ_in_colour_or_dashes(self) -> None:
        runs = [a_run(f"run-{k}", "sgd", [0.5, 0.6 + k / 100], seconds=0.1) for k in range(16)]
        panels = solver_plots.plot_comparison(runs)
        looks = {(line.get_color(), line.get_linestyle()) for line in panels[0].get_lines()}
        assert len(looks) == 16
        assert_no_overlap(panels)

    def test_odd_names_and_a_run_that_goes_on(self) -> None:
        runs = [a_run(name, "adam", [0.5], seconds=1.0, status="running") for name in "abcd"]
        names = ["_hidden", "$\\frac$", "a\x1b[31m", "x" * 80]
        panels = solver_plots.plot_comparison(runs, names=names)
        (legend,) = panels[0].figure.legends
        shown = [text.get_text() for text in legend.get_texts()]
        starts = [" _hidden: ", "$\\frac$: ", "a\\x1b[31m: ", f"{18 * 'x'} ... {17 * 'x'}: "]
        assert [text.startswith(start) for text, start in zip(shown, starts, strict=True)] == [
            True
        ] * 4
        assert all("adam (running)" in text for text in shown)
        assert_no_overlap(panels)

    def test_given_axes_are_drawn_into_with_a_legend_of_their_own(self) -> None:
        run = a_run("a", "sgd", [0.5, 0.6], seconds=0.1)
        mine = plots.new_axes(4, (11, 8), rows=2)
        again = solver_plots.plot_comparison([run], axes=mine)
        assert all(a is b for a, b in zip(mine, again, strict=True))
        assert mine[0].get_legend() is not None
        drawn(mine[0])

    def test_mistakes(self) -> None:
        with pytest.raises(DataError, match="no run to compare"):
            solver_plots.plot_comparison([])
        run = a_run("a", "sgd", [0.5], seconds=0.1)
        with pytest.raises(DataError, match="1 runs have 2 names"):
            solver_plots.plot_comparison([run], names=["a", "b"])
