"""Run every metric, and set each figure beside what a fresh real sample scores on it.

The scorecard is a plain dict, ready for JSON (NaN becomes null):

    lookalike_scorecard   version of this layout
    version, seed         of the library, of the subsamples
    rows                  {real, synthetic, holdout}; holdout is null without one
    columns               {total, scored, keys, dropped, text, kinds: {kind: count}}
    yardstick             {strength: "none" | "weak" | "overlapping" | "skewed" | "good", rows, note}
    diagnostic            {score, validity, structure, interval, fresh: {the same three}, columns: [worst first]}
    fidelity              {quality, column_shapes, pair_trends, pair_trends_all,
                           even: {the same four, rows, draws}, fresh: {the same four},
                           accuracy: {overall, univariate, bivariate, trivariate, max: {the same four},
                                      even: {the same five, bivariate_interval}, fresh: {the same five},
                                      triples: {possible, scored, worst: [{columns, accuracy, accuracy_max}]}},
                           dependencies: {broken, fresh, excess, excess_interval, rules, rows, pairs: [{columns: [determinants …, dependent],
                                          part, gaps, levels, rows, broken, fresh}, worst first]},
                           constraints: {broken, fresh, real, rules: [{rule, words, columns, broken, fresh, real}, worst
                                         first]}, of those that the schema declares,
                           detection: {auc, interval, rows, against: "holdout" | "real", columns: [{column, drop}],
                                       fresh: {the same}},
                           repeated: {count, share, interval, rows, excess, excess_interval, real}, of rows that stand
                                     twice in the synthetic table,
                           worst_column: {column, missing, shortfall, interval} | null,
                           worst_pair: {columns, tied, kept, fresh, shortfall, interval} | null,
                           pairs: {possible, scored, strong}, columns: [worst first], pair_scores: [worst first]};
                          a column: {column, kind, metric, score, even, fresh, accuracy, accuracy_max, missing_real,
                           missing_synthetic}; a pair: {columns, measure, score, even, fresh, accuracy, accuracy_max,
                           real, synthetic, strong}
    associations          {columns, left_out, measures, real, synthetic, fresh}: symmetric matrices of at most 100 columns,
                          null where undefined
    privacy               {exact_copies: {count, share, interval, rows, excess, excess_interval, fresh: {the same},
                                          holdout: {the same}}; the last two are null without a holdout,
                           closeness: {share, standard_error, interval, ties, rows, compared, control, fresh} | null,
                           nndr: {ratio, interval, tight, tight_fresh, excess, excess_interval, rows, compared} | null,
                           protection: {baseline, interval, baseline_fresh, overfitting, overfitting_interval, rows,
                                        compared},
                           leakage: {rare_levels, extremes, outliers, loners}, each {possible, count, share, interval,
                                    rows, compared, fresh, excess, excess_interval},
                           attacks: {singling_out_one, singling_out_many, linkability, inference}, each {attempts,
                                    attack, control, baseline, risk, interval} | null; inference has columns [{column,
                                    the same}, worst first] and worst as well; null without a holdout,
                           membership: {members, references, distance, density}, the last two {auc, auc_interval,
                                       tpr_at_1, tpr_at_1_interval, tpr_at_10, tpr_at_10_interval}; null without a
                                       holdout}
    utility               {target, task, measure, classes, rows, learners, baseline, headline, minority, importance,
                           notes}: see ``evaluate.utility.utility``; all but target and notes are null where nothing was
                           measured (no target, no holdout, no xgboost or lightgbm)
    verdicts              [{figure, kind: "fidelity" | "privacy" | "utility", plain, term, value, interval,
                            unit: "score" | "share", bound: "at least" | "at most", threshold,
                            verdict: "pass" | "fail" | "too few rows" | "missing"}] of every figure that has a limit
    worst                 {column, pair}: where to look first
    notes                 sentences a reader needs
    timings               seconds a part; parts run beside each other, so the whole takes less than their sum

``fresh`` is the holdout scored as if it were synthetic: what the best possible generator is expected to reach. Fewer rows
score lower by chance alone, so in ``fidelity`` the two are brought to as many rows where they differ by over 10 %:
``even`` is the mean of ``draws`` disjoint parts of the synthetic table of ``rows`` rows each (seeded), to be set against
``fresh``; a holdout that is the larger is parted for ``fresh`` instead. Both are held against the same rows: accuracy's
``even`` and ``fresh`` against the training rows alone, where its own figures have training and holdout rows as
reference, as mostlyai-qa's do. ``even`` and ``fresh`` are null without a holdout. Accuracy's ``max`` is what a fresh
real sample of as many rows as the table scored is expected to get. "Worst" is the greatest shortfall of ``even`` against
``fresh``, or the lowest score where there is no holdout.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pyarrow as pa

from lookalike.errors import InputError
from lookalike.evaluate import copies, diagnostic, entries, fidelity, privacy
from lookalike.evaluate.accuracy import Accuracy, accuracy
from lookalike.evaluate.constraints import constraints
from lookalike.evaluate.dependencies import dependencies
from lookalike.evaluate.detection import detection, fresh_detection
from lookalike.evaluate.figures import Thresholds
from lookalike.evaluate.lanes import one_core_each, side_by_side
from lookalike.evaluate.learners import missing_libraries
from lookalike.evaluate.pairs import PairTrends, pair_trends
from lookalike.evaluate.prepare import Column, prepare, scored, shared_keys
from lookalike.evaluate.utility import target_name, utility
from lookalike.evaluate.verdicts import verdicts
from lookalike.evaluate.worst import worst_column, worst_pair
from lookalike.evaluate.yardstick import Even, even_out, yardstick
from lookalike.schema import Schema
from lookalike.stats import WEAK_HOLDOUT, plain
from lookalike.versions import version_of

SCORECARD_VERSION = 2


def score(
    real: pa.Table,
    synthetic: pa.Table,
    schema: Schema,
    *,
    holdout: pa.Table | None = None,
    target: str | None = None,
    seed: int = 0,
    thresholds: Thresholds | None = None,
) -> dict[str, Any]:
    """Judge ``synthetic`` against the ``real`` rows it was made from, beside a ``holdout`` that no engine saw.

    ``target`` is the column that utility predicts; the one whose role is target when left out. ``thresholds`` are the
    limits behind the verdicts.

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
    rows = {name: table.num_rows for name, table in tables.items()}
    _load(target_name(scored(schema), target))
    sides = [name for name in tables if name != "real"]
    timings: dict[str, float] = {}
    with _timed(timings, "parse"):
        whole = prepare(tables, schema)
        columns, even = even_out(whole, rows, seed)
    found = _beside_each_other(
        timings,
        {
            "utility": {"": partial(utility, whole, target, seed)},
            "detection": {"": partial(_detection, whole, seed)},
            "dependencies": {"": partial(dependencies, whole, sides, seed, shared_keys(tables, schema))},
            "constraints": {"": partial(constraints, tables, schema)},
            "repeated": {"": lambda: copies.repeats(copies.identities(whole, ["real", "synthetic"]), seed)},
            "privacy": privacy.parts(whole, sides, seed),
            "likeness": {"": partial(_likeness, timings, columns, even, seed)},
            "diagnostic": {
                side: partial(diagnostic.diagnose, real, tables[side], schema, columns, side) for side in sides
            },
        },
    )
    shapes, pairs, accuracies = found["likeness"][""]
    safety = privacy.gather(found["privacy"])
    shape_entries = entries.column_entries(shapes, even, accuracies.columns)
    pair_entries = entries.pair_entries(columns, pairs, even, accuracies.pairs)
    card = {
        "lookalike_scorecard": SCORECARD_VERSION,
        "version": version_of("lookalike"),
        "seed": seed,
        "rows": {name: rows.get(name) for name in ("real", "synthetic", "holdout")},
        "columns": _column_counts(schema, columns),
        "yardstick": yardstick(rows.get("holdout", 0), safety["closeness"], safety["exact_copies"]["fresh"]),
        "diagnostic": _diagnostic(found["diagnostic"]),
        "fidelity": {**_fidelity(found, columns, even), "columns": shape_entries, "pair_scores": pair_entries},
        "associations": entries.associations(
            columns, pairs, bool(even.fresh), [entry["column"] for entry in shape_entries]
        ),
        "privacy": safety,
        "utility": found["utility"][""],
        "verdicts": [],
        "worst": {
            "column": shape_entries[0] if shape_entries else None,
            "pair": next((entry for entry in pair_entries if not math.isnan(entry["score"])), None),
        },
        "notes": _notes(schema, pairs, accuracies, tables),
        "timings": timings,
    }
    card = plain(card)
    return {**card, "verdicts": verdicts(card, thresholds)}


