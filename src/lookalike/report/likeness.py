"""The page's fidelity section: tables of figures as text, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lookalike.report import answers, words
from lookalike.report.charts import column_chart
from lookalike.report.overview import UNMEASURED, shortfall
from lookalike.report.words import estimate, gap, score
from lookalike.schema import Schema
from lookalike.stats import at

MOST_PAIRS = 200
MOST_DROPS = 10

Card = Mapping[str, Any]


def fidelity(card: Card) -> dict[str, Any]:
    """``accuracy`` and ``quality`` (rows of text), ``dependencies``, ``constraints``, ``detection``, ``triples``, ``pairs``."""
    return {
        "accuracy": _accuracy(card),
        "quality": _quality(card),
        "dependencies": _dependencies(card),
        "constraints": _constraints(card),
        "detection": _detection(card),
        "triples": _triples(card),
        "pairs": pairs(card),
    }


def _accuracy(card: Card) -> list[list[str]]:
    """What, all rows, expected of a fresh sample of as many, on as many rows as the holdout has, the holdout's."""
    found = card["fidelity"].get("accuracy")
    if not found:
        return []
    return [
        [
            plain,
            score(found[part]),
            score(found["max"][part]),
            score(found["even"][part]) if found["even"] else UNMEASURED,
            score(found["fresh"][part]) if found["fresh"] else UNMEASURED,
        ]
        for plain, part in (
            ("single columns (univariate)", "univariate"),
            ("pairs (bivariate)", "bivariate"),
            ("triples (trivariate)", "trivariate"),
            ("mean of the three (accuracy)", "overall"),
        )
    ]


def _quality(card: Card) -> list[list[str]]:
    fidelity, diagnostic = card["fidelity"], card["diagnostic"]
    rows = []
    for plain, figure in (
        ("single columns (column shapes)", "column_shapes"),
        ("clearly tied pairs (column pair trends)", "pair_trends"),
        ("all pairs (no known name)", "pair_trends_all"),
        ("mean of shapes and trends (quality score)", "quality"),
    ):
        fresh = score(fidelity["fresh"][figure]) if fidelity["fresh"] else UNMEASURED
        even = score(answers.like_with_like(fidelity, figure)) if fidelity["fresh"] else UNMEASURED
        rows.append([plain, score(fidelity[figure]), even, fresh])
    for plain, figure in (
        ("valid cells (data validity)", "validity"),
        ("same columns and types (data structure)", "structure"),
    ):
        fresh = score(diagnostic["fresh"][figure]) if diagnostic["fresh"] else UNMEASURED
        rows.append([plain, score(diagnostic[figure]), score(diagnostic[figure]), fresh])
    return rows


def _dependencies(card: Card) -> dict[str, Any] | None:
    found = card["fidelity"].get("dependencies")
    if not found or not found["rules"]:
        return None
    rules = "One rule holds" if found["rules"] == 1 else f"{found['rules']:,} rules hold"
    beside = f"; of the rows kept back, {words.percent(found['fresh'])}" if found["fresh"] is not None else ""
    return {
        "words": f"{rules} in every real row. {words.percent(found['broken'])} of the synthetic rows break one{beside}.",
        "rows": [
            {
                "columns": _sides(entry),
                "figures": [
                    (entry["levels"], f"{entry['levels']:,}"),
                    (entry["rows"], f"{entry['rows']:,}"),
                    (entry["broken"], words.percent(entry["broken"])),
                    (
                        -1 if entry["fresh"] is None else entry["fresh"],
                        UNMEASURED if entry["fresh"] is None else words.percent(entry["fresh"]),
                    ),
                ],
            }
            for entry in found["pairs"]
        ],
    }


def _sides(rule: Mapping[str, Any]) -> list[str]:
    """What settles, and what it settles.

    >>> _sides({"columns": ["sold_at", "day"], "part": "weekday", "gaps": False})
    ['sold_at (its weekday)', 'day']
    >>> _sides({"columns": ["status", "sent_at"], "part": None, "gaps": True})
    ['status', 'sent_at (whether it is missing)']
    >>> _sides({"columns": ["article", "size", "price"], "part": None, "gaps": False})
    ['article, size', 'price']
    """
    determinant, dependent = ", ".join(rule["columns"][:-1]), rule["columns"][-1]
    if rule.get("part") is not None:
        determinant = f"{determinant} (its {rule['part']})"
    return [determinant, f"{dependent} (whether it is missing)" if rule.get("gaps") else dependent]


def _constraints(card: Card) -> dict[str, Any] | None:
    found = card["fidelity"].get("constraints")
    if not found or not found["rules"]:
        return None
    beside = f", of the rows kept back {words.percent(found['fresh'])}" if found["fresh"] is not None else ""
    return {
        "words": f"{words.percent(found['broken'])} of the synthetic rows break a constraint; of the real rows "
        f"{words.percent(found['real'])}{beside}.",
        "rows": [
            {
                "rule": entry["rule"].replace("_", " "),
                "words": entry["words"],
                "figures": [
                    (
                        -1 if entry[side] is None else entry[side],
                        UNMEASURED if entry[side] is None else words.percent(entry[side]),
                    )
                    for side in ("broken", "real", "fresh")
                ],
            }
            for entry in found["rules"]
        ],
    }


