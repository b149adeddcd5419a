"""Scorecard, tables and run information become one plain dict: everything the page shows, nothing left to compute.

See :mod:`lookalike.report.charts` for what it may show of real people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lookalike.report import words
from lookalike.report.charts import column_chart
from lookalike.report.preview import preview
from lookalike.schema import Schema

MOST_PAIRS = 200
MOST_PAIRS_EMBEDDED = 2_000
"""The page carries its figures as JSON; 20,000 pairs would make it heavy. ``to_json`` writes all."""
NOTHING = 0.005
"""A shortfall against the yardstick that is not worth a look."""


def summarize(
    card: Mapping[str, Any],
    real: pa.Table,
    synthetic: pa.Table,
    schema: Schema,
    *,
    holdout: pa.Table | None = None,
    run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the report shows.

    Parameters
    ----------
    card
        What ``evaluate.scorecard.score`` returned for these tables.
    holdout
        The rows that were kept back: the preview skips synthetic rows that equal one of them.
    run
        All optional: ``title``, ``command``, ``engine``, ``trial``, ``settings``, ``seeds``, ``timings``, ``versions``
        (dicts), ``losses`` (dicts with ``epoch`` and named losses), ``notes`` (sentences).
    """
    run = dict(run or {})
    figures = words.figures(dict(card))
    return {
        "title": str(run.get("title") or "Look-alike table"),
        "trial": bool(run.get("trial")),
        "rows": dict(card["rows"]),
        "column_counts": dict(card["columns"]),
        "yardstick": dict(card["yardstick"]),
        "answers": [
            {
                "question": "Is it alike?",
                **words.alike(dict(card)),
                "figures": figures["alike"],
                "explained": ALIKE_EXPLAINED,
            },
            {
                "question": "Is it safe?",
                **words.safe(dict(card)),
                "figures": figures["safe"],
                "explained": SAFE_EXPLAINED,
            },
        ],
        "look_at": look_at(card),
        "columns": _columns(card, real, synthetic, schema),
        "pairs": _pairs(card),
        "associations": dict(card["associations"]),
        "privacy": _privacy(card),
        "losses": [dict(entry) for entry in run.get("losses") or []],
        "preview": preview(synthetic, [real] if holdout is None else [real, holdout], schema),
        "notes": [*card["notes"], *map(str, run.get("notes") or [])],
        "settings": _settings(card, run),
        "card": _without_the_tail(card),
    }


ALIKE_EXPLAINED = {
    "means": "1 is a perfect match. A fresh real sample does not reach 1 either: chance alone moves its figures. "
    "Reaching its figure is the goal; going far above it, with no more rows, means copying noise. "
    "Few rows kept back score lower than many would.",
    "does_not": "These figures look at columns one by one and two by two. They do not say that patterns across three or "
    "more columns are kept, nor that a model trained on this table will do well.",
}
SAFE_EXPLAINED = {
    "means": "If the table had memorised people, its rows would repeat training rows or lie closer to them than to "
    "other real rows. 50 % is neither.",
    "does_not": "No alarm is not a proof of anonymity: a table can pass both tests and still betray that someone was in "
    "the training data. Treat it as personal data until your own assessment says otherwise.",
}


def look_at(card: Mapping[str, Any]) -> list[str]:
    """The worst column and the worst pair, in words."""
    column, pair = card["worst"]["column"], card["worst"]["pair"]
    lines = []
    if column is not None and column["score"] is not None:
        lines.append(
            f"{words.clean(column['column'], 40)}: shape {words.score(column['score'])}{_beside(column)}, the worst of {card['columns']['scored']} columns"
        )
    if pair is not None:
        scored = card["fidelity"]["pairs"]["scored"]
        lines.append(
            f"{words.pair_name(pair)}: pair trend {words.score(pair['score'])}{_beside(pair)}, the worst of {scored:,} pairs"
        )
    return lines


def _beside(entry: Mapping[str, Any]) -> str:
    """The yardstick, and whether the shortfall is worth a look at all."""
    short = _shortfall(entry)
    if short is None:
        return ""
    remark = ", so nothing stands out" if short < NOTHING else ""
    return f" (a fresh real sample: {words.score(entry['fresh'])}{remark})"


