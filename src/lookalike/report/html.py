"""The summary as one page that opens from a USB stick: no network, no computing in the template, every cell escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from lookalike.characters import TURNING
from lookalike.report import plots
from lookalike.report.svg import inline_svg

MOST_COLUMNS_DRAWN = 120
"""More pictures than this make a page that a browser opens slowly."""
COLUMNS_AT_ONCE = 16
"""Pictures that stand open; the others are closer to real and unfold at a click."""
PANELS = {
    "fidelity": "Fidelity",
    "columns": "Columns",
    "pairs": "Pairs",
    "privacy": "Privacy",
    "utility": "Utility",
    "training": "Training",
    "rows": "Synthetic rows",
    "settings": "Settings",
}


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("lookalike.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["flags"] = _with_flags
    return environment.get_template(name)


def _with_flags(words: str) -> Markup:
    """Words, escaped, in which what is typed is code, and so never broken after its dashes.

    >>> _with_flags("Ask for <more> (--keep-back).")
    Markup('Ask for &lt;more&gt; (<code>--keep-back</code>).')
    """
    return Markup(re.sub(r"--[a-z-]+", r"<code>\g<0></code>", str(escape(words))))


def render(summary: Mapping[str, Any]) -> str:
    """Return the whole page."""
    # the card is saved from the page, and is to be as it is
    summary = {**_straight(summary), "card": summary["card"]}
    drawn = [
        (place, _column_svg(column, place)) for place, column in enumerate(summary["columns"][:MOST_COLUMNS_DRAWN])
    ]
    return _template("template.html").render(
        **summary,
        panels=list(PANELS.items()),
        chart_groups=[group for group in (drawn[:COLUMNS_AT_ONCE], drawn[COLUMNS_AT_ONCE:]) if group],
        drawn=len(drawn),
        losses_svg=_losses_svg(summary["losses"]),
        associations_svg=_associations_svg(summary["associations"]),
        card_json=script_json(summary["card"]),
        pickers_json=script_json(summary["pickers"]),
    )


def render_overview(overview: Mapping[str, Any]) -> str:
    """Return the overview alone, for a notebook's cell."""
    return _template("overview.html").render(**_straight(overview))


def _straight(part: Any) -> Any:
    r"""A part of what is shown in which no column's name turns the words after it round: what would is spelled.

    >>> _straight({"notes": ["'a\u202eb' is a key."]})["notes"][0]
    "'a\\u202eb' is a key."
    """
    if isinstance(part, str):
        return part.translate(TURNING)
    if isinstance(part, Mapping):
        return {_straight(name): _straight(value) for name, value in part.items()}
    return [_straight(value) for value in part] if isinstance(part, (list, tuple)) else part


def script_json(document: Any) -> Markup:
    """JSON that is inert inside ``<script type="application/json">``.

    >>> script_json({"name": "</script><b>"})
    Markup('{"name":"\\\\u003c/script\\\\u003e\\\\u003cb\\\\u003e"}')
    """
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _column_svg(column: Mapping[str, Any], place: int) -> Markup:
    label = f"Real and synthetic distribution of column {column['name']}; shape score {column['text']['score']}"
    return inline_svg(plots.plot_column(column, heading=False), f"column{place}", label)


def _losses_svg(losses: list[dict[str, Any]]) -> Markup | None:
    return inline_svg(plots.plot_losses(losses), "losses", "Training losses by epoch") if losses else None


def _associations_svg(associations: Mapping[str, Any]) -> Markup | None:
    if len(associations["columns"]) < 2:
        return None
    label = "Heatmaps of the associations between columns: real, synthetic, and synthetic minus real"
    return inline_svg(plots.plot_associations(associations), "associations", label)
