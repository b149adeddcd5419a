"""Figures to words: how numbers are written, and what they answer.

Plain words first, the field's term beside them. A verdict is read off the yardstick, never off a bare score: a fresh
real sample is the best that any generator can be expected to reach.
"""

from __future__ import annotations

from typing import Any

NEAR, FAIR = 0.02, 0.06
"""Shortfall against a fresh real sample up to which the answer is "yes" and "in part"."""
CLOSE_LIMIT = 0.52
"""The share that the Flatland and MOSTLY AI prizes still accept; ½ is ideal."""
OBEYED = str.maketrans(dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239), *range(8294, 8298)), "�"))
"""Control characters, and those that turn the direction of what follows."""


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


def count(value: int | None) -> str:
    """A number of rows.

    >>> count(24395)
    '24,395'
    """
    return "–" if value is None else f"{value:,}"


def copies(entry: dict[str, Any] | None) -> str:
    """Exact copies, of how many rows.

    >>> copies({"count": 3, "rows": 24395})
    '3 of 24,395'
    """
    return "–" if entry is None else f"{entry['count']:,} of {entry['rows']:,}"


def closeness(entry: dict[str, Any] | None) -> str:
    """The DCR share with its 95 % interval.

    >>> closeness({"share": 0.504, "standard_error": 0.0036})
    '50.4 % ± 0.7'
    """
    if entry is None or entry["share"] is None:
        return "no yardstick"
    return f"{100 * entry['share']:.1f} % ± {196 * entry['standard_error']:.1f}"


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
    '�[2Jred'
    """
    text = text.translate(OBEYED)
    return text if len(text) <= length else text[: length - 1] + "…"


def pair_name(entry: dict[str, Any]) -> str:
    """Both columns of a pair.

    >>> pair_name({"columns": ["income", "age"]})
    'income × age'
    """
    return " × ".join(clean(name, 40) for name in entry["columns"])


# --------------------------------------------------------------------------------------------------------- verdicts


def alike(card: dict[str, Any]) -> dict[str, str]:
    """Is it alike? ``level`` (good, fair, poor, unknown), one ``word``, one ``sentence``."""
    fidelity = card["fidelity"]
    if fidelity["quality"] is None:
        return _answer("unknown", "Cannot be told", "No column has a distribution that could be compared.")
    if fidelity["fresh"] is None or fidelity["fresh"]["quality"] is None:
        return _answer(
            "unknown",
            "Cannot be told",
            f"It scores {score(fidelity['quality'])} of 1, but no real rows were kept back to say what a fresh real sample would score.",
        )
    parts = {
        "columns": _shortfall(fidelity, "column_shapes"),
        "pairs": max(_shortfall(fidelity, "pair_trends"), _shortfall(fidelity, "pair_trends_all")),
    }
    worst = max(parts.values())
    if card["yardstick"]["strength"] == "weak":
        tail = f" But only {card['yardstick']['rows']} real rows were kept back, so this is a rough guess."
    else:
        tail = ""
    if worst <= NEAR:
        return _answer("good", "Yes", "It scores about what a fresh real sample of the same table would score." + tail)
    which = _which(parts)
    if worst <= FAIR:
        return _answer("fair", "Largely", f"It comes close to a fresh real sample; {which} fall a little short." + tail)
    return _answer("poor", "Not enough", f"It stays clearly below a fresh real sample: {which} differ." + tail)


def _shortfall(fidelity: dict[str, Any], figure: str) -> float:
    mine, fresh = fidelity[figure], fidelity["fresh"][figure]
    return 0.0 if mine is None or fresh is None else fresh - mine


def _which(parts: dict[str, float]) -> str:
    short = [name for name, value in parts.items() if value > NEAR]
    words = {"columns": "single columns", "pairs": "the ties between columns"}
    return " and ".join(words[name] for name in short)


def safe(card: dict[str, Any]) -> dict[str, str]:
    """Is it safe? Never "yes": these are smoke alarms, so the best answer is that none went off."""
    copied, near = card["privacy"]["exact_copies"], card["privacy"]["closeness"]
    fresh = copied["fresh"]
    if fresh is None:
        if copied["count"]:
            return _answer(
                "unknown",
                "Take care",
                f"{_rows(copied['count'])} an exact copy of a training row, and no real rows were kept back to say whether chance explains that.",
            )
        return _answer(
            "unknown",
            "Cannot be told",
            "No row is an exact copy of a training row, but no real rows were kept back to measure closeness against.",
        )
    if copied["interval"][0] > fresh["interval"][1]:
        return _answer(
            "poor",
            "Alarm",
            f"{_rows(copied['count'])} an exact copy of a training row, more than a fresh real sample shares with it by chance.",
        )
    weak = card["yardstick"]["strength"] == "weak"
    tail = f" But only {card['yardstick']['rows']} real rows were kept back: too few to rely on." if weak else ""
    if card["yardstick"]["strength"] == "skewed":
        return _answer(
            "unknown",
            "Cannot be told",
            "The real rows that were kept back are not a random draw from the same table, so closeness says nothing.",
        )
    if near is None or near["share"] is None:
        return _answer("unknown", "Cannot be told", "Too few real rows were kept back to measure closeness.")
    if near["interval"][0] > CLOSE_LIMIT:
        return _answer(
            "poor",
            "Alarm",
            "Its rows lie closer to the training rows than to other real rows: it has memorised some." + tail,
        )
    if near["interval"][0] > 0.5:
        return _answer("fair", "Take care", "Its rows lean a little towards the training rows." + tail)
    if weak:
        return _answer("unknown", "Too early to tell", "No alarm went off." + tail)
    return _answer(
        "good",
        "No alarm",
        "No more copies than chance explains, and its rows are no closer to the training rows than to other real rows.",
    )


def _rows(number: int) -> str:
    return "1 row is" if number == 1 else f"{number:,} rows are each"


def _answer(level: str, word: str, sentence: str) -> dict[str, str]:
    return {"level": level, "word": word, "sentence": sentence}


def figures(card: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The overview's lines: what it is in plain words, the field's term, this table's figure, a fresh sample's."""
    fidelity, diagnostic, privacy = card["fidelity"], card["diagnostic"], card["privacy"]
    fresh, fresh_diagnostic = fidelity["fresh"] or {}, diagnostic["fresh"] or {}

    def line(plain: str, term: str, mine: str, yardstick: str) -> dict[str, str]:
        return {"plain": plain, "term": term, "mine": mine, "fresh": yardstick}

    return {
        "alike": [
            line("overall", "quality score", score(fidelity["quality"]), score(fresh.get("quality"))),
            line(
                "single columns", "column shapes", score(fidelity["column_shapes"]), score(fresh.get("column_shapes"))
            ),
            line(
                "ties between columns",
                "column pair trends",
                score(fidelity["pair_trends"]),
                score(fresh.get("pair_trends")),
            ),
            line("valid cells", "diagnostic", score(diagnostic["score"]), score(fresh_diagnostic.get("score"))),
        ],
        "safe": [
            line(
                "exact copies of training rows",
                "identical matches",
                copies(privacy["exact_copies"]),
                copies(privacy["exact_copies"]["fresh"]),
            ),
            line(
                "rows closer to training rows",
                "DCR share",
                closeness(privacy["closeness"]),
                "50 %" if privacy["closeness"] else "–",
            ),
        ],
    }
