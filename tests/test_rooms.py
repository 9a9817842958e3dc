"""Who may import whom: the rooms of the package, held by reading every import."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "simplenn_py"
ROOT = Path(__file__).parents[1] / PACKAGE

#: Importable by every room, and importing only each other.
LEAVES = {"errors", "labels", "layout", "pixels", "runtime"}
#: What each other room may import beside the leaves and itself.
MAY_IMPORT: dict[str, set[str]] = {
    "io": set(),
    "kernels": set(),
    "datasets": {"io"},
    "network": {"io"},
    "cnn": {"network", "kernels"},
    "engines": {"cnn", "network", "kernels"},
    "opt": {"kernels"},
    "model": {"engines", "cnn", "network", "io"},
    "formats": {"model", "network", "io"},
    "plots": {"network", "io"},
    "linalg": {"kernels", "network", "plots"},
}
MAY_IMPORT["training"] = set(MAY_IMPORT) - {"formats", "linalg"}
# The tape trains by the solvers and their options; its core imports nothing of the package.
MAY_IMPORT["autodiff"] = {"cnn", "opt", "training.options"}
MAY_IMPORT["machine"] = MAY_IMPORT["tools"] = set(MAY_IMPORT) - {"training"}
MAY_IMPORT["interfaces"] = MAY_IMPORT["exercises"] = set(MAY_IMPORT) - {"interfaces"}
#: Only these import interfaces, exercises and cli, and each other.
ABOVE = {"", "__main__", "cli"}
#: Files that run by themselves in a student's process, or are a student's.
STANDALONE = ("exercises/skeletons/", "exercises/solutions/", "exercises/drivers/")
#: The core of the tape works on any NumPy code.
TAPE_CORE = ("box", "define", "forward", "functions", "graph", "projection", "rules", "svg", "tape")


def module_name(file: Path) -> str:
    """Return the module of a file, relative to the package: "" for its ``__init__``."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool) -> set[str]:
    """Return the modules, relative to the package, that a source text imports.

    Imports inside functions and for type checkers count.  ``from X import name`` counts as X.name
    where that is a module.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names if f"{a.name}.".startswith(f"{PACKAGE}.")}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = [PACKAGE, *module.split(".")] if module else [PACKAGE]
                above = above[: len(above) - node.level + is_package]
                base = ".".join([*above, *(base.split(".") if base else [])])
            if not f"{base}.".startswith(f"{PACKAGE}."):
                continue
            for alias in node.names:
                full = f"{base}.{alias.name}"
                path = ROOT.parent.joinpath(*full.split("."))
                is_module = path.is_dir() or path.with_suffix(".py").is_file()
                if is_module or alias.name != "__version__":
                    found.add(full if is_module else base)
    return {name.removeprefix(PACKAGE).removeprefix(".") for name in found}


def room_of(module: str) -> str:
    return module.split(".")[0]


def violation(module: str, imported: str) -> str | None:
    """Say which rule an import breaks, None if it breaks none."""
    here, there = room_of(module), room_of(imported)
    if here == there or here in ABOVE:
        return None
    allowed = LEAVES | MAY_IMPORT.get(here, set())
    if there in allowed or imported in allowed:
        return None
    return f"{module} imports {imported}: {here} may import {', '.join(sorted(allowed))}"


def all_imports() -> dict[str, set[str]]:
    files = [
        f for f in sorted(ROOT.rglob("*.py")) if not any(s in f.as_posix() for s in STANDALONE)
    ]
    return {
        module_name(f): imports_of(f.read_text("utf-8"), module_name(f), f.name == "__init__.py")
        for f in files
    }


IMPORTS = all_imports()


def test_every_room_has_rules_and_a_docstring():
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    files = {"", "__main__", "errors", "labels", "layout", "pixels"}
    assert rooms == (set(MAY_IMPORT) | LEAVES | ABOVE) - files
    for init in ROOT.rglob("__init__.py"):
        doc = ast.get_docstring(ast.parse(init.read_text("utf-8")))
        assert doc, f"{init} does not say what belongs there"
    loose = {path.stem for path in ROOT.glob("*.py")}
    assert loose == {"__init__", "__main__", "errors", "labels", "layout", "pixels"}


def test_the_guide_names_every_room():
    guide = (ROOT.parent / "CONTRIBUTING.md").read_text("utf-8")
    table = {name for line in guide.splitlines() if line.startswith("| `") for name in
             line.split("|")[1].replace("`", "").replace(",", " ").split()}  # fmt: skip
    assert table >= set(MAY_IMPORT) | LEAVES | {"cli"}


def test_imports_keep_to_the_rules():
    broken = [violation(m, i) for m, imported in IMPORTS.items() for i in sorted(imported)]
    assert not any(broken), "\n".join(filter(None, broken))


def test_no_circle_of_files():
    # A package's __init__ gathers names from its files, so that files do not depend on their own.
    graph = {
        module: {i for i in imported if i in IMPORTS and not f"{module}.".startswith(f"{i}.")}
        for module, imported in IMPORTS.items()
        if module
    }
    list(TopologicalSorter(graph).static_order())  # CycleError names the files


def test_no_circle_of_rooms():
    # autodiff and training: the options alone, see MAY_IMPORT.
    rooms: dict[str, set[str]] = {}
    for module, imported in IMPORTS.items():
        if room_of(module):
            rooms.setdefault(room_of(module), set()).update(map(room_of, imported))
    for room, imported in rooms.items():
        imported -= {room, ""}
    list(TopologicalSorter(rooms).static_order())


def test_the_core_of_the_tape_imports_nothing_of_ours():
    for name in TAPE_CORE:
        outside = {i for i in IMPORTS[f"autodiff.{name}"] if room_of(i) != "autodiff"}
        assert not outside, f"autodiff.{name} imports {outside}"


def test_compiled_code_lies_in_kernels_alone():
    for module, imported in IMPORTS.items():
        if room_of(module) not in ("kernels", "exercises"):
            assert "kernels.policy" not in imported or module in POLICY_READERS, module


#: They ask about the compile cache, and compile nothing.
POLICY_READERS = {"cli.warmup", "machine.doctor", "training.training"}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("kernels.tile", "from ..network.config import NetConfig"),
        ("opt.sgd", "from ..cnn.problem import Problem"),
        ("cnn.jv", "from ..model import Model"),
        ("tools.summary", "def f():\n    from ..training.job import Job"),
        ("plots.curves", "if TYPE_CHECKING:\n    from ..training.run_reader import Run"),
        ("runtime.clock", "import simplenn_py.io.atomic"),
        ("autodiff.tape_training", "from ..training.training import train"),
        ("training.job", "from simplenn_py.interfaces import matlab"),
        ("model.model", "from .. import cli"),
    ],
)
def test_a_forbidden_import_is_found(module, line):
    assert any(violation(module, imported) for imported in imports_of(line, module, False))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("runtime.environment", "from .. import __version__"),
        ("autodiff.tape_training", "from ..training.options import TrainOptions"),
        ("cli.train", "from ..interfaces.student_routines import load_all"),
        ("kernels.tile", "import numpy\nfrom .emitter import Emitter"),
    ],
)
def test_an_allowed_import_is_not(module, line):
    assert not any(violation(module, imported) for imported in imports_of(line, module, False))


def test_tutorials_import_only_what_is_public():
    for file in sorted(ROOT.parent.glob("tutorials/*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.ImportFrom) else []
            if names and (node.module or "").split(".")[0] == PACKAGE:
                assert (node.module or "").count(".") <= 1, f"{file.name}: {node.module}"
                assert not any(name.startswith("_") for name in names), f"{file.name}: {names}"


def test_no_test_imports_another():
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("test_"), f"{file.name}: {node.module}"
