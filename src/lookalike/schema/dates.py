"""Dates kept as text: formats recognised, parsed to ticks, and spelled back letter for letter.

A format is a strftime format with some additions: ``%3f``, ``%6f``, ``%9f`` for a fraction of that many digits (``%f``
means ``%6f``), ``.%-6f`` for one that ends before its last noughts, ``.%?6f`` for one of six digits or none at all (``%-3f``, ``%?9f`` and
so on, too), ``%-d``, ``%-m``, ``%-H``, ``%-I`` for numbers without a leading zero, and ``%^b`` for a month in capitals. A constant offset
(``+02:00``), ``Z`` or `` UTC`` is plain text inside the format. Alone, ``%-H%M`` is a time of day as a number (5, 930), and ``%s``, ``%s%3f``
and so on seconds since 1970, and parts of them. An offset that changes with summer and winter is ``%:z{Europe/Berlin}`` at the format's end
(:mod:`~lookalike.schema.zones`); its ticks are in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.characters import flag
from lookalike.errors import InputError
from lookalike.schema import zones
from lookalike.schema.column import ColumnSpec
from lookalike.stats import even_by_chance

DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d",
    "%-d/%-m/%Y", "%-m/%-d/%Y", "%-d.%-m.%Y", "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%-d/%-m/%y", "%-m/%-d/%y", "%-d.%-m.%y", "%d-%b-%y", "%Y-%m", "%m/%Y", "%b %Y",
    "%b %d %Y", "%d%b%Y", "%d-%^b-%Y", "%d-%^b-%y", "%d%^b%Y",
)  # fmt: skip
TIME_FORMATS = (
    "", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S", ":%H:%M:%S", " %I:%M %p", " %I:%M:%S %p",
    " %-H:%M", " %-H:%M:%S", " %-I:%M %p", " %-I:%M:%S %p",
)  # fmt: skip
ALONE = ("%H:%M", "%H:%M:%S", "%-H:%M", "%-H:%M:%S", "%I:%M %p", "%-I:%M %p")
"""Times of a day without one."""
COMPACT = {6: "%Y%m", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Dates as whole numbers, by their digits."""
HOURS = "%-H%M"
"""A time of day as a whole number: 5, 930, 1745. As text it may have leading zeros (0930), and then those of ``%H%M``."""
FEWEST_HOURS, BY_CHANCE = 5, 1e-6
"""Hours that such numbers are of, at least, and how likely it may be by chance that none ends in 60 to 99, or that numbers keep to hours."""
SINCE_1970 = {9: "%s", 10: "%s", 12: "%s%3f", 13: "%s%3f", 15: "%s%6f", 16: "%s%6f", 18: "%s%9f", 19: "%s%9f"}
"""Seconds since 1970 as whole numbers, and parts of seconds, by their digits: from 2000 to 2040 they have so many."""
EARLIEST, LATEST, FEWEST_MOMENTS, FEWEST_WEEKS = 946_684_800, 2_208_988_800, 200, 4
"""The years 2000 and 2040 in seconds; different moments, at least, and weeks that they reach over, by which such numbers are told from others."""
FEWEST_COMPACT = 10
"""Different numbers, at least, that must all be dates: one in thirty of any is."""
FRACTION = re.compile(r"%[-?]?([369]?)f")
SHORTENED = re.compile(r"[.]%([-?])([369])f")
"""A fraction of which, with its point, nothing is written where it is nought: databases drop its last noughts, Python all six or none."""
UNITS = {"": "s", "3": "ms", "6": "us", "9": "ns"}
OFFSET = r"(?P<offset>Z| UTC|[+-]\d{2}(?::?\d{2})?)$"
OFFSETS = {"": r"^[+-]\d{4}$", ":": r"^[+-]\d{2}:\d{2}$", ":::": r"^[+-]\d{2}(:\d{2})?$"}
"""How offsets may be written, by the colons in the format: +0100, +01:00, and +01 beside +05:30."""
TICKS_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parse(array: pa.Array, spec: ColumnSpec) -> np.ndarray:
    """Text to int64 ticks, 0 where missing. A cell that the format does not spell is an InputError."""
    if spec.format is None:
        raise InputError(
            f'a datetime column kept as text needs a format, however: column {spec.name!r} has none. Add "format" to its schema.'
        )
    ticks, fits = try_format(array.cast(pa.string()), spec.format)
    check_written(array, fits, spec)
    return ticks