def _load(target: str | None) -> None:
    """Load the libraries of the pieces before these run beside each other. Whoever loads one holds Python's lock and waits for whoever
    looks through them to limit their threads, who waits for that lock: a card with a target stood still for ever.
    """
    import sklearn.ensemble  # noqa: F401

    if target is not None:
        missing_libraries()


def _beside_each_other(
    timings: dict[str, float], parts: dict[str, dict[str, Callable[[], Any]]]
) -> dict[str, dict[str, Any]]:
    """Run the pieces of all parts, {part: {piece: what it returned}}; a part's seconds are those of its pieces."""
    places = [(part, piece) for part, pieces in parts.items() for piece in pieces]

    def timed(part: str, piece: str) -> tuple[Any, float]:
        start = time.perf_counter()
        return parts[part][piece](), time.perf_counter() - start

    with one_core_each():
        done = side_by_side([partial(timed, *place) for place in places])
    found: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for (part, piece), (result, seconds) in zip(places, done, strict=True):
        found[part][piece] = result
        timings[part] = round(timings.get(part, 0.0) + seconds, 3)
    timings.pop("likeness")  # its parts stand there one by one
    return found


def _likeness(
    timings: dict[str, float], columns: list[Column], even: Even, seed: int
) -> tuple[list[dict[str, Any]], PairTrends, Accuracy]:
    """Columns, pairs, and bins; each with figures of "synthetic", "even" and "fresh"."""
    with _timed(timings, "columns"):
        shapes = fidelity.joined(fidelity.shapes(columns, even.sides), even)
    with _timed(timings, "pairs"):
        pairs = pair_trends(columns, even.sides, seed).joined(even)
    with _timed(timings, "accuracy"):
        found = accuracy(columns, even.sides, (pairs.places, pairs.possible), seed).joined(even)
    return shapes, pairs, found


