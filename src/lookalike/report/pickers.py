"""What the page's pickers draw: one column, or one pair, at a time; short, as the page carries it as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from lookalike.report.joint import grids
from lookalike.schema import Schema


def pickers(
    columns: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
    real: pa.Table,
    synthetic: pa.Table,
    schema: Schema,
) -> dict[str, Any]:
    """``columns`` and ``pairs`` as the page's script reads them, ``axes`` the labels of each column's parts."""
    joint = grids(pairs, real, synthetic, schema)
    return {
        "columns": [_column(column) for column in columns],
        "axes": joint["axes"],
        "pairs": [{**grid, "facts": _pair_facts(pair)} for grid, pair in zip(joint["pairs"], pairs, strict=False)],
    }


def _pair_facts(pair: Mapping[str, Any]) -> list[list[str]]:
    text = pair["text"]
    beside = "" if pair["fresh"] is None else f" (a fresh real sample: {text['fresh']})"
    return [
        ["trend", f"{text['score']}{beside}"],
        ["accuracy", f"{text['accuracy']} (expected: {text['accuracy_max']})"],
        [f"{pair['measure']}, real / synthetic", f"{text['real']} / {text['synthetic']}"],
    ]


def _column(column: Mapping[str, Any]) -> dict[str, Any]:
    text, chart = column["text"], column["chart"]
    facts = [
        ["kind", column["kind"]],
        [
            "shape",
            f"{text['even']} (a fresh real sample: {text['fresh']})" if column["fresh"] is not None else text["score"],
        ],
        ["accuracy", f"{text['accuracy']} (expected: {text['expected']})"],
        ["valid cells", text["valid"]],
        ["missing, real / synthetic", f"{text['missing_real']} / {text['missing_synthetic']}"],
        *column["more"],
    ]
    bars = [
        [bar["label"], _short(bar["real"]), _short(bar["synthetic"])] for bar in chart.get("enlarged", chart["bars"])
    ]
    picked: dict[str, Any] = {"name": column["name"], "facts": facts, "bars": bars}
    if chart["type"] == "number" and chart["edges"]:
        picked["curve"] = {
            "edges": chart["edges"],
            "log": chart["log"],
            "labels": chart["labels"],
            "ticks": [[tick["at"], tick["label"]] for tick in chart["ticks"]],
            "real": [_short(share) for share in chart["real"]],
            "synthetic": [_short(share) for share in chart["synthetic"]],
        }
    return picked


def _short(share: float) -> float:
    return round(share, 5)
