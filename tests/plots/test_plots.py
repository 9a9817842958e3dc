"""Figures: what they show is what was given, and nothing global is touched."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from simplenn_py import plots
from simplenn_py.errors import DataError
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig


def record(epoch: int, loss: float, accuracy: float, **more: float | None) -> dict[str, object]:
    return {"epoch": epoch, "loss": loss, "train_accuracy": accuracy, **more}


def lines(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in axes.get_lines()}


def conv_model(W: np.ndarray, h: int, d: int) -> Model:
    """Return a network of one convolutional layer with the given filters."""
    config = NetConfig.build((8, 8, d), [Conv(len(W), h, pool=2)], [2])
    model = Model(config, np.zeros(config.n_parameters), np.arange(2))
    model.W[0][...] = W
    return model


def tiles(axes: Axes) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in axes.get_images()]


def drawn(axes: Axes) -> None:
    """Lay the figure out and draw it: faults in labels and ticks show only here."""
    axes.figure.savefig(io.BytesIO(), format="png", dpi=40)


def test_importing_the_module_imports_no_matplotlib() -> None:
    code = "import sys, simplenn_py.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from simplenn_py import plots\n"
        "plots.plot_confusion(__import__('numpy').eye(2), ['a', 'b'])\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


class TestCurves:
    def test_values_and_labels(self) -> None:
        history = [
            record(1, 2.0, 0.5, validation_loss=2.5, validation_accuracy=0.25),
            record(2, 1.0, 0.75, validation_loss=1.5, validation_accuracy=0.5),
        ]
        loss, accuracy = plots.plot_curves(history, data="digits", test_accuracy=0.625)
        assert lines(loss) == {"training": [2.0, 1.0], "validation": [2.5, 1.5]}
        assert lines(accuracy) == {
            "training": [50, 75],
            "validation": [25, 50],
            "test, after training: 62.50 %": [62.5, 62.5],
        }
        assert (loss.get_yscale(), accuracy.get_yscale()) == ("linear", "linear")
        assert loss.get_title() == "Mean loss on digits"
        assert loss.get_xlabel() == accuracy.get_xlabel() == "epoch"
        assert "%" in accuracy.get_ylabel()
        drawn(loss)

    @pytest.mark.parametrize(("last", "scale"), [(0.21, "linear"), (0.19, "log"), (0.0, "linear")])
    def test_loss_is_logarithmic_beyond_a_decade(self, last: float, scale: str) -> None:
        loss, _ = plots.plot_curves([record(1, 2.0, 0.1), record(2, last, 0.9)])
        assert loss.get_yscale() == scale
        drawn(loss)

    def test_ticks_of_the_logarithm_are_plain_numbers(self) -> None:
        loss, _ = plots.plot_curves([record(1, 2.0, 0.1), record(2, 0.02, 0.9)])
        drawn(loss)
        shown = {text.get_text() for text in loss.get_yticklabels()}
        assert {"0.05", "0.1", "1"} <= shown

    def test_one_epoch_is_a_visible_point(self) -> None:
        loss, accuracy = plots.plot_curves([record(1, 2.0, 0.1)])
        drawn(loss)
        for axes in (loss, accuracy):
            assert axes.get_lines()[0].get_marker() == "o"
            low, high = axes.get_xlim()
            inside = [tick for tick in axes.get_xticks() if low <= tick <= high]
            assert inside == [1]

    def test_absent_and_infinite_values_are_left_out(self) -> None:
        history = [
            record(1, float("inf"), 0.1, validation_loss=None, validation_accuracy=None),
            record(2, 1.0, 0.2, validation_loss=None, validation_accuracy=None),
        ]
        loss, accuracy = plots.plot_curves(history)
        assert lines(loss) == {"training": [1.0]}
        assert list(loss.get_lines()[0].get_xdata()) == [2]
        assert lines(accuracy) == {"training": [10, 20]}

    def test_given_axes_are_drawn_into(self) -> None:
        mine = plots.plot_curves([record(1, 2.0, 0.1)])
        again = plots.plot_curves([record(1, 3.0, 0.2)], axes=mine)
        assert again[0] is mine[0]
        assert len(mine[0].get_lines()) == 2

    def test_no_record(self) -> None:
        with pytest.raises(DataError, match="the history has no record"):
            plots.plot_curves([])


class TestConfusion:
    def test_counts(self) -> None:
        y = np.array(["cat", "dog", "dog", "cow", "fox"])
        predicted = np.array(["cat", "cat", "dog", "dog", "dog"])
        counts = plots.confusion_counts(y, predicted, np.array(["dog", "cat", "cow"]))
        assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]  # the fox is left out

    def test_numbers_labels_and_colours(self) -> None:
        counts = np.array([[90, 10, 0], [0, 50, 0], [1, 1, 2]])
        axes = plots.plot_confusion(counts, ["cat", "dog", "cow"], part="pets (test)")
        drawn(axes)
        texts = {t.get_position(): t.get_text() for t in axes.texts}
        # Position is (x, y) = (predicted, true).
        assert texts == {
            (0, 0): "90", (1, 0): "10", (1, 1): "50", (0, 2): "1", (1, 2): "1", (2, 2): "2",
        }  # fmt: skip
        assert [t.get_text() for t in axes.get_xticklabels()] == ["cat", "dog", "cow"]
        assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "dog", "cow"]
        assert axes.get_ylabel() == "true class"
        assert axes.get_title() == "Confusion matrix, pets (test)\n142 of 154 correct (92.21 %)"
        right, wrong = axes.get_images()
        np.testing.assert_allclose(right.get_array().compressed(), [90, 100, 50])
        np.testing.assert_allclose(wrong.get_array().compressed(), [10, 25, 25])
        # The diagonal does not set the scale of the mistakes.
        assert wrong.get_clim() == (0, 25)

    def test_long_labels_are_turned_and_cut(self) -> None:
        names = ["aeroplane", "a class whose name goes on and on"]
        axes = plots.plot_confusion(np.eye(2, dtype=int), names)
        drawn(axes)
        assert axes.get_xticklabels()[0].get_rotation() == 45
        assert axes.get_xticklabels()[1].get_text() == "a class wh ... on and on"

    def test_dollar_signs_in_a_label_are_no_formula(self) -> None:
        names = ["$\\frac$", "$5"]
        axes = plots.plot_confusion(np.eye(2, dtype=int), names, part="$_$")
        drawn(axes)
        assert [t.get_text() for t in axes.get_xticklabels()] == names

    def test_many_classes_have_no_numbers_and_no_overlapping_labels(self) -> None:
        counts = np.eye(100, dtype=int)
        axes = plots.plot_confusion(counts, [f"class {k}" for k in range(100)])
        drawn(axes)
        assert not axes.texts
        boxes = [text.get_window_extent() for text in axes.get_yticklabels()]
        assert len(boxes) == 100
        assert all(b.y1 <= a.y0 + 0.5 for a, b in itertools.pairwise(boxes))

    def test_empty_class_and_no_mistake(self) -> None:
        axes = plots.plot_confusion(np.array([[3, 0], [0, 0]]), [0, 1])
        drawn(axes)
        assert [t.get_text() for t in axes.texts] == ["3"]

    def test_shape_is_checked(self) -> None:
        with pytest.raises(DataError, match=r"shape \(2, 3\); it must be \(3, 3\) for 3 classes"):
            plots.plot_confusion(np.zeros((2, 3)), [0, 1, 2])


class TestFilters:
    def test_offset_u_runs_down_and_w_to_the_right(self) -> None:
        h, d = 3, 2
        W = np.zeros((2, h * h * d))
        W[0, 2 + h * 0 + h * h * 0] = 1  # u = 2, w = 0, channel 0: bottom left
        W[1, 0 + h * 1 + h * h * 1] = -1  # u = 0, w = 1, channel 1: top middle
        model = conv_model(W, h, d)
        first, second = plots.first_filters(model)
        assert np.argwhere(first).tolist() == [[2, 0, 0]]
        assert np.argwhere(second).tolist() == [[0, 1, 1]]
        axes = plots.plot_filters(model, channel=0)
        shown = tiles(axes)[0]
        assert np.argwhere(shown != 0.5).tolist() == [[2, 0]]
        left, right, bottom, top = axes.get_images()[0].get_extent()
        assert left < right
        assert top < bottom
        low, high = axes.get_ylim()
        assert low > high, "y grows downwards, so row 0 is at the top"

    def test_one_scale_for_all_filters(self) -> None:
        W = np.array([[1.0] + [0.0] * 8, [-0.5] + [0.0] * 8])
        shown = tiles(plots.plot_filters(conv_model(W, 3, 1)))
        assert shown[0][0, 0] == 1.0
        assert shown[1][0, 0] == 0.25
        assert shown[0][1, 1] == 0.5

    def test_three_channels_are_red_green_blue(self) -> None:
        W = np.zeros((1, 3))
        W[0] = [0.5, 0.0, -1.0]  # h = 1: the columns are the channels
        axes = plots.plot_filters(conv_model(W, 1, 3))
        np.testing.assert_allclose(tiles(axes)[0], [[[0.75, 0.5, 0.0]]])
        assert "red, green, blue" in axes.get_title()

    def test_other_channels_are_averaged_and_the_title_says_so(self) -> None:
        W = np.array([[1.0, 0.0], [-1.0, -1.0]])
        axes = plots.plot_filters(conv_model(W, 1, 2), data="pairs")
        assert [tile.item() for tile in tiles(axes)] == [0.75, 0.0]
        assert "mean of 2 channels, trained on pairs" in axes.get_title()
        drawn(axes)

    def test_without_convolution_rows_of_W_are_images(self) -> None:
        a, b, d = 2, 3, 1
        config = NetConfig.build((a, b, d), full=[2])
        model = Model(config, np.zeros(config.n_parameters), np.arange(2))
        model.W[0][0] = [0, 1, 2, 3, 4, 5]  # pixel (i, j) is column i + a*j
        axes = plots.plot_filters(model)
        np.testing.assert_allclose(tiles(axes)[0] * 10 - 5, [[0, 2, 4], [1, 3, 5]])
        assert axes.get_title().startswith("2 rows of W of layer 1, 2x3x1")

    def test_unknown_channel(self) -> None:
        with pytest.raises(DataError, match="channel is 2; it must be 0 to 1"):
            plots.plot_filters(conv_model(np.ones((1, 2)), 1, 2), channel=2)

    @pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (7, 4), (8, 4), (32, 8)])
    def test_tiles_do_not_overlap_and_fill_their_rows(self, count: int, columns: int) -> None:
        axes = plots.plot_filters(conv_model(np.ones((count, 9)), 3, 1))
        corners = {tuple(image.get_extent())[::3] for image in axes.get_images()}  # left, top
        assert len(corners) == count
        assert len({left for left, _ in corners}) == columns
        drawn(axes)


class TestSave:
    def test_writes_a_png_and_equal_figures_are_equal_bytes(self, tmp_path: Path) -> None:
        for name in ("one.png", "two.png"):
            plots.save(plots.plot_curves([record(1, 2.0, 0.5)]), tmp_path / name, dpi=50)
        with Image.open(tmp_path / "one.png") as picture:
            assert picture.format == "PNG"
            assert picture.size == (480, 200)
        assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["one.png", "two.png"]

    def test_other_formats_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"the name of a PNG figure must end in \.png"):
            plots.save(plots.plot_confusion(np.eye(2), [0, 1]), tmp_path / "figure.pdf")


def test_a_backend_that_matplotlib_does_not_know_is_left_out():
    code = (
        "import os, simplenn_py.plots, matplotlib\n"
        "print(os.environ.get('MPLBACKEND'), matplotlib.rcParams['figure.dpi'] > 0)"
    )
    for name, left in (("nonsense", "None"), ("svg", "svg")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, env=os.environ | {"MPLBACKEND": name},
        )  # fmt: skip
        assert done.stdout.split() == [left, "True"], done.stderr
