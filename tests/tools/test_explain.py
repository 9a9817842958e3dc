"""The numbers of a page against the engine and differences; the page itself in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simplenn_py.cnn.operators.loss import get_loss
from simplenn_py.cnn.problem import Problem
from simplenn_py.datasets import Dataset, Images, load_dataset
from simplenn_py.engines import make_engine
from simplenn_py.errors import DataError, OptionError
from simplenn_py.model.model import Model
from simplenn_py.network import Conv, NetConfig
from simplenn_py.network.normalisation import Normalisation
from simplenn_py.tools.explain import numbers as explain
from simplenn_py.tools.explain import picture as explain_picture

# Stride 2, a ragged pooling, no padding and some; two hidden layers.
ODD = NetConfig.build((9, 8, 2), [Conv(5, 3, pad=1, pool=2), Conv(6, 2, stride=2)], [7, 4])
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def network(
    config: NetConfig = ODD, loss: str = "squared"
) -> tuple[Model, explain_picture.Picture]:
    rng = np.random.default_rng(3)
    model = Model.initialise(config, np.arange(config.nL), rng, np.float64, loss=loss)
    model.theta += 0.05 * rng.standard_normal(model.theta.size)  # biases that are not 0
    a, b, d = config.image_shape
    return model, explain_picture.Picture(
        rng.standard_normal((d, a * b)).copy(order="F"), 2, "noise"
    )


def matrix(part: dict) -> np.ndarray:
    return np.array(part["vec"]).reshape((part["rows"], part["columns"]), order="F")


def html(**changes: object) -> str:
    model, picture = network()
    return explain.page(explain.page_data(model, picture, [1, 2], "odd", ["a note"]) | changes)


# -- the numbers


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_forwards_and_back_are_those_of_the_engine(loss: str) -> None:
    from simplenn_py.cnn.gradient import lossgrad_subset

    model, picture = network(loss=loss)
    layers, z = explain.network_numbers(model, picture)
    engine = make_engine("lecture", ODD, 1, np.float64)
    no_offset = np.zeros(picture.Z.size)
    problem = Problem(picture.Z, np.array([2]), get_loss(loss), np.inf, 1.0, no_offset)
    gradient = np.empty_like(model.theta)
    lossgrad_subset(engine, model, problem, np.array([0]), gradient)
    np.testing.assert_allclose(z, engine.Z(ODD.L)[:, 0], rtol=1e-12)
    dW, dbias = model.split(gradient)
    for m, layer in enumerate(layers):
        np.testing.assert_allclose(layer["dW"], dW[m], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(layer["dbias"], dbias[m], rtol=1e-10, atol=1e-14)


def test_the_derivative_by_the_image_is_that_of_differences() -> None:
    model, picture = network()
    v = np.random.default_rng(0).standard_normal(picture.Z.shape)

    def xi(t: float) -> float:
        moved = explain_picture.Picture((picture.Z + t * v).copy(order="F"), 2, "")
        z = explain.network_numbers(model, moved)[1]
        return get_loss("squared").value(z[:, np.newaxis], np.array([2]))

    dZ = explain.network_numbers(model, picture)[0][0]["dZ"]
    assert np.sum(dZ * v) == pytest.approx((xi(1e-6) - xi(-1e-6)) / 2e-6, rel=1e-6)


def test_what_is_cut_is_kept_as_one_term() -> None:
    model, picture = network()
    layers = explain.network_numbers(model, picture)[0]
    shown = explain.page_data(model, picture, [2], "")["layers"][0]
    g = ODD.conv_layers[1]
    assert shown["shown"] == {"d": 5, "d_next": 4}  # 27 rows of phi hold all 5 channels
    wide = NetConfig.preset("digits", 8, 8, 1)
    model, picture = network(wide)
    layers = explain.network_numbers(model, picture)[0]
    shown, g = explain.page_data(model, picture, [2], "")["layers"][0], wide.conv_layers[1]
    assert shown["shown"] == {"d": 3, "d_next": 4}
    W, phiZ, dS = (matrix(shown[name]) for name in ("W", "phiZ", "dS"))
    np.testing.assert_array_equal(phiZ, layers[1]["phiZ"][:27])
    product = W @ phiZ + matrix(shown["product_rest"])
    np.testing.assert_allclose(product, layers[1]["product"][:4], rtol=1e-10, atol=1e-14)
    WtV = W.T @ dS + matrix(shown["WtV_rest"])
    np.testing.assert_allclose(WtV, layers[1]["WtV"][:27], rtol=1e-10, atol=1e-14)
    sigma, Z_next = matrix(shown["sigma"]), matrix(shown["Z_next"])
    places = matrix(shown["idx_pool"])
    assert places.shape == (4, g.a_next * g.b_next)
    for f in range(4):
        np.testing.assert_array_equal(sigma[f, places[f]], Z_next[f])


def test_factored_layers_are_multiplied_out() -> None:
    model, picture = network(replace(ODD, rank=(3, 0, 2, 0)))
    z = explain.network_numbers(model, picture)[1]
    whole = model.decision_values(picture.Z, layout="storage")[:, 0]
    np.testing.assert_allclose(z, whole, rtol=1e-10)
    data = explain.page_data(model, picture, [1], "thin")
    assert data["notes"] == ["Factored layers are shown multiplied out, W = U V."]
    np.testing.assert_allclose(matrix(data["layers"][0]["W"]), (model.W[1] @ model.W[0])[:4])


def test_numbers_that_are_not_finite_are_refused() -> None:
    model, picture = network()
    model.theta[0] = np.inf
    with (
        np.errstate(all="ignore"),
        pytest.raises(DataError, match="not finite; explain another model"),
    ):
        explain.network_numbers(model, picture)


# -- what is shown


def test_smaller_image() -> None:
    assert explain.smaller(NetConfig.preset("layer4")).image_shape == (8, 8, 1)
    assert explain.smaller(NetConfig.preset("layer4"), 2).image_shape == (12, 12, 1)
    assert explain.smaller(NetConfig.preset("vgg11", 32, 32, 3)).image_shape == (32, 32, 3)
    tiny = NetConfig.preset("digits", 8, 8, 1)
    assert explain.smaller(tiny, 2) is tiny


def test_smaller_image_takes_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    config = NetConfig.build((2000000, 900000, 1), [Conv(2, 1, stride=100000), Conv(2, 1)], [3])
    tries = []

    def counted(*args: object, **changes: object) -> NetConfig:
        tries.append(changes)
        return replace(*args, **changes)

    monkeypatch.setattr(explain, "replace", counted)
    assert explain.smaller(config, 2).image_shape == (500_001, 500_001, 1)
    assert explain.smaller(replace(config, wd_input=500_000), 2).image_shape[0] == 2_000_000
    assert len(tries) < 100


def test_layers() -> None:
    assert explain.choose_layers(ODD, None) == [1, 2]
    assert explain.choose_layers(ODD, 2) == [2]
    for layer in (0, 3):
        with pytest.raises(OptionError, match=f"--layer is {layer}; .* 1 to 2"):
            explain.choose_layers(ODD, layer)
    linear = NetConfig.build((8, 8, 1), full=[10])
    with pytest.raises(OptionError, match="no convolutional layer"):
        explain.choose_layers(linear, None)


def test_image_of_the_models_own_size_gets_its_normalisation() -> None:
    data = load_dataset("digits")
    config = NetConfig.preset("digits", 8, 8, 1)
    mean = np.linspace(0, 1, 64)
    model, _ = network(config)
    model.normalisation = Normalisation(2.0, 0.5, mean)
    picture = explain_picture.choose_picture(data, 3, model)
    raw = data.test.Z[:, 3 * 64 : 4 * 64].astype(float)
    np.testing.assert_allclose(picture.Z[0], (raw[0] - 2) * 0.5 - mean)
    assert picture.target == data.test.y[3]
    assert picture.about == f"image 3 of the test set of digits, label {data.test.y[3]}"
    with pytest.raises(OptionError, match=r"--image is 9999; the test set .* 0 to \d+"):
        explain_picture.choose_picture(data, 9999, model)
    with pytest.raises(OptionError, match="--image is -1"):
        explain_picture.choose_picture(data, -1, model)


def test_image_of_another_size_is_resized_and_scaled_by_its_own_range() -> None:
    pixels = np.array([[0, 10, 20, 30, 40, 50]], np.uint8)  # a = 2, b = 3: columns 0 10, 20 30, ...
    data = Dataset("six", Images(pixels, np.array([1]), 2, 3), None, "")
    config = NetConfig.build((4, 3, 2), full=[3])
    mean = np.arange(24) / 100
    model = Model(config, np.zeros(config.n_parameters), np.arange(3), Normalisation(7, 9, mean))
    picture = explain_picture.choose_picture(data, 0, model)
    rows = np.array([0, 0, 10, 10, 20, 20, 30, 30, 40, 40, 50, 50]) / 50
    np.testing.assert_allclose(picture.Z, np.stack([rows, rows]) - mean.reshape((2, 12), order="F"))
    assert "training set of six, label 1, resized from 2x3x1 to 4x3x2" in picture.about
    np.testing.assert_allclose(picture.raw[..., 0], np.array([[0, 20, 40], [10, 30, 50]]) / 50)


@pytest.mark.parametrize("shape", [(4, 2, 3), (2, 7, 1), (5, 5, 2)])
def test_normalisation_of_resized_images_is_that_of_all_of_them(
    shape: tuple[int, int, int], rng: np.random.Generator
) -> None:
    pixels = rng.integers(0, 200, (2, 3 * 4 * 5)).astype(np.uint8)
    data = Dataset("five", Images(pixels, np.zeros(5, int), 3, 4), None, "")
    found = explain_picture._normalisation(data, (3, 4, 2), shape)
    whole = explain_picture._resized(pixels, (3, 4, 2), shape)
    expected = Normalisation.of(whole, np.arange(5), int(np.prod(shape)))
    assert (found.shift, found.scale) == (expected.shift, expected.scale)
    np.testing.assert_allclose(found.mean, expected.mean)


def test_raw_image_is_within_its_range() -> None:
    model, _ = network(NetConfig.preset("digits", 8, 8, 1))
    data = load_dataset("digits")
    picture = explain_picture.choose_picture(data, 0, model)
    raw = data.test.Z[0, :64].reshape((8, 8), order="F") / 16
    np.testing.assert_allclose(picture.raw, raw[..., np.newaxis])
    model.normalisation = Normalisation(8.0, 1 / 4, np.zeros(64))  # a smaller range
    assert explain_picture.choose_picture(data, 0, model).raw.max() == 1


def test_thumbnail_is_grey_or_coloured_and_small() -> None:
    grey = explain_picture.thumbnail(np.array([[[0.0], [1.0]], [[0.5], [1.0]]]))
    assert 'viewBox="0 0 2 2" width="80" height="80"' in grey
    drawn = dict(re.findall(r'<path fill="(#\w+)" d="([^"]*)"', grey))
    assert drawn == {
        "#000000": "M0 0h1v1h-1z",
        "#ffffff": "M1 0h1v1h-1zM1 1h1v1h-1z",
        "#808080": "M0 1h1v1h-1z",
    }
    assert 'fill="#ff0080"' in explain_picture.thumbnail(np.array([[[1.0, 0.0, 0.5, 0.9]]]))
    assert 'viewBox="0 0 50 57"' in explain_picture.thumbnail(np.zeros((227, 200, 3)))


def test_thumbnail_stands_in_the_head_once() -> None:
    text = html(thumbnail="<svg>here</svg>")
    assert text.index("<header>") < text.index("<svg>here</svg>") < text.index("<h1>")
    assert text.count("here</svg>") == 1
    assert "thumbnail" not in text


def test_label_that_the_network_does_not_know() -> None:
    model, _ = network(NetConfig.preset("digits", 8, 8, 1, 3))
    data = load_dataset("digits")
    index = int(np.flatnonzero(data.test.y == 7)[0])
    picture = explain_picture.choose_picture(data, index, model)
    assert picture.target == 0
    assert "label 7 (not a class of this network: the loss uses 0 instead)" in picture.about


# -- the page


def test_page_needs_nothing_else_and_keeps_every_digit() -> None:
    text = html()
    assert not re.search(r"https?:|src=|@import|url\(", text)
    assert "default-src 'none'" in text
    assert len(text.encode()) < 2_000_000
    embedded = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    model, picture = network()
    assert json.loads(embedded[1]) == explain.page_data(model, picture, [1, 2], "odd", ["a note"])
    numbers = explain.network_numbers(model, picture)[0][1]
    np.testing.assert_array_equal(
        matrix(json.loads(embedded[1])["layers"][1]["S"]), numbers["S"][:4]
    )


def test_page_is_safe_from_its_text() -> None:
    evil = "</script><script>document.title='broken'</script><!--"
    text = html(title=evil)
    assert evil not in text
    assert text.count("<script") == html().count("<script")
    assert json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["title"] == evil


def test_page_of_limited_size(monkeypatch: pytest.MonkeyPatch) -> None:
    model, picture = network()
    data = explain.page_data(model, picture, [1, 2], "odd")
    text, layers = explain.fitting_page(data)
    assert layers == [1, 2]
    monkeypatch.setattr(explain, "_LARGEST", len(text.encode()) - 1)
    less, layers = explain.fitting_page(data)
    assert layers == [1]
    assert "no room for layer 2; use --layer to show a single layer." in less
    monkeypatch.setattr(explain, "_LARGEST", 1000)
    with pytest.raises(OptionError, match="layer 1 has 9x8 pixels, too many for a page"):
        explain.fitting_page(data)


# -- in a browser

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

# Goes through every step of every layer, and says what it saw and what went wrong.
TOUR = """<script>
const seen = [];
for (const L of data.layers) for (const step of STEPS) {
  set({ layer: L.m, step: step.id });
  if (document.querySelector("#stage table") && !document.querySelector("#stage .not"))
    seen.push(step.id);
}
set({ layer: 1, step: "Z", i: 0, j: 0 });
document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
seen.push(`arrow:${state.step}`);
set({ step: "relu" });
const key = (name) => {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true });
  const table = document.querySelector("#stage table.pick");
  table.focus();
  table.dispatchEvent(event);
};
for (const name of ["ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"]) key(name);
seen.push(`grid:${state.step}:${state.i},${state.j}`);
seen.push(document.activeElement.getAttribute("role"));
seen.push(document.getElementById("readout").textContent.includes("pixel (0, 2) = "));
document.body.dataset.seen = seen.join(" ");
</script></body>"""


def browse(text: str, folder: Path, address: str = "") -> str:
    """Return the page's document as the browser has made it."""
    page = folder / "page.html"
    page.write_text(text, "utf-8")
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={folder / 'browser'}", page.as_uri() + address],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    text = done.stdout.decode("utf-8", "replace")
    if "<body" not in text:
        pytest.skip("the Chromium that is installed does not run here")
    return text