def check_written(array: pa.Array, fits: np.ndarray, spec: ColumnSpec) -> None:
    """Raise an InputError where cells that are there are none of those that ``fits`` (n,) the column's format."""
    bad = len(array) - array.null_count - int(fits.sum())
    if bad:
        raise InputError(
            f"column {spec.name!r} is declared {spec.kind} with format {spec.format!r}, however: {bad} of its cells are "
            "written otherwise. Correct them, or declare the column category."
        )


def spell(ticks: np.ndarray, missing: np.ndarray, spec: ColumnSpec) -> pa.Array:
    """Ticks to text in the column's format.

    >>> spec = ColumnSpec(name="day", kind="datetime", format="%-d/%-m/%Y")
    >>> spell(np.array([4 * 86400]), np.array([False]), spec).to_pylist()
    ['5/1/1970']
    """
    assert spec.format is not None
    return _spell(pa.array(ticks.astype(np.int64), mask=missing), spec.format)


def unit_of(format: str) -> str:
    """The unit of the ticks that a format needs: s, ms, us or ns."""
    match = FRACTION.search(format)
    return "s" if match is None else UNITS[match[1] or "6"]


def detect(texts: pa.Array, name: str) -> tuple[str | None, bool]:
    """Find the one format that spells all of ``texts`` (distinct, without nulls): (format or None, ambiguous?).

    Day-first and month-first may both fit; then the first is taken and the second value is True.

    Raises
    ------
    InputError
        Every text is a date, but not in one format, or not in one time zone.
    """
    if len(texts) == 0 or not pc.all(pc.match_substring_regex(texts, r"\d")).as_py():
        return None, False
    probe = texts.slice(0, 200)
    suffixes = pc.unique(pc.struct_field(pc.extract_regex(texts, r":\d{2}(?:\.\d+)?" + OFFSET), "offset")).to_pylist()
    offsets = [suffix for suffix in suffixes if suffix is not None]
    if len(offsets) > 1 and (zoned := _detect_zoned(texts, name)) is not None:
        return zoned
    candidates = _candidates(probe, _fractions_of(texts), offsets)
    fitting = [format for format in candidates if try_format(texts, format)[1].all()]
    if fitting:
        return fitting[0], any(_order(format) != _order(fitting[0]) for format in fitting)
    covered = np.zeros(len(probe), bool)
    for format in candidates:
        covered |= try_format(probe, format)[1]
    if candidates and covered.all():
        zone = len(offsets) > 1
        what = "offsets that no one zone has" if zone else "several date formats"
        how = "Convert them to one (UTC: pd.to_datetime(..., utc=True))" if zone else "Convert them to one"
        raise InputError(
            f"a datetime column has one format and one time zone, however: column {name!r} mixes {what}. "
            f"{how}, or drop the column ({flag('drop', name)})."
        )
    return None, False


