"""Conformance suites: what every encoder and engine must hold, for ours and for those you write.

>>> import numpy as np
>>> from lookalike.encode.category import CategoryEncoder
>>> from lookalike.schema import ColumnSpec
>>> import pyarrow as pa
>>> check_encoder(CategoryEncoder, ColumnSpec(name="a", kind="category"), pa.array(["x", None, "y"] * 9))
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from scipy.stats import beta

from lookalike.encode.base import ColumnEncoder, EncoderSettings
from lookalike.encode.numeric import NumericEncoder
from lookalike.model.base import EngineSettings, Generator
from lookalike.run import Run
from lookalike.schema import ColumnSpec, EncodedColumn, EncodedTable, Values, parse, spell


def check_encoder(
    kind: type[ColumnEncoder], spec: ColumnSpec, cells: pa.Array, settings: EncoderSettings | None = None
) -> None:
    """Raise AssertionError unless the encoder keeps its promises on ``cells``.

    Codes lie in [0, K); a residual stands only where the code is an interval; what was encoded decodes to the same
    values (rare ones excepted: pooled levels, values of a number of few) and spells the same cells; state goes through JSON and back; the same seed gives
    the same codes; and decoding any code at any residual gives a value of the column's kind, inside its range.
    """
    settings = settings or EncoderSettings()
    values = parse(cells, spec)
    encoder = kind(spec, settings)
    encoder.fit(values, np.random.default_rng(0))
    column = encoder.column
    codes, residuals = encoder.encode(values, np.random.default_rng(1))
    again, _ = encoder.encode(values, np.random.default_rng(1))
    assert codes.dtype == np.int32 and codes.shape == residuals.shape == (len(cells),)
    assert ((codes >= 0) & (codes < column.cardinality)).all(), "codes must lie in [0, K)"
    assert column.interval.shape == (column.cardinality,)
    assert (residuals[~column.interval[codes]] == 0).all(), "a residual stands only where the code is an interval"
    assert np.array_equal(codes, again), "the same seed must give the same codes"
    if column.ordered:
        assert column.representatives is not None
        present = column.representatives[~np.isnan(column.representatives)]
        assert (np.diff(present) >= 0).all(), "ordered codes are sorted by value"
    _check_round_trip(encoder, values, codes, residuals, cells)
    restored = kind(spec, settings)
    restored.restore(json.loads(json.dumps(encoder.state())))
    first = encoder.decode(codes, residuals, np.random.default_rng(2))
    assert _same(first, restored.decode(codes, residuals, np.random.default_rng(2))), "state must survive JSON"
    _check_any_code(encoder, values)


def _moved(encoder: ColumnEncoder, values: Values) -> np.ndarray:
    """(n,) bool: cells of a number of few values that too few rows hold for them to come back: between its spikes or beyond its ends."""
    if not (isinstance(encoder, NumericEncoder) and encoder.few):
        return np.zeros(len(values), bool)
    numbers, spikes = values.as_numbers, encoder.spikes
    distinct, counts = np.unique(values.present, return_counts=True)
    rare = np.isin(numbers, distinct[counts < encoder.settings.rare_rows]) & ~np.isin(numbers, spikes) & ~values.missing
    within = (numbers > spikes[0]) & (numbers < spikes[-1])
    return np.asarray(rare & (within | (numbers < encoder.low) | (numbers > encoder.high)))


def _check_round_trip(
    encoder: ColumnEncoder, values: Values, codes: np.ndarray, residuals: np.ndarray, cells: pa.Array
) -> None:
    back = encoder.decode(codes, residuals, np.random.default_rng(2))
    assert np.array_equal(back.missing, values.missing), "missing must come back as missing"
    pooled = getattr(encoder, "rare", np.zeros(0, bool)).any()
    if values.numbers is not None:
        assert back.as_numbers.dtype == values.numbers.dtype
        exact = values.numbers.dtype.kind in "iu" and _width(values.numbers) < 2**52
        scale, kept = _scale(values.numbers), ~_moved(encoder, values)
        found, wanted = back.as_numbers[kept], values.numbers[kept]
        close = np.array_equal(found, wanted) if exact else np.allclose(found / scale, wanted / scale)
        rows = pa.array(kept)  # a narrow float holds less than a float64 tells
        close = close or spell(back, encoder.spec).filter(rows).equals(cells.filter(rows))
        assert close, "numbers must come back as they were"
    elif not pooled:
        assert spell(back, encoder.spec).equals(spell(values, encoder.spec)), "labels must come back as they were"
    assert spell(back, encoder.spec).type == spell(values, encoder.spec).type == cells.type


def _width(numbers: np.ndarray) -> int:
    return int(numbers.max()) - int(numbers.min()) if len(numbers) else 0


def _scale(numbers: np.ndarray) -> float:
    return max(float(np.abs(numbers.astype(np.float64)).max(initial=0)), 5e-324)


def _same(first: Values, second: Values) -> bool:
    one, two = (values.numbers if values.numbers is not None else values.codes for values in (first, second))
    assert one is not None and two is not None
    return np.array_equal(first.missing, second.missing) and np.array_equal(one, two)


def _check_any_code(encoder: ColumnEncoder, values: Values) -> None:
    rng, column = np.random.default_rng(3), encoder.column
    codes = rng.integers(0, column.cardinality, 500).astype(np.int32)
    drawn = encoder.decode(codes, rng.uniform(-1, 1, 500), rng)
    if values.numbers is not None:
        seen, made = values.present, drawn.present
        if len(seen) and len(made):
            assert made.min() >= seen.min() and made.max() <= seen.max(), "decoding never leaves the observed range"
    else:
        known = set(spell(values, encoder.spec).to_pylist())
        assert set(spell(drawn, encoder.spec).to_pylist()) <= known, "a value is never invented"


def toy_table(rows: int = 400, seed: int = 0) -> EncodedTable:
    """An encoded table with a strong relation in it: a category, a number that depends on it, a constant and a spike."""
    rng = np.random.default_rng(seed)
    category = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    mode = np.where(rng.random(rows) < 0.9, np.minimum(category, 1), 2)
    residual = np.where(mode < 2, np.clip(rng.normal(0.3 * category - 0.3, 0.2, rows), -1, 1), 0.0)
    columns = (
        EncodedColumn("category", 3, np.zeros(3, bool)),
        EncodedColumn("number", 3, np.array([True, True, False]), True, np.array([0.0, 1.0, 2.0])),
        EncodedColumn("constant", 1, np.zeros(1, bool)),
    )
    codes = np.stack([category, mode, np.zeros(rows, int)], axis=1).astype(np.int32)
    return EncodedTable(columns, codes, np.stack([np.zeros(rows), residual, np.zeros(rows)], axis=1))


def check_generator(
    kind: Callable[[EngineSettings], Generator], settings: EngineSettings, table: EncodedTable | None = None
) -> None:
    """Raise AssertionError unless the engine keeps its promises on ``table``.

    Row counts are exact, from 0 up; codes and residuals are in range; the same seed gives the same model and the same
    rows, other seeds others; state survives the way through JSON and arrays; and a second fit leaves nothing of the first.
    """
    table = table or toy_table()
    model = kind(settings)
    model.fit(table, seed=0, run=Run())
    for rows in (0, 1, 7, 1000):
        drawn = model.sample(rows, seed=1)
        assert drawn.codes.shape == drawn.residuals.shape == (rows, len(table.columns)), "row counts are exact"
        for place, column in enumerate(table.columns):
            codes, residuals = drawn.codes[:, place], drawn.residuals[:, place]
            assert ((codes >= 0) & (codes < column.cardinality)).all(), "codes must lie in [0, K)"
            assert (residuals[~column.interval[codes]] == 0).all(), (
                "a residual stands only where the code is an interval"
            )
            assert (np.abs(residuals) <= 1 + 1e-6).all() and np.isfinite(residuals).all()
    first = model.sample(300, seed=1)
    assert _equal(first, model.sample(300, seed=1)), "the same seed must give the same rows"
    assert not _equal(first, model.sample(300, seed=2)), "another seed must give other rows"
    state, arrays = model.state()
    restored = type(model).from_state(table.columns, settings, json.loads(json.dumps(state)), arrays)
    assert _equal(first, restored.sample(300, seed=1)), "state must survive"
    model.fit(table, seed=0, run=Run())
    assert _equal(first, model.sample(300, seed=1)), "the same seed must give the same model, and a refit starts afresh"


def _equal(first: EncodedTable, second: EncodedTable) -> bool:
    return np.array_equal(first.codes, second.codes) and np.array_equal(first.residuals, second.residuals)


def proven_epsilon(with_it: np.ndarray, without_it: np.ndarray, delta: float, confidence: float = 0.999) -> float:
    """The ε that an attack proves: no (ε, δ)-private mechanism with less gives scores that tell so well whether a record took part.

    The threshold is picked on the first half of the runs and held against the second, with Clopper and Pearson's bounds for both error
    rates (Jagielski et al. 2020, arXiv 2006.07709; Nasr et al. 2023, arXiv 2302.07956). A claim below what this returns is false, but for
    a chance of ``1 - confidence``.

    Shape
    -----
    with_it, without_it (runs,): the attack's score a run, larger where it thinks that the record took part

    >>> rng = np.random.default_rng(0)
    >>> proven_epsilon(rng.normal(9, 1, 1000), rng.normal(0, 1, 1000), 1e-5) > 3.5
    True
    >>> proven_epsilon(rng.normal(0, 1, 1000), rng.normal(0, 1, 1000), 1e-5)
    0.0
    """
    half = min(len(with_it), len(without_it)) // 2
    scores = np.unique(np.concatenate([with_it[:half], without_it[:half]]))
    # halfway between scores: at one of them, a score of the second half that rounding put just below it would be a miss
    thresholds = np.concatenate([scores[:1], (scores[:-1] + scores[1:]) / 2])
    failure = (1 - confidence) / 2
    found = [_bound(with_it[:half], without_it[:half], threshold, delta, failure) for threshold in thresholds]
    best = thresholds[int(np.argmax(found))]
    return max(_bound(with_it[half:], without_it[half:], best, delta, failure), 0.0)


def _bound(with_it: np.ndarray, without_it: np.ndarray, threshold: float, delta: float, failure: float) -> float:
    """log((true positive rate − δ) / false positive rate), at the unfavourable ends of their intervals."""
    hits, alarms = int((with_it >= threshold).sum()), int((without_it >= threshold).sum())
    least = float(beta.ppf(failure, hits, len(with_it) - hits + 1)) if hits else 0.0
    most = float(beta.ppf(1 - failure, alarms + 1, len(without_it) - alarms)) if alarms < len(without_it) else 1.0
    return float(np.log((least - delta) / most)) if least > delta else -np.inf