def self_test(document: str) -> tuple[int, int]:
    counts = re.search(r'id="self-test" data-checked="(\d+)" data-failed="(\d+)"', document)
    assert counts, "the page's script did not come to its end"
    return int(counts[1]), int(counts[2])


@needs_browser
def test_address_drives_the_state_and_all_sums_agree(tmp_path: Path) -> None:
    document = browse(html(), tmp_path, "#step=product&pixel=1,2&filter=3&entry=5&layer=1")
    checked, failed = self_test(document)
    assert checked > 1000
    assert failed == 0
    stage = re.search(r'<main id="stage"[^>]*>', document)[0]
    for name, value in {"step": "product", "i": 1, "j": 2, "filter": 3, "entry": 5}.items():
        assert f'data-{name}="{value}"' in stage
    model, picture = network()
    S = explain.network_numbers(model, picture)[0][0]["product"]
    value = float(S[3, 1 + ODD.conv_layers[0].a_conv * 2])
    shown = re.search(r"the package ([\u2212\d.e]+)", document)[1].replace("\u2212", "-")
    assert float(shown) == value
    assert "a note" in document
    assert "the first 4 of 5 filters of layer 1" in document


@needs_browser
def test_every_step_can_be_drawn_and_keys_move(tmp_path: Path) -> None:
    document = browse(html().replace("</body>", TOUR), tmp_path, "#step=nonsense&pixel=x&layer=9")
    steps = "Z pad phi product relu pool mask unpool dW WtV scatter unpad"
    seen = re.search(r'data-seen="([^"]*)"', document)[1]
    assert seen == f"{steps} {steps} arrow:pad grid:relu:0,2 grid true"


@needs_browser
@pytest.mark.parametrize(
    ("name", "place"),
    [("phiZ", "phi("), ("product", "product("), ("dS", "dS("), ("WtV_rest", "WtV("),
     ("dpad", "dpad(")],
)  # fmt: skip
def test_a_wrong_number_is_found(name: str, place: str, tmp_path: Path) -> None:
    model, picture = network()
    data = explain.page_data(model, picture, [1], "odd")
    numbers = data["layers"][0][name]["vec"]
    largest = int(np.argmax(np.abs(numbers)))
    numbers[largest] *= 1.001
    document = browse(explain.page(data), tmp_path)
    assert self_test(document)[1] > 0
    assert f"layer 1: {place}" in re.search(r'<p id="self-test"[^<]*', document)[0]
