"""The documentation says what is there; these checks need no Sphinx, which is only in an extra."""

import argparse
import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))
PAGES = {p: p.read_text("utf-8") for s in ("rst", "md") for p in DOCS.glob(f"**/*.{s}")}
PAGES = {p: text for p, text in PAGES.items() if "auto_tutorials" not in p.parts}


@pytest.fixture
def extension(monkeypatch):
    """Import a module of docs/_ext."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))

    def load(name):
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return load


def resolve(path):
    """Return what a dotted path names: the longest module in it, then attributes."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        try:
            for name in parts[cut:]:
                found = getattr(found, name)
        except AttributeError:
            continue
        return found
    raise AttributeError(path)


def documented():
    """Return the full names that the reference has an entry for."""
    names = set()
    for page in (DOCS / "api").glob("*.rst"):
        module = ""
        for line in PAGES[page].splitlines():
            if found := re.match(r"\.\. currentmodule:: (\S+)", line):
                module = found[1]
            elif found := re.match(r"\.\. (?:auto(?:function|class)|py:data):: (\S+)", line):
                full = found[1].startswith("simplenn_py.")
                names.add(found[1] if full else f"{module}.{found[1]}")
    return names


def referred():
    """Return page and target of every role that names a routine, in the pages of reST."""
    role = re.compile(r":(?:func|class|meth|data):`(?:[^`<]*<)?~?([\w.]+)>?`")
    return [
        (page, target)
        for page, text in PAGES.items()
        if page.suffix == ".rst"
        for target in role.findall(re.sub(r"\s+", " ", text))
        if "." in target
    ]


def test_the_reference_documents_what_exists():
    pytest.importorskip("sklearn")  # CNNClassifier is an estimator of it
    for name in documented():
        thing = resolve(name)
        assert name.endswith(".RULES") or thing.__doc__, name


@pytest.mark.parametrize("package", ["simplenn_py", "simplenn_py.autodiff", "simplenn_py.linalg"])
def test_every_public_name_is_in_the_reference(package):
    names = {f"{package}.{name}" for name in importlib.import_module(package).__all__}
    assert names - documented() - {"simplenn_py.linalg.LAYOUTS"} == set()


def test_the_page_of_equations_names_routines_that_the_reference_has():
    known = documented()
    targets = [target for page, target in referred() if page.name == "equations.rst"]
    assert len(targets) > 50
    for target in targets:
        assert callable(resolve(target)), target
        owner = target.rpartition(".")[0]
        assert target in known or owner in known, target


@pytest.mark.parametrize(
    "equation",
    [*(f"({n})" for n in range(1, 6)), "P_\\phi", "P_{pool}", "Jv", "J'u", "Gv", "\\Omega", "s_P"],
)
def test_every_equation_has_a_row(equation):
    text = PAGES[DOCS / "equations.rst"]
    rows = re.findall(r"^   \* - (.*?)\n     - (.*?)(?=^   \* -|^\S|\Z)", text, re.M | re.S)
    assert any(equation in lecture and ":`" in code for lecture, code in rows)


def test_other_pages_refer_to_what_exists():
    for page, target in referred():
        assert resolve(target) is not None, (page, target)


def test_pages_include_parts_of_the_readme_that_exist():
    markers = [
        marker.strip('"')
        for text in PAGES.values()
        for marker in re.findall(r"^ *:(?:start-after|end-before): (.*)$", text, re.M)
    ]
    assert len(markers) >= 8
    for marker in markers:
        assert re.search(rf"^{re.escape(marker)}$", README, re.M), marker


def test_every_page_is_in_a_table_of_contents():
    listed = {
        (page.parent / entry).with_suffix("")
        for page, text in PAGES.items()
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.M | re.S)
        for entry in block.split("\n")
        if entry and not entry.startswith(":")
    }
    pages = {page.with_suffix("") for page in PAGES} - {DOCS / "index"}
    assert listed == pages | {DOCS / "auto_tutorials" / "index"}


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda p: p.stem[:2])
def test_a_tutorial_has_a_number_a_title_and_a_paragraph(path):
    assert re.fullmatch(r"\d\d_\w+\.py", path.name)
    lines = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()
    assert lines[1] == "=" * len(lines[0])
    assert lines[2] == ""
    assert len(lines) > 3


def test_tutorials_have_numbers_of_their_own_and_the_gallery_runs_all():
    numbers = [path.name[:2] for path in TUTORIALS]
    assert len(set(numbers)) == len(numbers) > 0
    pattern = re.search(r'"filename_pattern": r"(.*)",', (DOCS / "conf.py").read_text("utf-8"))
    for path in TUTORIALS:
        assert re.search(pattern[1], str(path))


def test_environment_variables_are_explained():
    from simplenn_py.runtime import environment, threads

    page = PAGES[DOCS / "environment.md"]
    code = "".join(p.read_text("utf-8") for p in (ROOT / "simplenn_py").rglob("*.py"))
    own = set(re.findall(r"\bSIMPLENN_[A-Z_]+\b", code))
    assert own >= {"SIMPLENN_DATA_DIR", "SIMPLENN_SMALL"}
    for name in own | set(environment._VARIABLES):
        assert f"`{name}`" in page, name
    for name, value in threads._POLITE.items():
        assert f"`{name}`" in page
        assert f"`{value}`" in page


def test_the_command_line_page_has_every_command_and_option(extension):
    from simplenn_py.cli import parser

    parts = {part.title: part for part in extension("parts").commands(parser())}
    assert len(parts) > 15
    stack = [parser()]
    while stack:
        command = stack.pop()
        for action in command._actions:
            if isinstance(action, argparse._SubParsersAction):
                stack += action.choices.values()
            for option in action.option_strings:
                assert option in parts[command.prog].verbatim, (command.prog, option)
    assert parts["simplenn"].depth == 0
    assert parts["simplenn exercise check"].depth == 2


def test_the_exercises_page_has_every_statement(extension):
    from simplenn_py.exercises.course import EXERCISES

    parts = list(extension("parts").exercises())
    assert [part.title.partition(":")[0] for part in parts] == list(EXERCISES)
    for part in parts:
        assert "points. May import" in part.text
        assert len(part.verbatim) > 100


def test_formulas_in_docstrings_become_code(extension):
    formulas_as_code = extension("docstrings").formulas_as_code
    lines = ["Compute", "", "    f = |x| + 1", "", "where |grad f| is", "", "    - no formula"]
    expected = ["Compute", "", "::", "", "    f = |x| + 1", "", r"where \|grad f\| is", ""]
    assert formulas_as_code(lines)[:8] == expected
    for text in (["Parameters", "----------", "x : int", "    The x."], ["- item", "", "    more"]):
        assert formulas_as_code(text) == text


def test_formulas_become_mathml(extension):
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    mathml = extension("mathml").mathml
    text = mathml(r"\left( \frac{a}{b} \right)' + v' P_\phi", "inline")
    assert text.startswith('<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline">')
    assert "<mfrac>" in text
    assert '<mrow><mi>v</mi><mo lspace="0" rspace="0.05em">\u2032</mo></mrow>' in text
    assert 'form="prefix">log</mo><mi>x</mi>' in mathml(r"\log x", "inline")
    with pytest.raises(ValueError, match="nonsense"):
        mathml(r"\nonsense{x}", "block")
