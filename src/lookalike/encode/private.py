"""Codes learned under differential privacy: which labels there are, where numbers lie, how finely they are written.

Everything here is a table of counts with Gaussian noise, written in the ledger before it is drawn. Codes that are not known
beforehand (labels, frequent numbers) come back only where their noisy count passes a threshold that one row's own value
passes with a probability δ′ (Korolova et al. 2009, "Releasing search queries and clicks privately"; Wilkins et al. 2024,
"Exact privacy analysis of the Gaussian sparse histogram mechanism", of which the sum of both δ is the simple bound). What
the schema declares (levels, bounds, decimals) is public and costs nothing. The encoders that come out are the usual ones.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike import noise
from lookalike.accountant import gaussian, threshold
from lookalike.characters import flag
from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.ladder import Cells, ladder, places_written, public_range
from lookalike.encode.numeric import NumericEncoder, at_nearest
from lookalike.errors import LookalikeWarning
from lookalike.ledger import Ledger
from lookalike.schema import Values
from lookalike.schema.axis import declared_bounds
from lookalike.schema.types import is_text

THRESHOLDS_SHARE = 0.1
"""Part of δ that may go to values unknown beforehand."""
ROWS_SHARE = 0.002
"""Part of the budget for the number of rows, where it is not public: a hundredth of the noise that a column's counts bear."""
WEIGHTS = {"labels": 1.0, "values": 1.0, "ladder": 0.5, "refinement": 0.5, "written": 0.15}
"""What each look at a column costs, in proportion."""
REFINEMENTS = 2
SURE = 4.0
"""Noise deviations above which a count is taken to be there."""
MOST_DECLARED = 256
"""An integer with declared bounds has a code for each value if there are no more than so many."""
FEWEST_DEVIATIONS = 3.0
"""A bin's count stands so far above its noise at least."""
MOST_BINS = 64
OTHER = "(other)"
"""How labels are spelled that too few rows hold for their name to be told."""


@dataclass
class Account:
    """The part of the budget that goes to the columns' codes, split evenly over what has to be learned.

    Attributes
    ----------
    sigma
        Noise of a look of weight 1, in sensitivities.
    delta
        δ′ of each threshold.
    rows, rows_deviation
        The number of rows that is known, public or noised, and the standard deviation of its noise.
    """

    ledger: Ledger
    sigma: float
    delta: float
    rows: int
    rows_deviation: float

    @classmethod
    def open(
        cls, ledger: Ledger, encoders: dict[str, ColumnEncoder], share: float, rows: int, rows_deviation: float
    ) -> Account:
        weight = sum(_weight(encoder) for encoder in encoders.values())
        thresholds = sum(_unknown(encoder) for encoder in encoders.values())
        return cls(
            ledger,
            ledger.sigma(share, thresholds=reserved(ledger)) * math.sqrt(weight),
            reserved(ledger) / max(thresholds, 1),
            rows,
            rows_deviation,
        )

    def counts(self, true: np.ndarray, weight: str, what: str) -> tuple[np.ndarray, float]:
        """(k,) counts with noise, and its standard deviation; the spend is written first."""
        sigma = self.sigma / math.sqrt(WEIGHTS[weight])
        self.ledger.spend("domain", gaussian(sigma), what)
        deviation = sigma * self.ledger.rows_per_subject
        return true + noise.integers(true.shape, deviation), deviation

    def passing(self, deviation: float, what: str) -> float:
        """The count above which values unknown beforehand are told."""
        self.ledger.spend("domain", threshold(self.delta), what)
        rows = self.ledger.rows_per_subject
        return rows + 1 + deviation * NormalDist().inv_cdf(1 - self.delta / rows)  # 1: noise is rounded


def default_share(ledger: Ledger, rows: int) -> float:
    """The part of the budget for codes: more where noise hides more. Measured on Adult: .35 at ε = 1, .15 at ε = 8.

    >>> from lookalike.ledger import Budget
    >>> [round(default_share(Ledger(Budget(epsilon=e, delta=1e-5)), 24_000), 2) for e in (1, 3, 8)]
    [0.35, 0.21, 0.15]
    """
    visible = rows / (ledger.sigma(1.0) * ledger.rows_per_subject)
    return float(np.clip(0.35 * math.sqrt(6_400 / visible), 0.15, 0.5))


