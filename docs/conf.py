"""Configuration of Sphinx for the documentation; CONTRIBUTING.md has the command.

The build runs every tutorial, at its reduced size unless ``SIMPLENN_SMALL=0`` is set.
"""

import os
import sys
from importlib.resources import files
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
os.environ.setdefault("SIMPLENN_SMALL", "1")
# The help texts are wrapped for this width, and have no colours (Python 3.14 would add them).
os.environ["COLUMNS"] = "88"
os.environ["NO_COLOR"] = "1"

from simplenn_py import __version__  # noqa: E402

project = "simplenn_py"
author = "the authors of simplenn_py"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "docstrings",
    "from_the_code",
    "mathml",
]
exclude_patterns = ["images", "_ext"]
# `Z` in a docstring is code, as in numpydoc.
default_role = "literal"
smartquotes = False  # the prime in v' is not a quotation mark

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more: shapes and memory order
autodoc_default_options = {"members": True}
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../tutorials",
    "gallery_dirs": "auto_tutorials",
    "filename_pattern": r"[\\/]\d\d_\w+\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),  # only printed output, as when a tutorial runs as a script
    "reference_url": {"simplenn_py": None},
    "write_computation_times": False,
    "show_signature": False,
    "image_srcset": ["2x"],
    "reset_modules": ("matplotlib", "gallery.whole_figures"),
}

html_theme = "furo"
html_title = project
# Formulas need a font made for them, which many systems lack: STIX Two Math comes with ziamath.
html_static_path = ["_static", str(files("ziamath") / "fonts")]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
