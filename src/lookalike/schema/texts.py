"""What a column of text is by its cells: numbers or dates kept as text, labels, keys or sentences."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.characters import flag
from lookalike.errors import LookalikeWarning
from lookalike.schema import dates, lasting, written
from lookalike.schema.calendar import with_days
from lookalike.schema.column import ColumnSpec
from lookalike.schema.grain import MAXIMUM_DECIMALS, largest_step, once_single, round_step, with_significant, with_step
from lookalike.schema.identity import (
    KEY_ROWS,
    NEARLY_ALL,
    NEARLY_ROWS,
    UUID,
    UUID_PATTERN,
    are_personal,
    identifies,
    key_of_numbers,
    named_like_a_key,
    repeated_key,
)
from lookalike.schema.values import parse, without_missing_text

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


def infer_text(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    """Return the spec of a column of text by its cells, and the ``distinct`` ones that are not missing."""
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
        return spec_of_dates(base, values, compact)
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
        else key_of_numbers(base, parsed, len(values), rows=rows, present=rows - array.null_count)
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
    return spec_of_dates(base, values, format)


def _infer_span_text(base: dict[str, str], values: pa.Array) -> ColumnSpec | None:
    format = lasting.detect(values)
    if format is None:
        return None
    spec = ColumnSpec(**base, kind="integer", format=format)
    return spec.replace(step=largest_step(parse(values, spec).present, dates.TICKS_A_SECOND[dates.unit_of(format)]))


def spec_of_dates(base: dict[str, str], values: pa.Array, format: str) -> ColumnSpec:
    """Return the spec of dates that are written in a ``format``."""
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
            f"modelled together. If it is an identifier, declare it a key or drop it ({flag('drop', name)}).",
            LookalikeWarning,
            stacklevel=2,
        )
    elif present >= 100 and len(distinct) > present / 4:
        warnings.warn(
            f"column {name!r} has {len(distinct):,} levels in {present:,} cells that are not missing, and a category's real values come back. If they "
            f"identify someone, declare it a key or drop it ({flag('drop', name)}).",
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
