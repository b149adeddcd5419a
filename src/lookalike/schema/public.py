"""What columns are, without a look at their cells beyond what the ledger paid for.

Kinds follow from storage types, which count as public: whole numbers are integers, text is a category. A file of text alone
(CSV) has no types: there every row votes on how its cell is written, and the votes are counted with noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike import noise
from lookalike.accountant import gaussian
from lookalike.errors import InputError
from lookalike.ledger import Ledger
from lookalike.schema import dates
from lookalike.schema.column import ColumnSpec, Kind, Schema
from lookalike.schema.infer import check_type
from lookalike.schema.texts import MISSING_TEXTS
from lookalike.schema.types import is_text
from lookalike.schema.values import parse, widen
from lookalike.schema.written import LEADING_ZERO, TEXT_OF_NUMBER

VOTES_SHARE = 0.03
"""Part of the budget for how text is written, over all such columns."""
ENOUGH = 0.95
"""Share of the votes that settles it; cells written otherwise are then missing."""
SURE = 3.0
"""Standard deviations of the noise that votes against are allowed."""
WHOLE = r"^[+-]?\d{1,18}$"
FORMATS = tuple(
    day + time for day in ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y") for time in ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S")
)
"""Formats that cannot be taken for one another; others have to be declared."""
PUBLIC = "names, order and storage types of the columns"


def public_schema(table: pa.Table, declared: Schema | None, ledger: Ledger) -> Schema:
    """A spec for every column: the declared one, or what its storage type says, or the noised votes of its cells."""
    known = {} if declared is None else {spec.name: spec for spec in declared}
    undeclared = [name for name in table.column_names if name not in known]
    texts = [name for name in undeclared if is_text(table.schema.field(name).type)]
    sigma = ledger.sigma(VOTES_SHARE, len(texts)) if texts else 0.0
    columns = []
    for name in table.column_names:
        if name in known:
            columns.append(known[name])
        elif name in texts:
            columns.append(_by_votes(name, table.column(name).combine_chunks(), sigma, ledger))
        else:
            columns.append(_by_type(name, table.schema.field(name).type))
    ledger.public.append(PUBLIC)
    if known:
        ledger.public.append("what the schema declares of " + ", ".join(sorted(known)))
    return Schema(columns)


def _by_type(name: str, storage: pa.DataType) -> ColumnSpec:
    check_type(name, storage)
    spec = {"name": name, "storage": str(storage)}
    kind: Kind = "category"
    if pa.types.is_dictionary(storage):
        kind = "ordinal" if storage.ordered else "category"
    elif pa.types.is_boolean(storage):
        kind = "boolean"
    elif pa.types.is_timestamp(storage) or pa.types.is_date(storage):
        kind = "datetime"
    elif pa.types.is_integer(storage) or pa.types.is_temporal(storage):
        kind = "integer"
    elif pa.types.is_decimal(storage):
        return ColumnSpec(**spec, kind="float", decimals=max(storage.scale, 0))
    elif pa.types.is_floating(storage):
        kind = "float"
    return ColumnSpec(**spec, kind=kind)


def _by_votes(name: str, array: pa.Array, sigma: float, ledger: Ledger) -> ColumnSpec:
    """Number, date or category, as nearly all rows have it."""
    votes = _votes(array)
    ledger.spend("domain", gaussian(sigma), f"how {name} is written")
    deviation = sigma * ledger.rows_per_subject
    true = np.bincount(votes, minlength=len(FORMATS) + 4)
    _, other, whole, fraction, *in_format = true + noise.integers(true.shape, deviation)
    spec = {"name": name, "storage": str(array.type)}
    if _settled(whole + fraction, [other, *in_format], deviation):
        return ColumnSpec(**spec, kind="float" if fraction > 4 * deviation else "integer")
    best = int(np.argmax(in_format))
    if _settled(in_format[best], [other, whole, fraction, *np.delete(in_format, best)], deviation):
        return ColumnSpec(**spec, kind="datetime", format=FORMATS[best])
    return ColumnSpec(**spec, kind="category")


def _settled(votes: float, others: list[float], deviation: float) -> bool:
    """Whether so many noised votes are nearly all: the others' sum may be ``1 - ENOUGH`` of all votes, and what their noise explains."""
    against = sum(others)
    chance = SURE * deviation * np.sqrt(len(others))
    return bool(against <= (1 - ENOUGH) * (votes + against) + chance and votes > max(against, chance))


