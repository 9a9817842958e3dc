"""Every command with names that are markup, formulas, terminal codes or no text elsewhere."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simplenn_py.cli import main
from simplenn_py.errors import printable
from simplenn_py.errors import shown as in_short

#: All at once; the name of a folder cannot hold a slash.
EVERYTHING = "=[bold]a[x] :smile: %s {x} $\\frac <script>&amp; \x1b[2J\n\t\u202e'\" \udce9 動"
SINGLE = ["[bold]", "[link=file]x", ":smile:", "%s%d", "{x}", "$", "$\\frac", "_hidden", "<script>",
          "&amp;", "=HYPERLINK(1)", "\x1b[2J", "a\nb", "a\tb", "\u202eabc", "-x", " ", "a'b\"c",
          "back\\slash", "\udce9", "動" * 80, "مرحبا", "\U0001f600", "x" * 251]  # fmt: skip

Call = Callable[..., str]


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """Return a function that runs a command and checks that what it prints is printable."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, status: int = 0) -> str:
        assert main(list(map(str, words))) == status, capfd.readouterr()
        out, err = capfd.readouterr()
        for line in (out + err).split("\n"):
            assert printable(line) == line
        assert "note:" not in err.replace("note: no installed font has the characters", "")
        return out

    return run


def picture_folder(root: Path, names: list[str]) -> Path:
    """Write pictures, 5x5 pixels, of two bright or dark classes."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 100, (5, 5)) + 150 * k
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i}.png")
    return root


def network(path: Path) -> Path:
    from simplenn_py.network import Conv, NetConfig

    NetConfig.build((5, 5, 1), [Conv(2, 2)], [2]).write(path)
    return path


def train_with(name: str, call: Call, tmp_path: Path) -> tuple[Path, Path]:
    """Train on a folder called `name` with a class of that name; return data and run folder."""
    data = picture_folder(tmp_path / f"{name}" / "p", [name, "other"])
    run = tmp_path / "runs" / name
    config = network(tmp_path / f"{name[:60]}.config")
    out = call("train", data, f"--config={config}", "--epochs=1", f"--out={run}")
    assert f"written to {printable(run)}\n" in out  # in one line, complete
    report = json.loads((run / "run.json").read_text("ascii"))
    assert report["status"] == "finished"
    assert report["dataset"]["source"] == str(data)
    figures = sorted(path.name for path in run.glob("*.png"))
    assert figures == ["confusion.png", "curves.png", "filters.png"]
    return data, run


def use(name: str, data: Path, run: Path, call: Call, tmp_path: Path) -> None:
    label = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    table = tmp_path / "labels.csv"
    out = call("predict", run, data, f"--out={table}", "--force")
    assert ": 100.00 % correct" in out or "% correct, " in out
    assert printable(label) in out.replace("\n", "")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert {row[1].removeprefix("'") for row in rows[1:]} == {printable(label), "other"}
    assert not any(cell.startswith(("=", "@", "\t")) for row in rows for cell in row)
    pictures = sorted((data / name).iterdir())
    assert printable(pictures[0]) in call("predict", run, *pictures)
    assert printable(name) in call("compare", run)
    thin = tmp_path / "thin" / name
    assert f"written: {printable(thin)} (model.npz, " in call("compress", run, f"--out={thin}",
                                                             "--rank=1,1")  # fmt: skip
    for suffix in (".mat", ".npz"):
        target = tmp_path / f"{name[:60]}{suffix}"
        source = run if suffix == ".mat" else tmp_path / f"{name[:60]}.mat"
        assert f"written: {printable(target)}\n" in call("convert", source, target)
    call("summary", run)
    page, graph = tmp_path / f"{name[:60]}.html", tmp_path / f"{name[:60]}.svg"
    call("explain", run, f"--dataset={data}", f"--out={page}")
    text = page.read_text("utf-8")
    assert text.count("<script") == text.count("</script>")
    shown = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert shown is not None
    assert json.loads(shown[1])["target"] in (in_short(label), "other")
    call("graph", run, f"--out={graph}")
    call("data", "list", f"--data-dir={data}")


def test_every_command_with_a_name_of_everything(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run = train_with(EVERYTHING, call, tmp_path)
    monkeypatch.setattr("simplenn_py.plots.beside.write_png", lambda *_: "")  # to save time
    use(EVERYTHING, data, run, call, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE)
def test_every_command_with_every_name(name: str, call: Call, tmp_path: Path) -> None:
    data, run = train_with(name, call, tmp_path)
    use(name, data, run, call, tmp_path)
    assert printable(run) in call("train", data, f"--resume={run}", "--quiet")


def test_a_resume_command_reaches_the_shell_as_it_was_meant(tmp_path: Path) -> None:
    from argparse import Namespace

    from simplenn_py.cli.train import resume_command

    for name in [EVERYTHING, *SINGLE]:
        args = Namespace(dataset=name, data_dir=name, test=None, image_shape="8x8x1",
                         input_format="column", own=[f"{name}.py"])  # fmt: skip
        command = resume_command(args, name)
        assert printable(command) == command
        read = subprocess.run(
            ["bash", "-c", f"simplenn() {{ printf '%s\\0' \"$@\"; }}; {command}"],
            capture_output=True, check=True,
        )  # fmt: skip
        words = [os.fsdecode(word) for word in read.stdout.split(b"\0")[:-1]]
        from simplenn_py.cli import parser

        given = parser().parse_args(words)
        safe = f"./{name}" if name.startswith("-") else name
        assert (given.dataset, given.resume, given.data_dir) == (safe, safe, safe)
        assert given.own == [f"{safe}.py"]
        assert (given.image_shape, given.input_format) == ("8x8x1", "column")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "big5", "utf-16"])
def test_outputs_of_another_encoding(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = network(tmp_path / "\u52d5 \udce9 \U0001f600.config")
    for words, status in ((["summary", path], 0), (["predict", path, "digits"], 2)):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in "oe"]
        monkeypatch.setattr("sys.stdout", streams[0])
        monkeypatch.setattr("sys.stderr", streams[1])
        assert main(list(map(str, words))) == status
        text = ""
        for stream in streams:
            stream.seek(0)
            text += stream.read()
        shown = "\u52d5 \\xe9 \U0001f600.config".encode(encoding, "backslashreplace")
        assert shown.decode(encoding) in text
