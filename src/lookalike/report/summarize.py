"""Scorecard, tables and run information become one plain dict: everything the page shows, nothing left to compute.

See :mod:`lookalike.report.charts` for what it may show of real people.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from lookalike.report import answers, likeness, overview, safety, usefulness, words
from lookalike.report.explained import EXPLAINED
from lookalike.report.pickers import pickers
from lookalike.report.preview import preview
from lookalike.schema import Schema

MOST_PAIRS_EMBEDDED = 2_000
"""The page carries its figures as JSON; 20,000 pairs would make it heavy. ``to_json`` writes all."""

HEADS = {"useful": ["trained on it", "trained on real rows"]}


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
        (dicts), ``losses`` (dicts with ``epoch`` and named losses), ``notes`` (sentences), ``filter`` (what a filter did, in words), ``ledger`` (questions and answers on
        a privacy budget; None where rows were made without one).
    """
    run = dict(run or {})
    figures, fidelity = overview.figures(card), likeness.fidelity(card)
    columns = likeness.columns(card, real, synthetic, schema)
    return {
        "title": str(run.get("title") or "Look-alike table"),
        "date": date.today().isoformat(),
        "trial": bool(run.get("trial")),
        "rows": dict(card["rows"]),
        "column_counts": dict(card["columns"]),
        "yardstick": dict(card["yardstick"]),
        "answers": [
            {
                "question": f"Is it {name}?",
                "name": name,
                **(found := answer(card)),
                "proven": safety.proven(run) if name == "safe" else "",
                "next": answers.NEXT[name].get(found["word"], ""),
                "figures": figures[name],
                "heads": HEADS.get(name, ["this table", "a fresh real sample"]),
            }
            for name, answer in (("alike", answers.alike), ("safe", answers.safe), ("useful", answers.useful))
        ],
        "explained": EXPLAINED,
        "compared_on": overview.compared_on(card),
        "verdicts": overview.checks(card),
        "look_at": overview.look_at(card),
        "columns": columns,
        "fidelity": fidelity,
        "other_checks": safety.checks(card)["others"],
        "associations": dict(card["associations"]),
        "privacy": safety.privacy(card, run),
        "utility": usefulness.utility(card),
        "pickers": pickers(columns, fidelity["pairs"]["shown"], real, synthetic, schema),
        "losses": [dict(entry) for entry in run.get("losses") or []],
        "preview": preview(synthetic, [real] if holdout is None else [real, holdout], schema),
        "notes": [*card["notes"], *map(str, run.get("notes") or [])],
        "settings": _settings(card, run),
        "card": _without_the_tail(card),
    }


def _without_the_tail(card: Mapping[str, Any]) -> dict[str, Any]:
    fidelity = card["fidelity"]
    return {**card, "fidelity": {**fidelity, "pair_scores": fidelity["pair_scores"][:MOST_PAIRS_EMBEDDED]}}


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