def reserved(ledger: Ledger) -> float:
    """The part of δ kept for thresholds."""
    return THRESHOLDS_SHARE * ledger.budget.delta


def _weight(encoder: ColumnEncoder) -> float:
    if not isinstance(encoder, NumericEncoder):
        return WEIGHTS["labels"]
    if _declared_values(encoder) is not None:
        return WEIGHTS["values"]
    written = 0.0 if _written_is_known(encoder) else WEIGHTS["written"]
    return WEIGHTS["values"] + WEIGHTS["ladder"] + REFINEMENTS * WEIGHTS["refinement"] + written


def _unknown(encoder: ColumnEncoder) -> bool:
    """Whether a threshold is needed."""
    if isinstance(encoder, NumericEncoder):
        return _declared_values(encoder) is None
    return encoder.spec.levels is None and encoder.spec.kind != "boolean"


def count_rows(rows: int, ledger: Ledger) -> tuple[int, float]:
    """The number of rows, as it is where it is public, otherwise noised and paid for; and the standard deviation of its noise."""
    if ledger.rows_are_public:
        return rows, 0.0
    sigma = ledger.sigma(ROWS_SHARE, thresholds=reserved(ledger))
    ledger.spend("rows", gaussian(sigma), "the number of rows")
    deviation = sigma * ledger.rows_per_subject
    return max(int(rows + noise.integers(1, deviation)[0]), 1), deviation


def fit_privately(encoder: ColumnEncoder, values: Values, account: Account) -> None:
    """Learn one column's codes."""
    if isinstance(encoder, NumericEncoder):
        _fit_number(encoder, values, account)
    else:
        assert isinstance(encoder, CategoryEncoder)
        _fit_labels(encoder, values, account)
    encoder.fitted = True


# --------------------------------------------------------------------------------------------------------------- labels


def _fit_labels(encoder: CategoryEncoder, values: Values, account: Account) -> None:
    assert values.codes is not None and values.levels is not None
    name = encoder.spec.name
    true = np.append(
        np.bincount(values.codes[~values.missing], minlength=len(values.levels)), int(values.missing.sum())
    )
    noisy, deviation = account.counts(true, "labels", name)
    counts, missing = noisy[:-1], noisy[-1]
    levels = values.levels
    if _unknown(encoder):
        # only levels that occur are counted, so each must pass; sorted where no type gives an order, or that of rows would show
        kept = np.flatnonzero(counts > account.passing(deviation, name))
        if encoder.spec.kind != "ordinal":
            kept = kept[pc.sort_indices(levels.take(pa.array(kept, pa.int64()))).to_numpy()]
        levels, counts = levels.take(pa.array(kept, pa.int64())), counts[kept]
        if not len(levels):
            warnings.warn(
                f"a label has to be frequent to be told within a budget, however: none of column {name!r} is. All its cells come back as one. "
                f"Declare its levels in the schema, make it up ({flag('key', name)}), or drop it ({flag('drop', name)}).",
                LookalikeWarning,
                stacklevel=2,
            )
        rest = account.rows - counts.sum() - max(missing, 0)
        unsure = math.hypot(deviation * math.sqrt(len(counts) + 1), account.rows_deviation)
        told = encoder.settings.rare_categories == "pool" and is_text(levels.type)
        told &= pc.index(levels.cast(pa.string()), OTHER).as_py() < 0 if is_text(levels.type) else False
        if told and (rest > SURE * unsure or not len(levels)):
            levels = pa.concat_arrays([levels, pa.array([OTHER], levels.type)])
            counts = np.append(counts, max(rest, 1))
    encoder.has_missing = bool(missing > SURE * deviation) or not len(levels)
    encoder.levels = levels
    encoder.counts = np.maximum(counts, 1).astype(np.int64)
    encoder.place_codes(np.zeros(len(levels), bool))
    encoder.pool_weights = np.zeros(0)
    measured = np.append(counts, missing) if encoder.has_missing else counts
    encoder.measured = measured.astype(np.float64)
    encoder.deviations = np.full(len(measured), deviation)
    if len(measured) > 1 and len(levels) and levels[-1].as_py() == OTHER and _unknown(encoder):
        encoder.deviations[len(levels) - 1] = deviation * math.sqrt(len(levels))


