"""Numbers kept as text as people write them: 1.234,50 €, $1,234, 12.5 %, 37 kg.

How a column does is found once, from all of its texts; then they are read as plain numbers, and made ones are written the same way.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.schema.column import ColumnSpec

TEXT_OF_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
LEADING_ZERO = r"^[+-]?0\d"
MARKS = (
    ("", "."),
    (",", "."),
    ("", ","),
    (".", ","),
    (" ", ","),
    ("\u00a0", ","),
    ("\u202f", ","),
    ("'", "."),
    ("’", "."),
    (" ", "."),
)
"""What stands between thousands and before decimals; of several that fit, the first."""
SIGNS = {
    "+-": (r"^[+-]", r"^\+", ""),
    "−": (r"^[^-]", r"^−", "-"),
    "()": (r"^[^-]", r"^\((.*)\)$", r"-\1"),
    "1-": (r"^[^-].*[.,]\d+\D*$", r"^(.*)-$", r"-\1"),
}
"""Ways to write a sign: what all texts match, what those match that have it, and those as a program writes them. A minus after a number
without decimals is a grade's (2-)."""
CURRENCIES = frozenset(
    [
        "AUD",
        "BRL",
        "CAD",
        "CHF",
        "CNY",
        "CZK",
        "DKK",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "JPY",
        "KRW",
        "MXN",
        "MYR",
        "NOK",
        "NZD",
        "PHP",
        "PLN",
        "RON",
        "RUB",
        "SEK",
        "SGD",
        "THB",
        "TRY",
        "USD",
        "ZAR",
        "Fr.",
        "Kč",
        "kr",
        "lei",
        "zł",
    ]
)
UNITS = frozenset(
    [
        "%",
        "‰",
        "°",
        "°C",
        "°F",
        "g",
        "kg",
        "mg",
        "lb",
        "lbs",
        "oz",
        "m",
        "mm",
        "cm",
        "km",
        "mi",
        "ft",
        "in",
        "l",
        "ml",
        "cl",
        "dl",
        "h",
        "min",
        "s",
        "ms",
        "kW",
        "MW",
        "Wh",
        "kWh",
        "MWh",
        "Hz",
        "kHz",
        "MHz",
        "GHz",
        "kB",
        "KB",
        "MB",
        "GB",
        "TB",
        "bar",
        "hPa",
        "Pa",
    ]
)
FEWEST = 3
"""Different texts, at least, that must share what stands before or after their number: ``S1`` and ``S2`` may be labels."""
LONGEST = 10
"""Letters of a unit that is not among the known ones, after a space."""
LONGEST_TEXT = 80
"""Characters of a number with all that stands around it."""


def plain(array: pa.Array, spec: ColumnSpec) -> pa.Array:
    """The texts as a program writes numbers; those that are not written as the column's are stay as they are.

    >>> spec = ColumnSpec(name="price", kind="float", thousands=".", decimal_mark=",", suffix=" €")
    >>> plain(pa.array(["1.234,50 €", "-3,00 €", "none"]), spec).to_pylist()
    ['1234.50', '-3.00', 'none']
    """
    if not spec.dressed:
        return array
    array = pc.utf8_trim(array.cast(pa.string()), " ") if spec.width else array.cast(pa.string())
    array = _with_minus(array, spec.sign)
    bare = pc.replace_substring_regex(array, _with(spec.prefix, spec.suffix), r"\1\2")
    fits = pc.match_substring_regex(bare, _body(spec.thousands, spec.decimal_mark))
    if spec.thousands:
        bare = pc.replace_substring(bare, spec.thousands, "")
    return pc.if_else(fits, pc.replace_substring(bare, spec.decimal_mark, "."), array)


def dressed(array: pa.Array, spec: ColumnSpec) -> pa.Array:
    """Plain numbers, with commas between thousands where there is to be anything, as the column's are written: the inverse of
    :func:`plain`."""
    if spec.thousands not in ("", ",") or spec.decimal_mark != ".":
        array = pc.replace_substring(array, ",", "\0")
        array = pc.replace_substring(array, ".", spec.decimal_mark)
        array = pc.replace_substring(array, "\0", spec.thousands)
    if spec.prefix:
        array = pc.replace_substring_regex(array, "^(-?)", r"\1" + spec.prefix.replace("\\", r"\\"))
    array = pc.binary_join_element_wise(array, spec.suffix, "") if spec.suffix else array
    if spec.sign == "+-":
        array = pc.replace_substring_regex(array, r"^([^-])", r"+\1")
    elif spec.sign != "-":
        array = pc.replace_substring_regex(array, r"^-(.*)$", {"−": r"−\1", "()": r"(\1)", "1-": r"\1-"}[spec.sign])
    pad = pc.utf8_lpad if spec.width > 0 else pc.utf8_rpad
    return pad(array, abs(spec.width)) if spec.width else array


def to_significant(numbers: np.ndarray, digits: int) -> np.ndarray:
    """Return (n,) float64 rounded to so many digits each, as printing them does.

    >>> to_significant(np.array([118.88435933988579, 0.0]), 15).tolist()
    [118.884359339886, 0.0]
    """
    distinct, places = np.unique(numbers, return_inverse=True)
    return np.array([float(f"{number:.{digits}g}") for number in distinct.tolist()], np.float64)[places].reshape(
        numbers.shape
    )


