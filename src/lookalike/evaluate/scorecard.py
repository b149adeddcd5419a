"""Run every metric, and set each figure beside what a fresh real sample scores on it.

The scorecard is a plain dict, ready for JSON (NaN becomes null):

    lookalike_scorecard   version of this layout
    version, seed         of the library, of the subsamples
    rows                  {real, synthetic, holdout}; holdout is null without one
    columns               {total, scored, keys, dropped, text, kinds: {kind: count}}
    yardstick             {strength: "none" | "weak" | "skewed" | "good", rows, note}
    diagnostic            {score, validity, structure, fresh: {the same three}, columns: [worst first]}
    fidelity              {quality, column_shapes, pair_trends, pair_trends_all, fresh: {the same four},
                           pairs: {possible, scored, strong}, columns: [worst first], pair_scores: [worst first]}
    associations          {columns, measures, real, synthetic, fresh}: symmetric matrices, null where undefined
    privacy               {exact_copies: {count, share, interval, rows, fresh: {the same}},
                           closeness: {share, standard_error, interval, ties, rows, compared, control, fresh} | null}
    worst                 {column, pair}: where to look first
    notes                 sentences a reader needs
    timings               seconds a part

``fresh`` is always the holdout scored as if it were synthetic: what the best possible generator is expected to reach.
"Worst" is the greatest shortfall against it, or the lowest score where there is no holdout.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.errors import InputError
from lookalike.evaluate import diagnostic, fidelity, privacy
from lookalike.evaluate.pairs import PairTrends, association_matrix, pair_trends
from lookalike.evaluate.prepare import Column, prepare
from lookalike.schema import Schema

SCORECARD_VERSION = 1
SKEWED = 0.05
"""A control share further than this from ½ (and than four standard errors) betrays a holdout that is no random draw."""
MAXIMUM_MATRIX = 100
"""Association matrices hold at most this many columns: the worst ones by shape."""


def score(
    real: pa.Table, synthetic: pa.Table, schema: Schema, *, holdout: pa.Table | None = None, seed: int = 0
) -> dict[str, Any]:
    """Judge ``synthetic`` against the ``real`` rows it was made from, beside a ``holdout`` that no engine saw.

    >>> from lookalike.schema import ColumnSpec
    >>> schema = Schema([ColumnSpec(name="age", kind="integer", storage="int64")])
    >>> table = pa.table({"age": list(range(20))})
    >>> score(table, table, schema)["fidelity"]["column_shapes"]
    1.0
    """
    tables = {
        "real": real,
        "synthetic": synthetic,
        **({} if holdout is None or not holdout.num_rows else {"holdout": holdout}),
    }
    for name in ("real", "synthetic"):
        if tables[name].num_rows == 0:
            raise InputError(f"an evaluation needs rows, however: the {name} table has none. Sample at least one row.")
    sides = [name for name in tables if name != "real"]
    timings: dict[str, float] = {}
    with _timed(timings, "parse"):
        columns = prepare(tables, schema)
    with _timed(timings, "diagnostic"):
        diagnoses = {side: diagnostic.diagnose(real, tables[side], schema, columns, side) for side in sides}
    with _timed(timings, "columns"):
        shapes = fidelity.shapes(columns, sides)
    with _timed(timings, "pairs"):
        pairs = pair_trends(columns, sides, seed)
    with _timed(timings, "privacy"):
        safety = _privacy(columns, sides, seed)
    shape_entries, pair_entries = _shape_entries(shapes), _pair_entries(columns, pairs)
    card = {
        "lookalike_scorecard": SCORECARD_VERSION,
        "version": _version(),
        "seed": seed,
        "rows": {name: tables[name].num_rows if name in tables else None for name in ("real", "synthetic", "holdout")},
        "columns": _column_counts(schema, columns),
        "yardstick": _yardstick(tables.get("holdout"), safety["closeness"]),
        "diagnostic": _diagnostic(diagnoses),
        "fidelity": {
            **fidelity.quality(shapes, pairs, "synthetic"),
            "fresh": fidelity.quality(shapes, pairs, "holdout") if "holdout" in sides else None,
            "pairs": {"possible": pairs.possible, "scored": len(pairs.places), "strong": int(pairs.strong.sum())},
            "columns": shape_entries,
            "pair_scores": pair_entries,
        },
        "associations": _associations(columns, pairs, [entry["column"] for entry in shape_entries]),
        "privacy": safety,
        "worst": {
            "column": shape_entries[0] if shape_entries else None,
            "pair": next(
                (entry for entry in pair_entries if entry["score"] is not None and not math.isnan(entry["score"])), None
            ),
        },
        "notes": _notes(schema, pairs, tables),
        "timings": timings,
    }
    return _plain(card)


@contextmanager
def _timed(timings: dict[str, float], part: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[part] = round(time.perf_counter() - start, 3)


def _version() -> str:
    try:
        return installed_version("lookalike")
    except PackageNotFoundError:
        return "unknown"


def _column_counts(schema: Schema, columns: list[Column]) -> dict[str, Any]:
    kept = schema.kept
    kinds = sorted({spec.kind for spec in kept})
    return {
        "total": len(schema),
        "scored": len(columns),
        "keys": sum(spec.kind == "key" for spec in kept),
        "dropped": len(schema) - len(kept),
        "text": sum(spec.kind == "text" for spec in kept),
        "kinds": {kind: sum(spec.kind == kind for spec in kept) for kind in kinds},
    }


def _yardstick(holdout: pa.Table | None, nearness: dict[str, Any] | None) -> dict[str, Any]:
    if holdout is None:
        note = "No yardstick: no real rows were kept back, so nothing says what a fresh real sample would score."
        return {"strength": "none", "rows": 0, "note": note}
    rows = holdout.num_rows
    if rows < privacy.WEAK_HOLDOUT:
        note = f"Weak yardstick: only {rows} real rows were kept back; what they score is mostly chance."
        return {"strength": "weak", "rows": rows, "note": note}
    control = (nearness or {}).get("control")
    if control and abs(control["share"] - 0.5) > max(SKEWED, 4 * control["standard_error"]):
        note = f"Skewed yardstick: the {rows:,} real rows kept back are not a random draw from the same table as the training rows."
        return {"strength": "skewed", "rows": rows, "note": note}
    return {"strength": "good", "rows": rows, "note": f"Yardstick: {rows:,} real rows that no engine saw."}


def _diagnostic(diagnoses: dict[str, dict[str, Any]]) -> dict[str, Any]:
    mine, fresh = diagnoses["synthetic"], diagnoses.get("holdout")
    fresh_scores = {entry["column"]: entry["score"] for entry in fresh["columns"]} if fresh else {}
    entries = [{**entry, "fresh": fresh_scores.get(entry["column"])} for entry in mine["columns"]]
    figures = ("score", "validity", "structure")
    return {
        **{figure: mine[figure] for figure in figures},
        "fresh": {figure: fresh[figure] for figure in figures} if fresh else None,
        "columns": sorted(entries, key=lambda entry: _worst_first(entry["score"], None)),
    }


def _worst_first(mine: float | None, fresh: float | None) -> tuple[int, float]:
    """Sort key: greatest shortfall first where there is a yardstick, lowest score first elsewhere; undefined last."""
    if mine is None or math.isnan(mine):
        return 2, 0.0
    if fresh is None or math.isnan(fresh):
        return 1, mine
    return 0, mine - fresh


def _shape_entries(shapes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    entries = [
        {
            "column": shape["column"],
            "kind": shape["kind"],
            "metric": shape["metric"],
            "score": shape["score_synthetic"],
            "fresh": shape.get("score_holdout"),
            "missing_real": shape["missing_real"],
            "missing_synthetic": shape["missing_synthetic"],
        }
        for shape in shapes
    ]
    return sorted(entries, key=lambda entry: _worst_first(entry["score"], entry["fresh"]))


def _pair_entries(columns: list[Column], pairs: PairTrends) -> list[dict[str, Any]]:
    fresh_scores = pairs.scores.get("holdout")
    entries = [
        {
            "columns": [columns[i].name, columns[j].name],
            "measure": _measure(columns[i], columns[j]),
            "score": float(pairs.scores["synthetic"][row]),
            "fresh": None if fresh_scores is None else float(fresh_scores[row]),
            "real": float(pairs.associations["real"][row]),
            "synthetic": float(pairs.associations["synthetic"][row]),
            "strong": bool(pairs.strong[row]),
        }
        for row, (i, j) in enumerate(pairs.places.tolist())
    ]
    return sorted(entries, key=lambda entry: _worst_first(entry["score"], entry["fresh"]))


def _measure(first: Column, second: Column) -> str:
    if first.numeric and second.numeric:
        return "correlation"
    return "correlation ratio" if first.numeric or second.numeric else "Cramér's V"


def _associations(columns: list[Column], pairs: PairTrends, worst_first: list[str]) -> dict[str, Any]:
    shown = set(worst_first[:MAXIMUM_MATRIX])
    keep = np.array([place for place, column in enumerate(columns) if column.name in shown], dtype=np.int64)
    matrices = {
        side: association_matrix(pairs, len(columns), side)[np.ix_(keep, keep)].tolist() for side in pairs.associations
    }
    return {
        "columns": [columns[place].name for place in keep],
        "left_out": len(columns) - len(keep),
        "measures": "number × number: Pearson's ρ; label × label: Cramér's V; label × number: correlation ratio η",
        "real": matrices["real"],
        "synthetic": matrices["synthetic"],
        "fresh": matrices.get("holdout"),
    }


def _privacy(columns: list[Column], sides: list[str], seed: int) -> dict[str, Any]:
    copies = privacy.exact_copies(columns, "synthetic")
    copies["fresh"] = privacy.exact_copies(columns, "holdout") if "holdout" in sides else None
    nearness = {**privacy.closeness(columns, seed), "fresh": 0.5} if "holdout" in sides else None
    return {"exact_copies": copies, "closeness": nearness}


def _notes(schema: Schema, pairs: PairTrends, tables: dict[str, pa.Table]) -> list[str]:
    notes = []
    if len(pairs.places) < pairs.possible:
        notes.append(f"{len(pairs.places):,} of {pairs.possible:,} pairs were scored, chosen by the seed.")
    if any(spec.kind == "text" and spec.modelled for spec in schema):
        notes.append("Columns of free text have no distribution to compare and are not scored.")
    if tables["real"].num_rows < privacy.WEAK_HOLDOUT:
        notes.append(f"The real table has only {tables['real'].num_rows} rows: every figure is rough.")
    return notes


def _plain(value: Any) -> Any:
    """Ready for JSON: NumPy scalars become Python's, NaN becomes None."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    return int(value)