# -------------------------------------------------------------------------------------------------------------- numbers


def _declared_values(encoder: NumericEncoder) -> np.ndarray | None:
    """Every value an integer may have, where its declared bounds leave few; else None."""
    spec = encoder.spec
    if spec.kind == "float" or spec.minimum is None or spec.maximum is None:
        return None
    low, high = math.ceil(spec.minimum / spec.step), math.floor(spec.maximum / spec.step)
    return None if high - low >= MOST_DECLARED or high < low else np.arange(low, high + 1) * spec.step


def _written_is_known(encoder: NumericEncoder) -> bool:
    """Whether decimals or step stand in the schema (a decimal type states its own)."""
    return bool({"decimals", "step"} & encoder.spec.model_fields_set)


def _fit_number(encoder: NumericEncoder, values: Values, account: Account) -> None:
    encoder.dtype = values.as_numbers.dtype
    numbers = values.present
    low, high = _public_bounds(encoder)
    numbers = np.clip(numbers, low, high)
    declared = _declared_values(encoder)
    missing = int(values.missing.sum())
    if declared is not None:
        spikes = declared.astype(encoder.dtype)
        places = np.clip(np.searchsorted(spikes, numbers), 0, len(spikes) - 1)
        true = np.append(np.bincount(places, minlength=len(spikes)), missing)
        counts, deviation = account.counts(true, "values", encoder.spec.name)
        _settle(encoder, spikes, counts[:-1], counts[-1], deviation, None)
        return
    if not _written_is_known(encoder):
        _learn_written(encoder, numbers, account)
    spikes, counts, missing_count, deviation = _frequent(encoder, numbers, missing, account)
    rest = numbers[~np.isin(numbers, spikes)]
    rest_rows = max(account.rows - counts.sum() - max(missing_count, 0), 0)
    cells = _locate(encoder, rest, (low, high), rest_rows, account)
    _settle(encoder, spikes, counts, missing_count, deviation, cells)


def _public_bounds(encoder: NumericEncoder) -> tuple[float | int, float | int]:
    """What the schema declares, or else the type's own range."""
    spec, dtype = encoder.spec, encoder.dtype
    ends = public_range(dtype, spec)
    low, high = declared_bounds(spec, dtype)
    return ends[0] if low is None else low, ends[1] if high is None else high


def _learn_written(encoder: NumericEncoder, numbers: np.ndarray, account: Account) -> None:
    """Decimals of a float, step of an integer or a date: the coarsest that nearly every row keeps to."""
    steps, places = places_written(numbers, encoder.spec)
    counts, deviation = account.counts(np.bincount(places, minlength=len(steps)), "written", encoder.spec.name)
    finer = np.append(np.cumsum(counts[::-1])[::-1][1:], 0)  # rows that need a finer one than each
    allowed = np.maximum(SURE * deviation * np.sqrt(np.arange(len(steps))[::-1]), 0.002 * account.rows)
    chosen = steps[int(np.flatnonzero(finer <= allowed)[0])]
    what = "decimals" if encoder.spec.kind == "float" else "step"
    encoder.spec = encoder.spec.replace(**{what: chosen})


def _frequent(
    encoder: NumericEncoder, numbers: np.ndarray, missing: int, account: Account
) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Values that many rows share, their noisy counts, that of missing cells, and the noise's deviation."""
    distinct, true = np.unique(numbers, return_counts=True)
    counts, deviation = account.counts(np.append(true, missing), "values", encoder.spec.name)
    passes = counts[:-1] > account.passing(deviation, encoder.spec.name)
    return distinct[passes], counts[:-1][passes], int(counts[-1]), deviation