def _detect_zoned(texts: pa.Array, name: str) -> tuple[str, bool] | None:
    """As :func:`detect`, of texts that end in offsets which a zone has at these moments; None where there is no such zone."""
    heads, written = _parted(texts)
    for colons, form in OFFSETS.items():
        if pc.all(pc.fill_null(pc.match_substring_regex(written, form), False)).as_py():
            format, ambiguous = detect(heads, name)
            if format is None:
                return None
            ticks, second = try_format(heads, format)[0], TICKS_A_SECOND[unit_of(format)]
            ahead = _seconds(written)
            zone = zones.fitting(ticks // second - ahead, ahead)
            format = f"{format}%{colons}z{{{zone}}}"
            return (format, ambiguous) if zone is not None and try_format(texts, format)[1].all() else None
    return None


def _parted(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Texts without the offset that they end in, and the offsets; null where there is none."""
    parts = pc.extract_regex(texts, r"^(?P<head>.*\d)(?P<offset>[+-]\d{2}(?::?\d{2})?)$")
    return pc.struct_field(parts, "head"), pc.struct_field(parts, "offset")


def _seconds(written: pa.Array) -> np.ndarray:
    """(n,) int64 seconds of offsets as they are written; 0 where there is none."""
    hours, minutes = (
        pc.fill_null(pc.utf8_slice_codeunits(written, *place), "").to_numpy(zero_copy_only=False).astype("U2")
        for place in ((1, 3), (-2,))
    )
    short = pc.fill_null(pc.less_equal(pc.utf8_length(written), 3), True).to_numpy(zero_copy_only=False)
    sizes = 3600 * np.where(hours == "", "0", hours).astype(np.int64)
    sizes += np.where(short, 0, 60 * np.where(minutes == "", "0", minutes).astype(np.int64))
    behind = pc.fill_null(pc.starts_with(written, "-"), False).to_numpy(zero_copy_only=False)
    return np.where(behind, -sizes, sizes)


def _with_offset(texts: pa.Array, ahead: np.ndarray, colons: str) -> pa.Array:
    """Texts, each with its offset behind it."""
    sizes, which = np.unique(ahead, return_inverse=True)
    spelled = []
    for size in sizes.tolist():
        hours, minutes = divmod(abs(size) // 60, 60)
        minute = "" if len(colons) == 3 and not minutes else f"{':' if colons else ''}{minutes:02}"
        spelled.append(f"{'-' if size < 0 else '+'}{hours:02}{minute}")
    return pc.binary_join_element_wise(texts, pa.array(spelled, pa.string()).take(pa.array(which)), "")


def detect_whole(texts: pa.Array) -> str | None:
    """The format of dates, moments or times of day written as whole numbers, where all of the different ``texts`` are; else None."""
    return detect_compact(texts) or detect_hours(texts) or detect_since_1970(texts)


def detect_compact(texts: pa.Array) -> str | None:
    """The format of dates written as whole numbers (20230218), where all of ``texts`` are; else None.

    >>> detect_compact(pa.array([f"202302{day:02}" for day in range(1, 20)]))
    '%Y%m%d'
    """
    if len(texts) < FEWEST_COMPACT or not pc.all(pc.match_substring_regex(texts, r"^(?:19|20)\d+$")).as_py():
        return None
    format = COMPACT.get(len(texts[0].as_py()))
    return format if format is not None and try_format(texts, format)[1].all() else None


def detect_hours(texts: pa.Array) -> str | None:
    """The format of times of day written as whole numbers, where all of the different ``texts`` are; else None.

    Numbers of which none ends in 60 to 99, though all up to that are there: rooms, of which a floor has thirty, are none.

    >>> detect_hours(pa.array([str(100 * hour + minute) for hour in range(6, 20) for minute in (0, 15, 30, 45)]))
    '%-H%M'
    >>> detect_hours(pa.array([str(100 * floor + room) for floor in range(1, 9) for room in range(1, 30)])) is None
    True
    """
    if len(texts) < FEWEST_COMPACT or not pc.all(pc.match_substring_regex(texts, r"^\d{1,4}$")).as_py():
        return None
    format = "%H%M" if pc.all(pc.equal(pc.utf8_length(texts), 4)).as_py() else HOURS
    if not try_format(texts, format)[1].all():
        return None
    numbers = texts.cast(pa.int64()).to_numpy()
    minutes, step = numbers % 100, int(np.gcd.reduce(numbers % 100, initial=0))
    if len(np.unique(numbers // 100)) < FEWEST_HOURS or minutes.min() or not step or minutes.max() + step < 60:
        return None
    below = np.mean(np.arange(0, 100, np.gcd(step, 100)) < 60)
    return format if below ** len(numbers) < BY_CHANCE else None


def detect_since_1970(texts: pa.Array) -> str | None:
    """The format of moments written as seconds since 1970, or as parts of them, where all of the different ``texts`` are; else None.

    Any number of that size may be one. They happen at some hours more often than at others, which numbers of another kind do not.

    >>> rng = np.random.default_rng(0)
    >>> noon = 1_600_000_000 + 86_400 * rng.integers(0, 300, 500) + rng.integers(0, 20_000, 500)
    >>> detect_since_1970(pa.array(noon.astype(str)))
    '%s'
    >>> detect_since_1970(pa.array(rng.integers(10**9, 2 * 10**9, 500).astype(str))) is None
    True
    """
    if len(texts) < FEWEST_MOMENTS or not pc.all(pc.match_substring_regex(texts, r"^[1-9]\d{8,18}$")).as_py():
        return None
    lengths = pc.min_max(pc.utf8_length(texts)).as_py()
    format = SINCE_1970.get(lengths["min"])
    if format is None or SINCE_1970.get(lengths["max"]) != format:
        return None
    seconds = try_format(texts, format)[0] // TICKS_A_SECOND[unit_of(format)]
    if seconds.min() < EARLIEST or seconds.max() >= LATEST or np.ptp(seconds) < FEWEST_WEEKS * 604_800:
        return None
    hours = np.bincount(seconds // 3_600 % 24, minlength=24)
    return format if even_by_chance(hours) < BY_CHANCE else None


def _fractions_of(texts: pa.Array) -> list[str]:
    """How the fractions of seconds in ``texts`` may be written, none left out before some are."""
    found = pc.struct_field(pc.extract_regex(texts, r":\d{2}\.(?P<f>\d{1,9})(?:\D|$)"), "f").drop_null()
    counts = pc.unique(pc.utf8_length(found)).to_pylist()
    widths = [width for width in (3, 6, 9) if width in counts]
    enough = [width for width in (3, 6, 9) if width >= max(counts, default=9)][:1] if counts else []
    return [
        *(f".%{width}f" for width in widths),
        *(f".%?{width}f" for width in widths),
        *(f".%-{width}f" for width in enough),
    ]


def _candidates(probe: pa.Array, fractions: list[str], offsets: list[str]) -> list[str]:
    """Formats that spell at least one text of the probe. Of some four hundred most have other marks between letters and digits, and reading
    takes a millisecond each."""
    marks = {MARKS.sub("", text) for text in probe.to_pylist()}
    found = []
    for date, time in [*product(DATE_FORMATS, TIME_FORMATS), *(("", time) for time in ALONE)]:
        for tail in ["", *fractions] if time.endswith("%S") else [""]:
            for offset in ["", *offsets] if time else [""]:
                format = date + time + tail + offset.replace("%", "%%")
                own = {MARKS.sub("", PART.sub("", form)) for form in (format, SHORTENED.sub("", format))}
                if own & marks and try_format(probe, format)[1].any():
                    found.append(format)
    return found


def _order(format: str) -> str:
    """Which comes first, day or month."""
    return "".join(letter for letter in format if letter in "dm")


def try_format(texts: pa.Array, format: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) ticks since 1970 of the format's finest unit, and (n,) bool: whether the format spells this very text.

    Arrow parses laxly (30 February, 1 for 01), so what was read is spelled back and compared.

    >>> try_format(pa.array(["1970-01-02", "1970-1-2", None]), "%Y-%m-%d")
    (array([86400, 86400,     0]), array([ True, False, False]))
    """
    if (zoned := zones.WRITTEN.search(format)) is not None:
        heads, written = _parted(texts)
        shown, fits = try_format(heads, format[: zoned.start()])
        ticks = np.where(fits, shown - TICKS_A_SECOND[unit_of(format)] * _seconds(written), 0)
        again = _spell(pa.array(ticks, mask=~fits), format)
        return ticks, pc.fill_null(pc.equal(again, texts), False).to_numpy(zero_copy_only=False)
    if format.startswith("%s"):
        ticks = pc.if_else(pc.match_substring_regex(texts, r"^-?(?:\d{1,18}|[1-8]\d{18})$"), texts, None).cast(
            pa.int64()
        )
        fits = pc.fill_null(pc.equal(ticks.cast(pa.string()), texts), False)
        return pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False), fits.to_numpy(zero_copy_only=False)
    unit = unit_of(format)
    plain = SHORTENED.sub("", format).replace("%-", "%").replace("%^", "%")
    match, shortened = FRACTION.search(plain), SHORTENED.search(format)
    fraction = None
    whole = pc.utf8_lpad(texts, width=4, padding="0") if format == HOURS else texts
    if shortened is not None:
        parts = pc.extract_regex(texts, rf":\d{{2}}\.(?P<f>\d{{1,{shortened[2]}}})(?:\D|$)")
        digits = pc.utf8_rpad(pc.fill_null(pc.struct_field(parts, "f"), ""), int(shortened[2]), "0")
        fraction = digits.cast(pa.int64())
        whole = pc.replace_substring_regex(texts, r"(:\d{2})\.\d+", r"\1")
    elif match is not None:
        width = int(match[1] or "6")
        parts = pc.extract_regex(texts, rf"^(?P<head>.*:\d{{2}}\.)(?P<f>\d{{{width}}})(?P<tail>\D.*)?$")
        fraction = pc.struct_field(parts, "f").cast(pa.int64())
        whole = pc.binary_join_element_wise(pc.struct_field(parts, "head"), pc.struct_field(parts, "tail"), "")
        plain = FRACTION.sub("", plain)
    seconds = pc.strptime(whole, format=plain, unit="s", error_is_null=True).cast(pa.int64())
    ticks = pc.multiply(seconds, TICKS_A_SECOND[unit])
    if fraction is not None:
        ticks = pc.add(ticks, fraction)
    fits = pc.fill_null(pc.equal(_spell(ticks, format), texts), False).to_numpy(zero_copy_only=False)
    return pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False), fits