def detect(texts: pa.Array) -> dict[str, Any] | None:
    """How all of the different ``texts`` are numbers, as fields of a spec; None where they are not.

    >>> detect(pa.array(["$1,234.50", "-$3.00", "$77.10"]))
    {'thousands': ',', 'decimal_mark': '.', 'prefix': '$', 'suffix': ''}
    >>> detect(pa.array(["C-1", "C-2", "C-3"])), detect(pa.array(["0123", "4567"]))
    (None, None)
    >>> detect(pa.array(["   7", "  12", " 250"]))["width"]
    4
    >>> detect(pa.array(["($1.50)", "($2.75)", "($0.10)", "$7.25", "$1.00", "$3.50"]))["sign"]
    '()'
    """
    for prefix, suffix in dict.fromkeys([("", ""), _around(texts)]):
        bare = texts
        if prefix or suffix:
            around = _with(prefix, suffix)
            if len(texts) < FEWEST or not pc.all(pc.match_substring_regex(texts, around)).as_py():
                continue
            bare = pc.replace_substring_regex(texts, around, r"\1\2")
        for thousands, decimal_mark in MARKS:
            if _are_numbers(bare, thousands, decimal_mark):
                return {"thousands": thousands, "decimal_mark": decimal_mark, "prefix": prefix, "suffix": suffix}
    width = _width(texts)
    how = detect(pc.utf8_trim(texts, " ")) if width else None
    return _detect_signed(texts) if how is None else how | {"width": width}


def _detect_signed(texts: pa.Array) -> dict[str, Any] | None:
    """As :func:`detect`, of numbers whose signs are not a program's; several must have one, and several none."""
    for sign, (all_match, some_match, _) in SIGNS.items():
        signed = pc.match_substring_regex(texts, some_match)
        count = pc.sum(signed).as_py() or 0
        if min(count, len(texts) - count) >= FEWEST and pc.all(pc.match_substring_regex(texts, all_match)).as_py():
            how = detect(_with_minus(texts, sign))
            if how is not None:
                return how | {"sign": sign}
    return None


def _with_minus(texts: pa.Array, sign: str) -> pa.Array:
    """Texts whose ``sign`` is as a program writes it."""
    return texts if sign == "-" else pc.replace_substring_regex(texts, SIGNS[sign][1], SIGNS[sign][2])


def _width(texts: pa.Array) -> int:
    """The length of all texts, where blanks before some fill them up to it, as programs write columns of a fixed width; less than 0 where
    the blanks stand after them, and 0 where there are none, or on both sides."""
    ends = pc.min_max(pc.utf8_length(texts))
    before, after = (pc.any(blanks(texts, " ")).as_py() for blanks in (pc.starts_with, pc.ends_with))
    if len(texts) < FEWEST or ends["min"] != ends["max"] or before == after:
        return 0
    return int(ends["max"].as_py()) * (1 if before else -1)


def _are_numbers(texts: pa.Array, thousands: str, decimal_mark: str) -> bool:
    """Whether all texts are numbers with these marks. A leading zero or plus sign is a code's (a postcode, a telephone), which a number
    would not give back; so are groups of digits of one length throughout, but for commas."""
    usual = not thousands and decimal_mark == "."
    if not pc.all(pc.match_substring_regex(texts, TEXT_OF_NUMBER if usual else _body(thousands, decimal_mark))).as_py():
        return False
    if pc.any(pc.match_substring_regex(texts, LEADING_ZERO + r"|^\+")).as_py():
        return False
    if not thousands:
        return usual or bool(pc.any(pc.match_substring(texts, decimal_mark)).as_py())
    if not pc.any(pc.match_substring(texts, thousands)).as_py():
        return False
    ends = pc.min_max(pc.utf8_length(texts))
    return thousands == "," or ends["min"] != ends["max"]


def _with(prefix: str, suffix: str) -> str:
    """The expression of a text with these around it: its sign, and its number."""
    return rf"^([+-]?){re.escape(prefix)}(.*){re.escape(suffix)}$"


def _body(thousands: str, decimal_mark: str) -> str:
    """The expression of a number without what stands around it."""
    mark = re.escape(decimal_mark)
    grouped = rf"|\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+" if thousands else ""
    return rf"^[+-]?(?:(?:\d+{grouped})(?:{mark}\d*)?|{mark}\d+)$"


def _around(texts: pa.Array) -> tuple[str, str]:
    """What stands before and after the number in the first text, where that may be a currency or a unit."""
    first = texts[0].as_py() if len(texts) else ""
    parts = re.match(r"^[+-]?([^\d+\-.,]*)(.*\d)(\D*)$", first) if len(first) <= LONGEST_TEXT else None
    if parts is None:
        return "", ""
    before, _, after = parts.groups()
    fits = (not before.strip() or _is_currency(before.strip())) and (not after.strip() or _is_unit(after))
    return (before, after) if fits else ("", "")


def _is_currency(text: str) -> bool:
    sign = text[-1:]
    return text in CURRENCIES or (
        unicodedata.category(sign or "a") == "Sc" and re.fullmatch(r"[A-Z]{0,2}", text[:-1]) is not None
    )


def _is_unit(text: str) -> bool:
    word = text.strip()
    apart = text[:1].isspace() and re.fullmatch(rf"[^\W\d_][^\W\d_²³/°%]{{0,{LONGEST - 1}}}", word) is not None
    return word in UNITS or _is_currency(word) or apart
