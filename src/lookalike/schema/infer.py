"""Look at a table and say what its columns are. Conservative: when in doubt, the kind that does least harm.

What is inferred is shown to the user (``lookalike schema``), can be edited, and is handed back with ``--schema``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import InputError, LookalikeWarning
from lookalike.schema import dates, lasting, written
from lookalike.schema.calendar import with_days
from lookalike.schema.column import ColumnSpec, Schema
from lookalike.schema.grain import (
    LARGEST_WHOLE,
    MAXIMUM_DECIMALS,
    decimals_of_floats,
    largest_step,
    once_single,
    round_step,
    with_significant,
    with_step,
)
from lookalike.schema.identity import (
    KEY_ROWS,
    NEARLY_ALL,
    NEARLY_ROWS,
    UUID,
    UUID_PATTERN,
    are_personal,
    identifies,
    is_integer_key,
    named_like_a_key,
    repeated_key,
    with_references,
    with_their_keys,
)
from lookalike.schema.types import arrow_type, is_text, value_type
from lookalike.schema.values import parse, widen, without_missing_text
from lookalike.stats import FEW_PEOPLE

MISSING_TEXTS = (
    "NA",
    "N/A",
    "n/a",
    "nan",
    "NaN",
    "NAN",
    "NULL",
    "Null",
    "null",
    "None",
    "<NA>",
    "NaT",
    "#N/A",
    "0000-00-00",
    "0000-00-00 00:00:00",
    "?",
    "-",
    "\\N",
    ".",
    "..",
    "--",
    "na",
    "n.a.",
    "N.A.",
    "nil",
    "(null)",
    "<null>",
    "#NULL!",
    "#DIV/0!",
    "#VALUE!",
)
TOKEN = r"^[0-9A-Za-z_+/=.:-]+$"
"""A checksum, a signature, a path: long, but no sentence."""
BOOLEAN_TEXTS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("1", "0"))
MANY_LEVELS = 100_000
SENTENCES, SENTENCES_SHARE = 30, 0.1
"""Texts that one cell each holds, at least, and their share of the cells, for a column of sentences beside a stock phrase."""


def infer_schema(table: pa.Table, declared: Schema | None = None) -> Schema:
    """Infer a spec for every column of ``table`` that ``declared`` does not hold already.

    Raises
    ------
    InputError
        A column is of a type that cannot be modelled (lists, bytes, mixed dates …).

    >>> table = pa.table({"id": [f"C-{i:03}" for i in range(40)], "age": list(range(40, 80)), "member": ["yes", "no"] * 20})
    >>> infer_schema(table)
    Schema(1 integer, 1 boolean, 1 key)
    """
    known = {} if declared is None else {column.name: column for column in declared}
    check_types(table, [name for name in table.column_names if name not in known])
    columns = [known[name] if name in known else infer_column(name, table.column(name)) for name in table.column_names]
    if not any(column.role == "primary_key" for column in columns):
        first = next(
            (
                place
                for place, column in enumerate(columns)
                if column.kind == "key"
                and column.role is None
                and not column.repeated
                and not table.column(column.name).null_count
            ),
            None,
        )
        if first is not None:
            columns[first] = columns[first].replace(role="primary_key")
    settled = Schema(columns, () if declared is None else declared.constraints)
    fixed = [name for name in known if name in table.column_names]
    return with_references(with_their_keys(settled, table, fixed), table, fixed)


def infer_column(name: str, column: pa.Array | pa.ChunkedArray) -> ColumnSpec:
    """Infer one column's spec from its cells."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    storage = array.type
    array = widen(array)
    check_type(name, storage)
    base = {"name": name, "storage": str(storage)}
    if pa.types.is_dictionary(storage):
        kind = "ordinal" if storage.ordered else "category"
        return ColumnSpec(**base, kind="constant" if array.null_count == len(array) else kind)
    distinct = array.unique().drop_null()
    if pa.types.is_floating(array.type):
        distinct = distinct.filter(pc.invert(pc.is_nan(distinct)))
    if len(distinct) <= 1:
        present = len(array) - array.null_count
        if len(distinct) == 1 and present < FEW_PEOPLE <= len(array):
            warnings.warn(
                f"column {name!r} has one value, in {present} of {len(array):,} rows, and is missing elsewhere: the look-alike will show that "
                f"value. If that tells of someone, drop it (--drop {name}).",
                LookalikeWarning,
                stacklevel=2,
            )
        return ColumnSpec(**base, kind="constant")
    if is_text(storage):
        return _infer_text(base, array, distinct)
    if pa.types.is_boolean(storage):
        return ColumnSpec(**base, kind="boolean")
    if pa.types.is_temporal(storage):
        return _infer_temporal(base, array)
    if pa.types.is_integer(storage):
        return _infer_integer(base, array, distinct)
    if pa.types.is_decimal(storage):
        return _infer_decimal(base, array, distinct)
    return _infer_float(base, array, distinct)


