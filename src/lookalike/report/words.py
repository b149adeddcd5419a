"""Figures to words: how numbers, names and intervals are written. A figure that is missing is a dash, never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lookalike.characters import OBEYED


def score(value: float | None) -> str:
    """A score in [0, 1].

    >>> score(0.9764), score(0.99998), score(1.0), score(None)
    ('.976', '> .999', '1.000', '–')
    """
    if value is None:
        return "–"
    if 0.9995 <= value < 1:
        return "> .999"  # not 1: "valid: 1.000" would hide the one cell that is not
    written = f"{value:.3f}"
    return written.replace("0.", ".", 1) if written.startswith(("0.", "-0.")) else written


def gap(value: float | None) -> str:
    """A difference of scores, with its sign.

    >>> gap(0.0213), gap(-0.004), gap(None)
    ('+.021', '−.004', '–')
    """
    if value is None:
        return "–"
    sign = "+" if value > 0.0005 else "−" if value < -0.0005 else ""
    return sign + score(abs(value) if abs(value) > 0.0005 else 0.0)


def percent(value: float | None, digits: int = 1) -> str:
    """A share.

    >>> percent(0.504), percent(None), percent(0.00004)
    ('50.4 %', '–', '< 0.1 %')
    """
    if value is None:
        return "–"
    if 0 < value < 0.5 * 10 ** (-digits - 2):
        return f"< {10.0**-digits:.{digits}f} %"
    return f"{100 * value:.{digits}f} %"


def spread(interval: Sequence[float | None] | None) -> float | None:
    """Half the width of an interval, None where it is not known.

    >>> spread([0.25, 0.75]), spread(None), spread([None, None])
    (0.25, None, None)
    """
    if interval is None or len(interval) != 2 or interval[0] is None or interval[1] is None:
        return None
    return (interval[1] - interval[0]) / 2


def estimate(value: float | None, interval: Sequence[float | None] | None) -> str:
    """A score with half its 95 % interval, to as many places as the interval makes sense of.

    >>> estimate(0.5241, [0.51, 0.54]), estimate(0.98, None), estimate(None, None), estimate(-0.2, [-0.5, 0.1])
    ('.52 ± .02', '.980', '–', '−.2 ± .3')
    """
    half = spread(interval)
    if value is None or half is None:
        return signed(value)
    digits = 3 if half < 0.005 else 2 if half < 0.195 else 1
    written = _pointed(abs(value), digits)
    sign = "−" if value < 0 and float(f"{value:.{digits}f}") != 0 else ""
    return f"{sign}{written} ± {_pointed(half, digits)}"


def _pointed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def signed(value: float | None) -> str:
    """A score that may lie below 0.

    >>> signed(-0.25), signed(0.25), signed(None)
    ('−.250', '.250', '–')
    """
    return "–" if value is None else score(value) if value >= 0 else f"−{score(-value)}"


def percent_estimate(value: float | None, interval: Sequence[float | None] | None) -> str:
    """A share with half its 95 % interval, in points; with both ends where the interval leans far to one side.

    >>> percent_estimate(0.504, [0.497, 0.511]), percent_estimate(-0.01, [-0.03, 0.01]), percent_estimate(0.5, None)
    ('50.4 % ± 0.7', '−1.0 % ± 2.0', '50.0 %')
    >>> percent_estimate(1.0, [-0.12, 1.0])
    '100.0 % (−12.0 % to 100.0 %)'
    """
    half = spread(interval)
    if value is None:
        return "–"
    sign = "−" if value < -0.0005 else ""
    written = f"{sign}{100 * abs(value):.1f} %"
    if half is None or interval is None:
        return written
    if half > 0.02 and abs(value - (interval[0] or 0.0) - half) > half / 2:
        return f"{written} ({percent_range(interval)})"
    return f"{written} ± {100 * half:.1f}"


def percent_range(interval: Sequence[float | None] | None, digits: int = 1) -> str:
    """An interval of shares, both ends.

    >>> percent_range([0.001, 0.025]), percent_range(None)
    ('0.1 % to 2.5 %', '–')
    """
    if interval is None or spread(interval) is None:
        return "–"
    low, high = (f"{'−' if end < -1e-9 else ''}{100 * abs(end):.{digits}f} %" for end in interval if end is not None)
    return f"{low} to {high}"


def score_range(interval: Sequence[float | None] | None) -> str:
    """An interval of scores, both ends.

    >>> score_range([0.51, 0.54]), score_range([None, None])
    ('.510 to .540', '–')
    """
    if interval is None or spread(interval) is None:
        return "–"
    return " to ".join(signed(end) for end in interval)


def listed(parts: Sequence[str], most: int = 3) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d", "e"]), listed(["a"])
    ('a, b and c', 'a, b, c and 2 more', 'a')
    """
    if len(parts) > most:
        return f"{', '.join(parts[:most])} and {len(parts) - most} more"
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def copies(entry: Mapping[str, Any] | None) -> str:
    """Exact copies, of how many rows.

    >>> copies({"count": 3, "rows": 24395})
    '3 of 24,395'
    """
    return "–" if entry is None else f"{entry['count']:,} of {entry['rows']:,}"


def seconds(value: float) -> str:
    """A duration.

    >>> seconds(0.25), seconds(42.0), seconds(130.0), seconds(7300)
    ('0.25 s', '42 s', '2 min 10 s', '2 h 1 min')
    """
    if value < 10:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.0f} s"
    if value < 3600:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} min"


def clean(text: str, length: int) -> str:
    r"""A name or a label as a picture or a terminal may show it: short, and nothing in it is obeyed.

    >>> clean("a very long label indeed", 16)
    'a very long lab…'
    >>> clean("\x1b[2Jred", 16)
    '\\x1b[2Jred'
    """
    text = text.translate(OBEYED)
    return text if len(text) <= length else text[: length - 1] + "…"


def pair_name(entry: Mapping[str, Any]) -> str:
    """The columns of a pair or a triple.

    >>> pair_name({"columns": ["income", "age"]})
    'income × age'
    """
    return " × ".join(clean(name, 40) for name in entry["columns"])
