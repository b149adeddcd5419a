"""A figure as SVG that lives inside a page: no ids that clash, no fonts, colours that follow light and dark."""

from __future__ import annotations

import io
import re

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from lookalike.report import plots

COLOURS = {
    plots.REAL: "var(--real)",
    plots.SYNTHETIC: "var(--synthetic)",
    plots.INK: "var(--ink)",
    plots.FAINT: "var(--faint)",
}
TAG = re.compile(r"<[^<>]+>")
"""Rewriting touches tags only: a label may hold the text ``#0072b2`` or ``url(#x)``, and keeps it."""


def inline_svg(figure: Figure, name: str, label: str) -> Markup:
    """Draw ``figure`` as one ``<svg>`` element.

    ``name`` makes its ids its own; ``label`` is what a screen reader says. Text in the figure is escaped by
    matplotlib's XML writer, the label here.
    """
    stream = io.StringIO()
    with plots.quiet_drawing():
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = stream.getvalue()
    start = text.index("<svg")
    opening = text[start : text.index(">", start)]
    found = re.search(r'viewBox="([^"]+)"', opening)
    assert found is not None
    body = text[text.index(">", start) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*", " ", body)
    body = TAG.sub(lambda tag: _own(tag[0], name), body)
    return Markup(f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(label)}">') + Markup(body.strip())


def _own(tag: str, name: str) -> str:
    """One tag, with ids of this figure, the page's font and the page's colours."""
    tag = re.sub(r'base64,[^"]*', lambda data: data[0].replace(" ", ""), tag)
    tag = re.sub(r'\sid="', rf' id="{name}-', tag)
    tag = re.sub(r'xlink:href="#', f'href="#{name}-', tag)
    tag = tag.replace("xlink:href", "href").replace("url(#", f"url(#{name}-")
    tag = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", tag)
    tag = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--font)", tag)
    for colour, variable in COLOURS.items():
        tag = tag.replace(colour.lower(), variable)
    return tag