def _fidelity(found: dict[str, dict[str, Any]], columns: list[Column], even: Even) -> dict[str, Any]:
    """What the pieces ``found`` say about likeness, but for single columns and pairs."""
    shapes, pairs, accuracies = found["likeness"][""]
    return {
        **fidelity.quality(shapes, pairs, "synthetic"),
        "even": {**fidelity.quality(shapes, pairs, "even"), "rows": even.rows, "draws": even.draws}
        if even.fresh
        else None,
        "fresh": fidelity.quality(shapes, pairs, "fresh") if even.fresh else None,
        "accuracy": _accuracy(columns, accuracies, even),
        **{part: found[part][""] for part in ("dependencies", "constraints", "repeated", "detection")},
        "worst_column": worst_column(shapes, even),
        "worst_pair": worst_pair(columns, accuracies.pairs, even),
        "pairs": {"possible": pairs.possible, "scored": len(pairs.places), "strong": int(pairs.strong.sum())},
    }


@contextmanager
def _timed(timings: dict[str, float], part: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[part] = round(time.perf_counter() - start, 3)


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


def _diagnostic(diagnoses: dict[str, dict[str, Any]]) -> dict[str, Any]:
    mine, fresh = diagnoses["synthetic"], diagnoses.get("holdout")
    fresh_scores = {entry["column"]: entry["score"] for entry in fresh["columns"]} if fresh else {}
    scored = [{**entry, "fresh": fresh_scores.get(entry["column"])} for entry in mine["columns"]]
    figures = ("score", "validity", "structure")
    return {
        **{figure: mine[figure] for figure in figures},
        "interval": diagnostic.interval(mine, fresh) if fresh else None,
        "fresh": {figure: fresh[figure] for figure in figures} if fresh else None,
        "columns": sorted(scored, key=lambda entry: entries.worst_first(entry["score"], None)),
    }


def _accuracy(columns: list[Column], accuracies: Accuracy, even: Even) -> dict[str, Any]:
    triples = accuracies.triples
    return {
        **accuracies.summary("synthetic"),
        "even": {**accuracies.summary("even"), "bivariate_interval": accuracies.bivariate_interval()}
        if even.fresh
        else None,
        "fresh": accuracies.summary("fresh") if even.fresh else None,
        "triples": {
            "possible": triples.possible,
            "scored": len(triples.places),
            "worst": entries.triple_entries(columns, triples),
        },
    }


def _detection(columns: list[Column], seed: int) -> dict[str, Any]:
    mine = detection(columns, seed)
    fresh = fresh_detection(columns, seed, mine["rows"]) if mine["against"] == "holdout" else None
    return {**mine, "fresh": fresh}


def _notes(schema: Schema, pairs: PairTrends, accuracies: Accuracy, tables: dict[str, pa.Table]) -> list[str]:
    notes, triples = [], accuracies.triples
    if len(pairs.places) < pairs.possible:
        notes.append(f"{len(pairs.places):,} of {pairs.possible:,} pairs were scored, chosen by the seed.")
    if len(triples.places) < triples.possible:
        notes.append(f"{len(triples.places):,} of {triples.possible:,} triples were scored, chosen by the seed.")
    if any(spec.kind == "text" and spec.modelled for spec in schema):
        notes.append("Columns of free text have no distribution to compare and are not scored.")
    notes += [
        f"The {name} table has only {tables[name].num_rows} rows: every figure is rough."
        for name in ("real", "synthetic")
        if tables[name].num_rows < WEAK_HOLDOUT
    ]
    return notes