def _votes(array: pa.Array) -> np.ndarray:
    """(n,) int64: 0 missing, 1 other text, 2 whole number, 3 number, 4 and up the formats."""
    texts = array.cast(pa.string())
    true = lambda mask: pc.fill_null(mask, False).to_numpy(zero_copy_only=False)  # noqa: E731
    votes = np.ones(len(texts), np.int64)
    number = true(pc.match_substring_regex(texts, TEXT_OF_NUMBER))
    number &= ~true(pc.match_substring_regex(texts, LEADING_ZERO))
    votes[number] = 3
    votes[number & true(pc.match_substring_regex(texts, WHOLE))] = 2
    dated = true(pc.match_substring_regex(texts, r"^\d+[-/.]\d+[-/.]\d+")) & ~number
    if dated.any():
        places = np.flatnonzero(dated)
        some = texts.take(pa.array(places))
        for place, format in enumerate(FORMATS):
            votes[places[dates.try_format(some, format)[1]]] = 4 + place
    missing = true(pc.is_in(texts, pa.array(MISSING_TEXTS)))
    votes[missing | pc.is_null(texts).to_numpy(zero_copy_only=False)] = 0
    return votes


def as_declared(table: pa.Table, schema: Schema) -> pa.Table:
    """The table with every cell that is not written as its column is, or that the column cannot hold, and every text for missing, made
    missing: refused, one row's cell would decide whether there is anything to publish."""
    for spec, place, array, _, fits in _held(table, schema):
        if not fits.all():
            table = table.set_column(place, spec.name, _only(array, fits))
    return table


def misfits(table: pa.Table, schema: Schema) -> dict[str, int]:
    """How many cells of each column say what it cannot hold, where any does: :func:`as_declared` makes them missing.

    >>> misfits(pa.table({"code": ["1", "V7", "?", None]}), Schema([ColumnSpec(name="code", kind="integer")]))
    {'code': 1}
    """
    counts = {spec.name: int((there & ~fits).sum()) for spec, _, _, there, fits in _held(table, schema)}
    return {name: count for name, count in counts.items() if count}


def _held(table: pa.Table, schema: Schema) -> Iterator[tuple[ColumnSpec, int, pa.Array, np.ndarray, np.ndarray]]:
    """The modelled columns, held against what they are: spec, place, cells, which say anything, and which of the cells may stay."""
    for spec in schema.modelled:
        place = table.column_names.index(spec.name)
        array = table.column(place).combine_chunks()
        there = array.is_valid().to_numpy(zero_copy_only=False)
        fits = np.ones(len(array), bool)
        by_votes = spec.numeric or spec.kind == "category"
        if is_text(array.type) and by_votes and not spec.missing_text and not spec.dressed:
            votes = _votes(array)
            there, fits = votes > 0, _fitting(spec, votes)
        yield spec, place, array, there, fits & _readable(_only(array, fits), spec)


def _only(array: pa.Array, fits: np.ndarray) -> pa.Array:
    """The cells that fit, the others missing."""
    return array if fits.all() else array.take(pa.array(np.arange(len(array)), mask=~fits))


def _readable(array: pa.Array, spec: ColumnSpec) -> np.ndarray:
    """Which cells :func:`parse` takes, (n,) bool."""
    parse(array.slice(0, 0), spec)  # what is wrong with the spec is told, not laid to the cells
    if _takes(array, spec):
        return np.ones(len(array), bool)
    encoded = array if pa.types.is_dictionary(array.type) else widen(array).dictionary_encode()
    taken = np.append(_taken(encoded.dictionary, spec), True)  # the last is for missing cells
    return np.asarray(taken[pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy()])


def _taken(distinct: pa.Array, spec: ColumnSpec) -> np.ndarray:
    """Which of some values :func:`parse` takes: of those that it refuses each half is tried, and their halves."""
    if _takes(distinct, spec):
        return np.ones(len(distinct), bool)
    if len(distinct) == 1:
        return np.zeros(1, bool)
    half = len(distinct) // 2
    return np.concatenate([_taken(distinct.slice(0, half), spec), _taken(distinct.slice(half), spec)])


def _takes(array: pa.Array, spec: ColumnSpec) -> bool:
    """Whether all cells can be read, and none has all read as another type: text beyond 63 bits makes whole numbers unsigned ones."""
    try:
        numbers = parse(array, spec).numbers
    except InputError:
        return False
    return not is_text(array.type) or numbers is None or numbers.dtype != np.uint64


def _fitting(spec: ColumnSpec, votes: np.ndarray) -> np.ndarray:
    """Which cells are written as their column is, (n,) bool; see :func:`_votes`."""
    if spec.kind == "integer" and not spec.span:
        return votes == 2
    if spec.kind == "float":
        return (votes == 2) | (votes == 3)
    if spec.kind == "datetime" and spec.format in FORMATS:
        return votes == 4 + FORMATS.index(spec.format)
    return votes > 0


def bounded(table: pa.Table, subject: str, most: int) -> pa.Table:
    """At most ``most`` rows of each subject, chosen at random, so that no subject counts for more."""
    codes = table.column(subject).combine_chunks().dictionary_encode().indices
    owners = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
    shuffled = noise.fresh_generator().permutation(len(owners))
    order = shuffled[np.argsort(owners[shuffled], kind="stable")]
    sorted_owners = owners[order]
    firsts = np.searchsorted(sorted_owners, sorted_owners)
    kept = np.sort(order[np.arange(len(order)) - firsts < most])
    return table.take(pa.array(kept))