def _columns(card: Mapping[str, Any], real: pa.Table, synthetic: pa.Table, schema: Schema) -> list[dict[str, Any]]:
    """Every scored column, worst first, with its chart."""
    valid = {entry["column"]: entry for entry in card["diagnostic"]["columns"]}
    return [
        {
            "name": entry["column"],
            "kind": entry["kind"],
            "metric": entry["metric"],
            "score": entry["score"],
            "fresh": entry["fresh"],
            "shortfall": _shortfall(entry),
            "valid": valid.get(entry["column"], {}).get("score"),
            "missing_real": entry["missing_real"],
            "missing_synthetic": entry["missing_synthetic"],
            "text": {
                "score": words.score(entry["score"]),
                "fresh": words.score(entry["fresh"]),
                "shortfall": words.gap(_shortfall(entry)),
                "valid": words.score(valid.get(entry["column"], {}).get("score")),
                "missing_real": words.percent(entry["missing_real"]),
                "missing_synthetic": words.percent(entry["missing_synthetic"]),
            },
            "chart": column_chart(real[entry["column"]], synthetic[entry["column"]], schema[entry["column"]]),
        }
        for entry in card["fidelity"]["columns"]
    ]


def _without_the_tail(card: Mapping[str, Any]) -> dict[str, Any]:
    fidelity = card["fidelity"]
    return {**card, "fidelity": {**fidelity, "pair_scores": fidelity["pair_scores"][:MOST_PAIRS_EMBEDDED]}}


def _shortfall(entry: Mapping[str, Any]) -> float | None:
    return None if entry["score"] is None or entry["fresh"] is None else entry["fresh"] - entry["score"]


def _pairs(card: Mapping[str, Any]) -> dict[str, Any]:
    entries = card["fidelity"]["pair_scores"]
    return {
        "shown": [
            {
                **entry,
                "shortfall": _shortfall(entry),
                "text": {
                    **{key: words.score(entry[key]) for key in ("score", "fresh", "real", "synthetic")},
                    "shortfall": words.gap(_shortfall(entry)),
                },
            }
            for entry in entries[:MOST_PAIRS]
        ],
        "words": _pairs_in_words(card, len(entries[:MOST_PAIRS])),
    }


def _pairs_in_words(card: Mapping[str, Any], shown: int) -> str:
    fidelity = card["fidelity"]
    counts = fidelity["pairs"]
    if not counts["scored"]:
        return "There are not two columns to compare."
    first = "All" if shown == counts["scored"] else f"The {shown:,} worst of"
    beside = (
        ""
        if fidelity["fresh"] is None
        else f"; a fresh real sample scores {words.score(fidelity['fresh']['pair_trends_all'])}"
    )
    return (
        f"{first} {counts['scored']:,} scored pairs, worst first; {counts['strong']:,} are clearly tied in the real table. "
        f"The mean trend over all pairs is {words.score(fidelity['pair_trends_all'])}{beside}."
    )


def _privacy(card: Mapping[str, Any]) -> dict[str, Any]:
    copied, near = card["privacy"]["exact_copies"], card["privacy"]["closeness"]
    return {
        "copies": words.copies(copied),
        "copies_interval": f"{words.percent(copied['interval'][0], 3)} to {words.percent(copied['interval'][1], 3)}",
        "copies_fresh": words.copies(copied["fresh"]),
        "closeness": words.closeness(near),
        "compared": 0 if near is None else near["compared"],
        "queries": 0 if near is None else near["rows"],
        "ties": words.percent(near["ties"]) if near and near.get("ties") is not None else "–",
        "measured": near is not None and near["share"] is not None,
    }


def _settings(card: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    timings = {**(run.get("timings") or {}), **{f"evaluate: {part}": spent for part, spent in card["timings"].items()}}
    return {
        "command": None if run.get("command") is None else str(run["command"]),
        "engine": None if run.get("engine") is None else str(run["engine"]),
        "tables": [
            (heading, [(str(name), _written(value)) for name, value in entries.items()])
            for heading, entries in (
                ("Settings", _flat(run.get("settings") or {})),
                ("Seeds", {**_flat(run.get("seeds") or {}), "evaluation": card["seed"]}),
                ("Versions", {**_flat(run.get("versions") or {}), "lookalike (evaluation)": card["version"]}),
            )
            if entries
        ]
        + [("Timings", [(str(part), words.seconds(float(spent))) for part, spent in timings.items()])],
    }


def _flat(entries: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``table.name``.

    >>> _flat({"train": {"epochs": 3}, "seed": 1})
    {'train.epochs': 3, 'seed': 1}
    """
    flat: dict[str, Any] = {}
    for name, value in entries.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _written(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