def check_types(table: pa.Table, names: Sequence[str]) -> None:
    """As :func:`check_type`, for several columns: of several that cannot be modelled, all at once."""
    unfit = {name: wrong for name in names if (wrong := _unfit(name, table.schema.field(name).type))}
    if len(unfit) == 1:
        raise InputError(*unfit.values())
    if unfit:
        held = ", ".join(f"{name!r} ({table.schema.field(name).type})" for name in unfit)
        drops = " ".join(f"--drop {name}" for name in unfit)
        raise InputError(
            f"cells must be numbers, dates or text, however: columns {held} hold others. Flatten or decode them, or drop them ({drops})."
        )


def check_type(name: str, storage: pa.DataType) -> None:
    """Raise an InputError, with the ways out, for a column whose cells are nothing that can be modelled: lists, records, bytes.

    >>> check_type("born", pa.date32())
    """
    wrong = _unfit(name, storage)
    if wrong is not None:
        raise InputError(wrong)


def _unfit(name: str, storage: pa.DataType) -> str | None:
    storage = value_type(storage)
    if pa.types.is_nested(storage):
        return f"cells must be single values, however: column {name!r} holds lists or records ({storage}). Flatten it, or drop it (--drop {name})."
    if pa.types.is_binary(storage) or pa.types.is_large_binary(storage) or pa.types.is_fixed_size_binary(storage):
        return f"cells must be numbers, dates or text, however: column {name!r} holds bytes. Decode it to text, or drop it (--drop {name})."
    try:
        arrow_type(str(storage))
    except ValueError:
        return f"cells must be numbers, dates or text, however: column {name!r} is {storage}. Convert it, or drop it (--drop {name})."
    return None


# ---------------------------------------------------------------------------------------------------- native numbers


def _infer_temporal(base: dict[str, str], array: pa.Array) -> ColumnSpec:
    calendar = pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)
    spec = ColumnSpec(**base, kind="datetime" if calendar else "integer")
    ticks = parse(array, spec).present
    if pa.types.is_date32(array.type):
        return with_days(spec, ticks)
    a_second = 1000 if pa.types.is_date64(array.type) else dates.TICKS_A_SECOND[array.type.unit]
    spec = spec.replace(step=largest_step(ticks, a_second))
    return with_days(spec, ticks) if calendar else spec