def _detection(card: Card) -> dict[str, Any] | None:
    found = card["fidelity"].get("detection")
    if not found or found["auc"] is None:
        return None
    fresh = found["fresh"]
    against = "real rows that were kept back" if found["against"] == "holdout" else "the training rows"
    beside = (
        f" A fresh real sample gets {estimate(fresh['auc'], fresh['interval'])}."
        if fresh and fresh["auc"] is not None
        else " Without kept-back rows this flatters a table that remembers them."
        if found["against"] == "real"
        else ""
    )
    drops = [entry for entry in found["columns"] if entry["drop"] > 0][:MOST_DROPS]
    largest = max((entry["drop"] for entry in drops), default=1.0)
    return {
        "words": f"Trees tell {found['rows']:,} synthetic rows from {found['rows']:,} of {against} with an AUC of "
        f"{estimate(found['auc'], found['interval'])}.{beside}",
        "columns": [
            {"name": entry["column"], "drop": score(entry["drop"]), "width": round(100 * entry["drop"] / largest)}
            for entry in drops
        ],
        "nothing": "They found nothing to tell rows apart by." if not found["columns"] else None,
    }


def _triples(card: Card) -> dict[str, Any] | None:
    found = at(card, "fidelity.accuracy.triples")
    if not found or not found["worst"]:
        return None
    return {
        "words": f"The {len(found['worst'])} worst of {found['scored']:,} triples.",
        "rows": [
            {
                "columns": entry["columns"],
                "accuracy": entry["accuracy"],
                "expected": entry["accuracy_max"],
                "short": entry["accuracy_max"] - entry["accuracy"],
                "text": [
                    score(entry["accuracy"]),
                    score(entry["accuracy_max"]),
                    gap(entry["accuracy_max"] - entry["accuracy"]),
                ],
            }
            for entry in found["worst"]
        ],
    }


# ----------------------------------------------------------------------------------------------- columns and pairs


def columns(card: Card, real: pa.Table, synthetic: pa.Table, schema: Schema) -> list[dict[str, Any]]:
    """Every scored column, worst first, with its chart."""
    valid = {entry["column"]: entry for entry in card["diagnostic"]["columns"]}
    drops = {entry["column"]: entry["drop"] for entry in at(card, "fidelity.detection.columns") or []}
    secrets = {entry["column"]: entry for entry in at(card, "privacy.attacks.inference.columns") or []}
    leaned = {entry["column"]: entry for entry in at(card, "utility.importance.columns") or []}
    found = []
    for entry in card["fidelity"]["columns"]:
        name = entry["column"]
        validity, short = valid.get(name, {}).get("score"), shortfall(entry)
        found.append(
            {
                "name": name,
                "kind": entry["kind"],
                "metric": entry["metric"],
                "score": entry["score"],
                "fresh": entry["fresh"],
                "shortfall": short,
                "accuracy": entry.get("accuracy"),
                "valid": validity,
                "missing_real": entry["missing_real"],
                "missing_synthetic": entry["missing_synthetic"],
                "text": {
                    "score": score(entry["score"]),
                    "even": score(entry["score"] if entry.get("even") is None else entry["even"]),
                    "fresh": score(entry["fresh"]),
                    "shortfall": gap(short),
                    "accuracy": score(entry.get("accuracy")),
                    "expected": score(entry.get("accuracy_max")),
                    "valid": score(validity),
                    "missing_real": words.percent(entry["missing_real"]),
                    "missing_synthetic": words.percent(entry["missing_synthetic"]),
                },
                "more": _more(drops.get(name), secrets.get(name), leaned.get(name)),
                "chart": column_chart(real[name], synthetic[name], schema[name]),
            }
        )
    return found


def _more(drop: float | None, secret: Mapping[str, Any] | None, leaned: Mapping[str, Any] | None) -> list[list[str]]:
    """What other sections say about a column: [what, figure]."""
    found = []
    if drop is not None:
        found.append(["trees' AUC falls without it by", score(drop) if drop >= 0.0005 else "nothing"])
    if secret is not None:
        found.append(["risk that it is inferred", words.percent_estimate(secret["risk"], secret["interval"])])
    if leaned is not None:
        found.append(["weight in models trained on real rows", words.percent(leaned["real"])])
        found.append(["weight in models trained on synthetic rows", words.percent(leaned["synthetic"])])
    return found


def pairs(card: Card) -> dict[str, Any]:
    """``shown``: the worst pairs with their figures as text; ``words``: how many of how many."""
    entries = card["fidelity"]["pair_scores"]
    return {
        "shown": [
            {
                **entry,
                "shortfall": shortfall(entry),
                "text": {
                    **{key: score(entry.get(key)) for key in ("score", "fresh", "accuracy", "accuracy_max")},
                    "real": words.signed(entry["real"]),
                    "synthetic": words.signed(entry["synthetic"]),
                    "shortfall": gap(shortfall(entry)),
                },
            }
            for entry in entries[:MOST_PAIRS]
        ],
        "words": _pairs_in_words(card, len(entries[:MOST_PAIRS])),
    }


def _pairs_in_words(card: Card, shown: int) -> str:
    counts = card["fidelity"]["pairs"]
    if not counts["scored"]:
        return "There are not two columns to compare."
    first = "All" if shown == counts["scored"] else f"The {shown:,} worst of"
    return f"{first} {counts['scored']:,} scored pairs, worst first; {counts['strong']:,} are clearly tied in the real table."