def _locate(
    encoder: NumericEncoder, numbers: np.ndarray, bounds: tuple[float | int, float | int], rows: float, account: Account
) -> Cells | None:
    """Where numbers lie, from coarse to fine: cells of a public ladder, then those with many rows in parts, again and again.

    A cell whose count is not surely above its noise is left out; numbers there go to the nearest cell that is not.
    """
    first = ladder(encoder.dtype, encoder.spec, bounds)
    first = first.measured(lambda true: account.counts(true, "ladder", encoder.spec.name), numbers)
    cells = first.surely()
    for _ in range(REFINEMENTS):
        if cells is None:
            account.counts(np.zeros(1, np.int64), "refinement", encoder.spec.name)  # the same spends whatever was found
            continue
        most = max(rows / MOST_BINS, FEWEST_DEVIATIONS * float(cells.deviations.max()))
        cells = cells.refined(most, lambda true: account.counts(true, "refinement", encoder.spec.name), numbers)
    return cells


def _settle(
    encoder: NumericEncoder,
    spikes: np.ndarray,
    counts: np.ndarray,
    missing: float,
    deviation: float,
    cells: Cells | None,
) -> None:
    """Put spikes and cells together as the encoder keeps them."""
    encoder.has_missing = bool(missing > SURE * deviation) or (cells is None and not len(spikes))
    encoder.spikes, encoder.few = spikes, False
    ends = [*(spikes[[0, -1]] if len(spikes) else []), *(cells.ends(encoder.dtype) if cells is not None else [])]
    encoder.low = encoder.dtype.type(min(ends, default=0))
    encoder.high = encoder.dtype.type(max(ends, default=0))
    measured, deviations = [counts.astype(np.float64)], [np.full(len(counts), deviation)]
    encoder.intervals = None
    if cells is not None:
        zero = int(encoder.low) if encoder.dtype.kind in "iu" else 0.0
        encoder.intervals, bin_counts, bin_deviations = cells.bins(zero, MOST_BINS, FEWEST_DEVIATIONS)
        measured.append(bin_counts)
        deviations.append(bin_deviations)
    encoder.place_codes()
    order = np.argsort(np.concatenate([encoder.code_of_spike, encoder.code_of_interval]))
    tail = [np.array([missing], np.float64)] if encoder.has_missing else []
    encoder.measured = np.concatenate([np.concatenate(measured)[order], *tail])
    encoder.deviations = np.concatenate([np.concatenate(deviations)[order], np.full(len(tail), deviation)])


# ------------------------------------------------------------------------------------------------------------- encoding


def encode_privately(encoder: ColumnEncoder, values: Values) -> tuple[np.ndarray, np.ndarray]:
    """(n,) codes and residuals, as ``encoder.encode``; but a value without a code of its own gets one, row by row.

    A label that is not told goes to ``(other)``, or else is drawn by the noisy counts, as is a missing cell where missing
    has no code; a number goes to the nearest code. No seed drives these draws: with a known one, a row more or less would
    change, by its place, what other rows get, and so count for more than one row.
    """
    rng = noise.fresh_generator()
    weights = np.maximum(np.asarray(encoder.measured, np.float64), 0) + 1e-9
    codes = rng.choice(len(weights), len(values), p=weights / weights.sum()).astype(np.int32)
    residuals = np.zeros(len(values))
    if isinstance(encoder, NumericEncoder) and encoder.intervals is None and len(encoder.spikes):
        values = Values(values.missing, at_nearest(values.as_numbers, encoder.spikes))
    known = _known(encoder, values)
    if known.any():
        codes[known], residuals[known] = encoder.encode(values.take(known), rng)
    if isinstance(encoder, CategoryEncoder):
        other = pc.index(encoder.levels.cast(pa.string()), OTHER).as_py() if is_text(encoder.levels.type) else -1
        if other >= 0 and _unknown(encoder):
            codes[~known & ~values.missing] = encoder.code_of_level[other]
    drawn = encoder.column.interval[codes] & ~known
    residuals[drawn] = rng.uniform(-1, 1, int(drawn.sum()))
    return codes, residuals


def _known(encoder: ColumnEncoder, values: Values) -> np.ndarray:
    """(n,) bool: which cells have a code."""
    known = np.where(values.missing, encoder.has_missing, True)
    if isinstance(encoder, CategoryEncoder):
        known &= values.missing | (values.codes_in(encoder.levels) >= 0)
    elif isinstance(encoder, NumericEncoder) and encoder.intervals is None:
        known &= values.missing | (len(encoder.spikes) > 0)
    return known