def _infer_integer(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    spec = ColumnSpec(**base, kind="integer")
    numbers = parse(array, spec).present
    if set(np.unique(numbers[:1000]).tolist()) <= {0, 1} and len(distinct) == 2 and set(distinct.to_pylist()) == {0, 1}:
        return spec.replace(kind="boolean")
    key = _key(base, numbers, len(distinct), rows=len(array), present=len(numbers))
    return _compact_dates(base, distinct) or key or spec.replace(step=round_step(numbers))


def _compact_dates(base: dict[str, str], distinct: pa.Array) -> ColumnSpec | None:
    """The spec of whole numbers that are dates (20230218) or times of day (930): their digits are no amount, of which 20230275 would be another."""
    if pa.types.is_float64(distinct.type):  # pandas keeps whole numbers with gaps as floats
        dated = pc.and_(
            pc.and_(pc.greater_equal(distinct, 0), pc.less(distinct, LARGEST_WHOLE)),
            pc.equal(distinct, pc.round(distinct)),
        )
        distinct = distinct.cast(pa.int64()) if pc.all(dated).as_py() else distinct
    if not pa.types.is_integer(distinct.type):
        return None
    compact = dates.detect_whole(distinct.cast(pa.string()))
    return None if compact is None else _dated(base, distinct, compact)


def _key(base: dict[str, str], numbers: np.ndarray, distinct: int, *, rows: int, present: int) -> ColumnSpec | None:
    """The spec of ``distinct`` numbers that name rows, or tell whose they are; None where they do not. Of ``rows`` cells so many are
    ``present``; of floats those that are whole may, where some are missing (so pandas keeps whole numbers then) or the name says so.
    """
    name = base["name"]
    if numbers.dtype.kind == "f" and (np.any(numbers % 1) or (present == rows and not named_like_a_key(name))):
        return None
    if distinct == rows and is_integer_key(name, numbers, distinct):
        return ColumnSpec(**base, kind="key")
    return repeated_key(base, distinct, present) if identifies(name, distinct, present) else None


def _infer_decimal(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    """Databases write their whole numbers as decimals of no places, keys among them."""
    spec = ColumnSpec(**base, kind="float", decimals=max(array.type.scale, 0))
    if array.type.scale > 0:
        return spec
    numbers = parse(array, spec).present
    return _key(base, numbers, len(distinct), rows=len(array), present=len(numbers)) or spec


def _infer_float(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    spec = ColumnSpec(**base, kind="float")
    numbers = parse(array, spec).present
    if (dated := _compact_dates(base, distinct)) is not None:
        return dated
    decimals = decimals_of_floats(numbers, np.dtype(arrow_type(base["storage"]).to_pandas_dtype()))
    key = _key(base, numbers, len(distinct), rows=len(array), present=len(numbers))
    if key is None and decimals is None:
        spec, decimals = once_single(spec, numbers)
    return key or with_significant(with_step(spec.replace(decimals=decimals), numbers), numbers)


# -------------------------------------------------------------------------------------------------------------- text


def _infer_text(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    distinct = distinct.cast(pa.string())
    stand_ins = [text for text in MISSING_TEXTS if pc.index(distinct, text).as_py() >= 0]
    values = distinct.filter(pc.invert(pc.is_in(distinct, pa.array(stand_ins, pa.string())))) if stand_ins else distinct
    spec = _infer_typed_text(base, without_missing_text(array, stand_ins), values)
    if spec is not None:
        return spec if not stand_ins else _with_missing_text(spec, array, stand_ins)
    return _infer_labels(base, array, distinct)


def _with_missing_text(spec: ColumnSpec, array: pa.Array, stand_ins: list[str]) -> ColumnSpec:
    counts = {text: pc.sum(pc.equal(array, text)).as_py() for text in stand_ins}
    ranked = tuple(sorted(stand_ins, key=lambda text: -counts[text]))
    if len(ranked) > 1 or array.null_count:
        warnings.warn(
            f"column {spec.name!r} spells missing in several ways; the look-alike writes {ranked[0]!r} for all of them.",
            LookalikeWarning,
            stacklevel=2,
        )
    return spec.replace(missing_text=ranked)


def _infer_typed_text(base: dict[str, str], array: pa.Array, values: pa.Array) -> ColumnSpec | None:
    """A boolean, a number or a date that is kept as text; None when it is just text."""
    if len(values) < 2:
        return None
    if len(values) == 2:
        spellings = {text.lower(): text for text in values.to_pylist()}
        for true, false in BOOLEAN_TEXTS:
            if set(spellings) == {true, false}:
                return ColumnSpec(**base, kind="boolean", true_text=spellings[true], false_text=spellings[false])
    compact = dates.detect_whole(values)
    if compact is not None:
        return _dated(base, values, compact)
    return _infer_number_text(base, array, values) or _infer_date_text(base, values)


def _infer_number_text(base: dict[str, str], array: pa.Array, values: pa.Array) -> ColumnSpec | None:
    how = written.detect(values)
    if how is None:
        return None
    plain = written.plain(values, ColumnSpec(**base, kind="float", **how))
    floats = pc.any(pc.match_substring_regex(plain, r"[.eE]")).as_py()
    spec = ColumnSpec(**base, kind="float" if floats else "integer", **how)
    if spec.dressed:
        example = ("1,234" if spec.thousands else "1234") + (".5" if floats else "")
        example = example if spec.sign == "-" else "-" + example
        example = written.dressed(pa.array([example]), spec)[0].as_py()
        warnings.warn(
            f"column {base['name']!r} holds text like {example}; it is read as numbers and written the same way.",
            LookalikeWarning,
            stacklevel=2,
        )
    parsed = parse(values, spec).numbers
    assert parsed is not None
    rows = len(array)
    key = (
        None
        if spec.replace(width=0).dressed
        else _key(base, parsed, len(values), rows=rows, present=rows - array.null_count)
    )
    return key or (_float_text(spec, plain, parsed) if floats else spec.replace(step=round_step(parsed)))


def _float_text(spec: ColumnSpec, texts: pa.Array, numbers: np.ndarray) -> ColumnSpec:
    """How floats are written, as far as their (L,) different ``texts`` tell."""
    for letter in "eE":
        if pc.all(pc.match_substring_regex(texts, rf"^-?\d\.\d{{1,16}}{letter}[+-]\d\d+$")).as_py():
            digits = pc.min_max(pc.utf8_length(pc.replace_substring_regex(texts, r"^-|\.|[eE].*$", "")))
            if digits["min"] == digits["max"]:
                return spec.replace(exponent=letter, significant=digits["max"].as_py())
    exponent = pc.any(pc.match_substring_regex(texts, "[eE]")).as_py()
    places = pc.utf8_length(pc.replace_substring_regex(texts, r"^[^.]*\.?", ""))
    most, least = pc.max(places).as_py(), pc.min(places).as_py()
    fixed = not exponent and most == least
    with_point = bool(pc.any(pc.match_substring_regex(texts, r"\.0$")).as_py())
    few = not exponent and most <= MAXIMUM_DECIMALS
    spec, decimals = (spec, most) if few else once_single(spec, numbers)
    spec = spec.replace(decimals=decimals, fixed_decimals=fixed and few, whole_with_point=with_point)
    return with_significant(with_step(spec, numbers), numbers)


def _infer_date_text(base: dict[str, str], values: pa.Array) -> ColumnSpec | None:
    format, ambiguous = dates.detect(values, base["name"])
    if format is None:
        return _infer_span_text(base, values)
    if ambiguous:
        warnings.warn(
            f"column {base['name']!r} could be day-first or month-first; it is read as {format}. Set its format in the schema if that is wrong.",
            LookalikeWarning,
            stacklevel=2,
        )
    return _dated(base, values, format)


def _infer_span_text(base: dict[str, str], values: pa.Array) -> ColumnSpec | None:
    format = lasting.detect(values)
    if format is None:
        return None
    spec = ColumnSpec(**base, kind="integer", format=format)
    return spec.replace(step=largest_step(parse(values, spec).present, dates.TICKS_A_SECOND[dates.unit_of(format)]))


def _dated(base: dict[str, str], values: pa.Array, format: str) -> ColumnSpec:
    spec = ColumnSpec(**base, kind="datetime", format=format)
    ticks = parse(values, spec).present
    return with_days(spec.replace(step=largest_step(ticks, dates.TICKS_A_SECOND[dates.unit_of(format)])), ticks)


def _infer_labels(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    rows, present, name = len(array), len(array) - array.null_count, base["name"]
    if _is_free_text(array, distinct, present):
        return ColumnSpec(**base, kind="text")
    if len(distinct) == rows >= KEY_ROWS:
        if pc.all(pc.match_substring_regex(distinct, UUID)).as_py():
            return ColumnSpec(**base, kind="key", pattern=UUID_PATTERN)
        if not named_like_a_key(name):
            warnings.warn(
                f"every cell of column {name!r} is different: it is taken for a key, and new values are made up in its form.",
                LookalikeWarning,
                stacklevel=2,
            )
        return ColumnSpec(**base, kind="key")
    several, personal = len(distinct) < NEARLY_ALL * present, are_personal(distinct)
    if several and (personal or identifies(name, len(distinct), present)):
        return repeated_key(base, len(distinct), present)
    if not several and (personal or present >= NEARLY_ROWS):
        warnings.warn(
            f"column {name!r} has {len(distinct):,} levels in {present:,} cells that are not missing: it is taken for a key, and new values "
            "are made up in its form, as real ones could identify someone. To have the real ones back, declare it a category in the schema.",
            LookalikeWarning,
            stacklevel=2,
        )
        return ColumnSpec(**base, kind="key")
    if len(distinct) > MANY_LEVELS:
        megabytes = pc.sum(pc.binary_length(distinct)).as_py() / 2**20
        warnings.warn(
            f"column {name!r} has {len(distinct):,} levels (about {megabytes:,.0f} MB in the artefact); all but the most frequent are "
            f"modelled together. If it is an identifier, declare it a key or drop it (--drop {name}).",
            LookalikeWarning,
            stacklevel=2,
        )
    elif present >= 100 and len(distinct) > present / 4:
        warnings.warn(
            f"column {name!r} has {len(distinct):,} levels in {present:,} cells that are not missing, and a category's real values come back. If they "
            f"identify someone, declare it a key or drop it (--drop {name}).",
            LookalikeWarning,
            stacklevel=2,
        )
    return ColumnSpec(**base, kind="category")


def _is_free_text(array: pa.Array, distinct: pa.Array, present: int) -> bool:
    """Sentences: mostly distinct in the cells that are not missing, or many in one cell each beside a stock phrase, and long or of several
    words."""
    if len(distinct) >= max(KEY_ROWS, present / 2):
        return _are_sentences(distinct)
    if len(distinct) < max(SENTENCES, SENTENCES_SHARE * present):
        return False
    counted = pc.value_counts(array.drop_null())
    alone = counted.field("values").filter(pc.equal(counted.field("counts"), 1))
    return len(alone) >= max(SENTENCES, SENTENCES_SHARE * present) and _are_sentences(alone)


def _are_sentences(texts: pa.Array) -> bool:
    if pc.all(pc.match_substring_regex(texts, TOKEN)).as_py():
        return False
    words = pc.add(pc.count_substring(texts, " "), 1)
    return pc.mean(words).as_py() >= 4 or pc.mean(pc.utf8_length(texts)).as_py() > 60