def _spell(ticks: pa.Array, format: str) -> pa.Array:
    """Ticks of the format's unit as text.

    Arrow's strftime looks even UTC up in a time zone database, which Windows and small containers lack, and takes twice as long: it
    gets only formats that ask for more than ``SPELLED`` has.
    """
    if (zoned := zones.WRITTEN.search(format)) is not None:
        known, second = pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False), TICKS_A_SECOND[unit_of(format)]
        ahead = zones.offsets(known // second, zoned[2])
        shown = pa.array(known + second * ahead, mask=pc.is_null(ticks).to_numpy(zero_copy_only=False))
        return _with_offset(_spell(shown, format[: zoned.start()]), ahead, zoned[1])
    if format.startswith("%s"):
        return ticks.cast(pa.string())
    shortened = SHORTENED.search(format)
    if shortened is not None:
        flag, width = shortened.groups()
        text = _spell(ticks, SHORTENED.sub(f".%{width}f", format))
        if flag == "-":
            text = pc.replace_substring_regex(text, r"(:\d{2}\.\d*?)0+(\D.*)?$", r"\1\2")
        return pc.replace_substring_regex(text, r"(:\d{2})\.0*(\D.*)?$", r"\1\2")
    stamps = ticks.cast(pa.timestamp(unit_of(format)))
    parts = [part for part in PART.split(format) if part]
    asked = {part for part in parts if part.startswith("%")}
    if asked and asked <= SPELLED.keys():
        text = pc.binary_join_element_wise(*(SPELLED[part](stamps) if part in SPELLED else part for part in parts), "")
    else:
        # its %S writes the fraction of the timestamp's own unit, which is just what %3f, %6f and %9f ask for
        plain = re.sub(r"%S[.]%[369]?f", "%S", format).replace("%-", "\x01%").replace("%^", "%")
        text = pc.replace_substring_regex(pc.strftime(stamps, format=plain), "\x010?", "")
    if format == HOURS:  # five past midnight is 5, and midnight 0
        return pc.replace_substring_regex(text, "^0{1,2}", "")
    return pc.utf8_upper(text) if "%^" in format else text


def _number(part: Callable[[pa.Array], pa.Array], digits: int) -> Callable[[pa.Array], pa.Array]:
    return lambda stamps: pc.utf8_lpad(part(stamps).cast(pa.string()), digits, padding="0")


def _named(part: Callable[[pa.Array], pa.Array], names: Sequence[str]) -> Callable[[pa.Array], pa.Array]:
    known = pa.array(names)
    return lambda stamps: known.take(part(stamps))


def _joined(*parts: Callable[[pa.Array], pa.Array]) -> Callable[[pa.Array], pa.Array]:
    return lambda stamps: pc.binary_join_element_wise(*(part(stamps) for part in parts), "")


MONTHS = (
    "", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
"""By their numbers."""
ON_THE_DIAL = [str(hour % 12 or 12) for hour in range(24)]
NUMBERS = {"m": pc.month, "d": pc.day, "H": pc.hour, "M": pc.minute, "S": pc.second}
PART = re.compile(r"(%[-^?]?[369]?.)")
MARKS = re.compile("[0-9A-Za-z]+")
_year = _number(pc.year, 4)
_short = _named(pc.month, [month[:3] for month in MONTHS])
_fractions = [_number(part, 3) for part in (pc.millisecond, pc.microsecond, pc.nanosecond)]
SPELLED: dict[str, Callable[[pa.Array], pa.Array]] = {
    **{f"%{letter}": _number(part, 2) for letter, part in NUMBERS.items()},
    **{f"%-{letter}": _number(part, 1) for letter, part in NUMBERS.items()},
    "%Y": _year,
    "%y": lambda stamps: pc.utf8_slice_codeunits(_year(stamps), start=-2),
    "%b": _short,
    "%^b": _short,
    "%B": _named(pc.month, MONTHS),
    "%I": _named(pc.hour, [f"{hour:0>2}" for hour in ON_THE_DIAL]),
    "%-I": _named(pc.hour, ON_THE_DIAL),
    "%p": _named(pc.hour, ["AM"] * 12 + ["PM"] * 12),
    "%3f": _fractions[0],
    "%6f": _joined(*_fractions[:2]),
    "%f": _joined(*_fractions[:2]),
    "%9f": _joined(*_fractions),
}
"""What is written of a date where its format has this part."""
