"""Formulas as MathML, which browsers draw themselves: pages need no script and no connection."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import zip_longest

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_log = logging.getLogger(__name__)
_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_PRIMES = ("\u2032", "\u2033", "\u2034")

ET.register_namespace("", _NAMESPACE)


def mathml(latex: str, display: str) -> str:
    """Return a formula as a ``<math>`` element.

    Parameters
    ----------
    latex : str
    display : {"inline", "block"}

    Raises
    ------
    ValueError
        If the formula cannot be read, or if it has a command that the converter does not know and
        whose name it would print.
    """
    try:
        root = ET.fromstring(convert(latex, display=display))
    except Exception as error:  # the converter's exceptions have no common base class
        raise ValueError(f"{type(error).__name__} {error}") from error
    unknown = [e.text for e in root.iter() if e.text and e.text.startswith("\\")]
    if unknown:
        raise ValueError(f"no MathML for {', '.join(unknown)}")
    for element in list(root.iter()):
        _lower_prime(element)
        _space(element)
    return ET.tostring(root, encoding="unicode")


def _lower_prime(element: ET.Element) -> None:
    """Put a prime beside its letter, at full size: in fonts it is raised and small already."""
    tag = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
    if tag not in ("msup", "msubsup") or element[-1].text not in _PRIMES:
        return
    prime = ET.Element(f"{{{_NAMESPACE}}}mo", lspace="0", rspace="0.05em")
    prime.text = element[-1].text
    base = list(element)[:-1]
    if tag == "msubsup":
        indexed = ET.Element(f"{{{_NAMESPACE}}}msub")
        indexed.extend(base)
        base = [indexed]
    elif any(e.get("stretchy") == "true" for e in base[0].iter()):
        element[-1].set("scriptlevel", "0")  # high brackets: at their upper end
        return
    element.tag = f"{{{_NAMESPACE}}}mrow"
    element[:] = [*base, prime]


def _space(element: ET.Element) -> None:
    """Space as TeX does: none around a slash or a bar, a little between log and its argument."""
    for child, after in zip_longest(element, element[1:]):
        tag, text = child.tag, child.text or ""
        if tag == f"{{{_NAMESPACE}}}mo" and text in ("/", "|"):
            child.attrib |= {"lspace": "0.05em", "rspace": "0.05em"}
        word = tag == f"{{{_NAMESPACE}}}mi" and len(text) > 1 and text.isascii()
        if word and after is not None and not after.tag.endswith("}mo"):
            child.tag = f"{{{_NAMESPACE}}}mo"
            child.attrib |= {"lspace": "0.17em", "rspace": "0.17em", "form": "prefix"}


def _write(translator: HTML5Translator, node: nodes.Element, display: str) -> None:
    try:
        translator.body.append(mathml(node.astext(), display))
    except ValueError as error:
        _log.warning("formula %r: %s", node.astext(), error, location=node)
        translator.body.append(translator.encode(node.astext()))
    raise nodes.SkipNode


def _inline(translator: HTML5Translator, node: nodes.Element) -> None:
    _write(translator, node, "inline")


def _block(translator: HTML5Translator, node: nodes.Element) -> None:
    _write(translator, node, "block")


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the renderer, for ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
