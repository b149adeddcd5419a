"""Spans of time kept as text, read as whole seconds and written the same way: ``0 days 01:07:28`` as pandas writes them, ``26:15:00``.

A format starts with what no clock has: ``%D`` days, ``%K`` hours beyond 24, of two digits at least, or ``%-K`` of as many as it takes.
One that ends with ``.%f`` is read as whole microseconds, which are left out where there are none, as pandas wrote them before 3.0; with
``.%6f`` they always stand there, as it writes them since.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import InputError
from lookalike.schema.column import ColumnSpec
from lookalike.schema.dates import TICKS_A_SECOND, check_written, unit_of

FORMATS = (
    "%D days %H:%M:%S",
    "%D days %H:%M:%S.%f",
    "%D days %H:%M:%S.%6f",
    "%K:%M:%S",
    "%-K:%M:%S",
    "%K:%M",
    "%-K:%M",
)
SECONDS = {"%D": 86_400, "%K": 3_600, "%-K": 3_600, "%H": 3_600, "%M": 60, "%S": 1}
PART = re.compile("%-?[DKHMS]|%6?f")
FEWEST = 3
"""Different texts, at least, that must be spans: two may be labels."""
MOST_DIGITS = 6
"""Of days or hours."""


def detect(texts: pa.Array) -> str | None:
    """Return the format that spells all of the different ``texts``; None where there is none.

    >>> detect(pa.array(["0 days 01:07:28", "-1 days +23:59:00", "3 days 00:00:00"])), detect(pa.array(["26:15", "07:30", "9:9"]))
    ('%D days %H:%M:%S', None)
    """
    if len(texts) < FEWEST:
        return None
    fitting = (format for format in FORMATS if _read(texts.slice(0, 100), format)[1].all())
    return next((format for format in fitting if _read(texts, format)[1].all()), None)


def parse(array: pa.Array, spec: ColumnSpec) -> np.ndarray:
    """Text to (n,) int64 seconds (or microseconds, as the format has it), 0 where missing. A cell that the format does not spell is an InputError."""
    assert spec.format is not None
    if spec.format not in FORMATS:
        raise InputError(
            f"an integer column with a format holds spans of time, however: the format of column {spec.name!r} is {spec.format!r}. "
            f"Choose one of {', '.join(FORMATS)}, or declare it datetime."
        )
    ticks, fits = _read(array.cast(pa.string()), spec.format)
    check_written(array, fits, spec)
    return ticks


def spell(ticks: np.ndarray, missing: np.ndarray, spec: ColumnSpec) -> pa.Array:
    """Return (n,) texts of (n,) int64 seconds or microseconds, the inverse of :func:`parse`.

    >>> spec = ColumnSpec(name="ride", kind="integer", format="%D days %H:%M:%S")
    >>> spell(np.array([4048, -60]), np.array([False, False]), spec).to_pylist()
    ['0 days 01:07:28', '-1 days +23:59:00']
    >>> spell(np.array([4048_250_000, -60_000_000]), np.array([False, False]), spec.replace(format="%D days %H:%M:%S.%f")).to_pylist()
    ['0 days 01:07:28.250000', '-1 days +23:59:00']
    """
    assert spec.format is not None
    return pc.if_else(pa.array(missing), None, _spell(ticks, spec.format))


def _read(texts: pa.Array, format: str) -> tuple[np.ndarray, np.ndarray]:
    """(ticks, whether the format spells this very text): digits are taken as they come, so spell them back and compare."""
    first, *clock = PART.findall(format)
    # before a day that is not over yet pandas writes a clock that runs forward: a minute ago is "-1 days +23:59:00"
    expression = format.replace(first, r"(?P<first>-?\d+)" if first == "%D" else r"(?P<first>\d+)", 1).replace(
        "days ", r"days \+?"
    )
    expression = expression.replace(".%f", r"(?:\.(?P<f>\d{6}))?").replace(".%6f", r"\.(?P<f>\d{6})")
    for part in clock:
        expression = expression.replace(part, rf"(?P<{part[1]}>\d\d)")
    found = pc.extract_regex(texts, f"^{expression}$")
    sizes = pc.utf8_length(pc.struct_field(found, "first"))
    found = pc.if_else(pc.less_equal(sizes, MOST_DIGITS), found, None)
    ticks = np.zeros(len(texts), np.int64)
    for part, name in [(first, "first"), *((part, part[-1]) for part in clock)]:
        digits = pc.struct_field(found, name)
        digits = pc.fill_null(pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int64()), 0)
        ticks += digits.to_numpy(zero_copy_only=False) * _ticks(part, format)
    fits = pc.and_(pc.is_valid(found), pc.equal(_spell(ticks, format), texts))
    return ticks, pc.fill_null(fits, False).to_numpy(zero_copy_only=False)


def _ticks(part: str, format: str) -> int:
    """How many of a format's units a part of it counts."""
    return 1 if part[-1] == "f" else SECONDS[part] * TICKS_A_SECOND[unit_of(format)]


def _spell(ticks: np.ndarray, format: str) -> pa.Array:
    left, pieces = ticks, []
    for between, part in zip(PART.split(format), PART.findall(format), strict=False):
        digits, left = np.divmod(left, _ticks(part, format))
        text, places = pa.array(digits).cast(pa.string()), 6 if part[-1] == "f" else 2
        pieces += [pa.scalar(between), text if part in ("%D", "%-K") else pc.utf8_lpad(text, places, "0")]
    text = pc.binary_join_element_wise(*pieces, "")
    if format.endswith(".%f"):
        text = pc.replace_substring_regex(text, r"\.000000$", "")
    return pc.replace_substring_regex(text, r"^(-\d+ days )", r"\1+")
