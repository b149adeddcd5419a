"""The three questions, each answered in a word and a sentence, read off the scorecard.

An answer is read off the yardstick, never off a bare score: a fresh real sample is the best that any generator can be
expected to reach. Safety is never answered "yes": the tests are smoke alarms, so the best answer is that none went off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lookalike.report.words import clean, listed, percent
from lookalike.stats import WEAK_HOLDOUT, at

NEAR, FAIR = 0.02, 0.05
"""Shortfall against a fresh real sample up to which the answer is "yes" and "largely"."""
TOLD_APART = 0.6
"""Trees that tell rows apart more surely than this see something that a person should look at."""
KEPT, UNSURE = 0.9, 0.8
"""Share of what real rows teach: kept for "largely", and still possible for "yes"."""
LEARN_MORE = "have it learn longer, from more rows, or with --preset best"
STRANGERS = "a hundred real rows or more that it did not learn from (--keep-back, or --holdout with a file of them)"
NEXT = {
    "alike": {
        "Largely": f"See below where it is short; if your question is about that, {LEARN_MORE}.",
        "Not enough": f"Draw no conclusions from it: see below where it is worst, then {LEARN_MORE}.",
        "Too early to tell": f"Judge it beside {STRANGERS}.",
        "Cannot be told": f"Judge it beside {STRANGERS}.",
    },
    "safe": {
        "Take care": "Judge it beside more real rows (--keep-back, --holdout), or have rows too near to a person drawn again (--filter).",
        "Alarm": "Do not hand it on. See which checks failed, then have rows too near to a person drawn again (--filter), or bound what "
        "any row can give away (--epsilon).",
        "Too early to tell": f"Do not hand it on yet: judge it beside {STRANGERS}.",
        "Cannot be told": f"Do not hand it on yet: judge it beside {STRANGERS}.",
    },
    "useful": {
        "Not enough": f"Answer this question from real rows, or {LEARN_MORE}.",
        "Not measured": "Name a column worth predicting (--target), and keep real rows back to test on.",
        "Too early to tell": "Keep more real rows back to test on (--keep-back, --holdout).",
        "Cannot be told": "Name another column (--target), or keep more real rows back to test on (--keep-back, --holdout).",
    },
}
"""What to do about an answer, by question and word; about the others there is nothing to do."""
ABOUT_TREES = {"detection_auc", "detection_excess"}
"""Figures that have a sentence of their own in the answer."""

Card = Mapping[str, Any]
Answer = dict[str, str]


def _answer(level: str, word: str, sentence: str) -> Answer:
    return {"level": level, "word": word, "sentence": sentence}


# ------------------------------------------------------------------------------------------------------ is it alike?


def alike(card: Card) -> Answer:
    """Is it alike? ``level`` (good, fair, poor, unknown), one ``word``, one ``sentence``."""
    fidelity = card["fidelity"]
    if fidelity["quality"] is None and fidelity["column_shapes"] is None:
        return _answer("unknown", "Nothing to compare", "No column has a distribution that could be compared.")
    if fidelity["fresh"] is None or fidelity["fresh"]["column_shapes"] is None:
        return _answer(
            "unknown",
            "Cannot be told",
            "No real rows were kept back to say what a fresh real sample would score, so the figures stand alone.",
        )
    parts = {
        "single columns": _shortfall(fidelity, "column_shapes"),
        "the ties between columns": max(_shortfall(fidelity, "pair_trends"), _shortfall(fidelity, "pair_trends_all")),
        "combinations of two and three columns": _combinations(fidelity),
    }
    worst, told, doubt = max(parts.values()), _told_apart(card), _doubt(card)
    short = listed([name for name, gap in parts.items() if gap > (FAIR if worst > FAIR else NEAR)])
    failed = _failed(check for check in _checks(card, "fidelity") if check["figure"] not in ABOUT_TREES)
    unsure = doubt is not None and not failed and not told
    if worst > FAIR:
        level, word, found = (
            "poor",
            "Not enough",
            f"{'Below' if unsure else 'Clearly below'} a fresh real sample in {short}",
        )
    elif failed:
        level, word, found = "poor", "Not enough", f"Beyond its limit: {listed(failed)}"
    elif worst > NEAR:
        level, word, found = "fair", "Largely", f"Close to a fresh real sample, a little short in {short}"
    elif told:
        level, word, found = "fair", "Largely", "Column by column and pair by pair about as a fresh real sample"
    else:
        level, word, found = "good", "Yes", "It scores about what a fresh real sample of the same table scores"
    if told:
        return _answer(level, word, f"{found}. {'But trees' if level == 'fair' else 'Trees'} {told}.")
    if doubt is None:
        return _answer(level, word, f"{found}.")
    not_told, because = doubt
    return (
        _answer("unknown", not_told, f"{found}, but {because}.")
        if unsure
        else _answer(level, word, f"{found}. But {because}.")
    )


def _doubt(card: Card) -> tuple[str, str] | None:
    """Why figures of likeness cannot be leaned on, in a word and as a reason; None where they can."""
    yardstick = card["yardstick"]
    if yardstick["strength"] == "overlapping":
        return "Cannot be told", "rows that were kept back stand in the training table as well: no fair yardstick"
    if yardstick["strength"] == "weak":
        return "Too early to tell", f"only {yardstick['rows']} real rows were kept back: too few to rely on"
    if card["rows"]["synthetic"] < WEAK_HOLDOUT:
        return "Too early to tell", f"the table has only {card['rows']['synthetic']} rows: too few to rely on"
    return None


def like_with_like(fidelity: Mapping[str, Any], figure: str) -> float | None:
    """A figure on as many rows as the yardstick has, where that was measured."""
    even = (fidelity.get("even") or {}).get(figure)
    found = fidelity[figure] if even is None else even
    return None if found is None else float(found)


def _shortfall(fidelity: Mapping[str, Any], figure: str) -> float:
    mine, fresh = like_with_like(fidelity, figure), fidelity["fresh"][figure]
    return 0.0 if mine is None or fresh is None else float(fresh - mine)


def _combinations(fidelity: Mapping[str, Any]) -> float:
    """Accuracy's shortfall against what a fresh sample of as many rows is expected to get."""
    found = [
        best - mine
        for part in ("bivariate", "trivariate")
        if (mine := at(fidelity, f"accuracy.{part}")) is not None
        and (best := at(fidelity, f"accuracy.max.{part}")) is not None
    ]
    return max(found, default=0.0)


def _told_apart(card: Card) -> str:
    """What trees see, where they see more than they should."""
    detection = card["fidelity"].get("detection") or {}
    if detection.get("against") != "holdout" or (at(detection, "interval") or [0])[0] is None:
        return ""
    if detection["auc"] is None or detection["interval"][0] <= TOLD_APART:
        return ""
    names = [clean(entry["column"], 30) for entry in detection["columns"] if entry["drop"] > 0.01]
    because = f", by {listed(names[:2])} above all" if names else ""
    return f"tell a synthetic row from a real one {100 * detection['auc']:.0f} times in 100{because}"


# ------------------------------------------------------------------------------------------------------- is it safe?


def safe(card: Card) -> Answer:
    """Is it safe? Keys as :func:`alike`."""
    copied = card["privacy"]["exact_copies"]
    checks = _checks(card, "privacy")
    failed = _failed(checks)
    fresh = copied["fresh"]
    alarms = []
    if fresh is not None and copied["interval"][0] > fresh["interval"][1]:
        alarms.append(f"{_rows(copied['count'])} an exact copy of a training row, more than chance explains")
    if failed:
        number = f"{len(failed)} of {_measured(checks)} checks failed" if len(failed) > 1 else "one check failed"
        alarms.append(f"{number}: {listed(failed)}")
    if alarms:
        sentence = "; ".join(alarms)
        return _answer("poor", "Alarm", f"{sentence[0].upper()}{sentence[1:]}.")
    if fresh is None:
        known = (
            f"{_rows(copied['count'])} an exact copy of a training row"
            if copied["count"]
            else "No row is an exact copy of a training row"
        )
        return _answer(
            "unknown",
            "Take care" if copied["count"] else "Cannot be told",
            f"{known}, but no real rows were kept back, so most checks could not be made.",
        )
    return _without_alarm(card, checks)


def _without_alarm(card: Card, checks: list[Mapping[str, Any]]) -> Answer:
    near, yardstick = card["privacy"]["closeness"], card["yardstick"]
    if yardstick["strength"] == "skewed":
        return _answer(
            "unknown",
            "Cannot be told",
            "The real rows that were kept back are not a random draw from the same table, so no check can lean on them.",
        )
    if yardstick["strength"] == "overlapping":
        return _answer(
            "unknown",
            "Cannot be told",
            "Rows that were kept back stand in the training table as well, so no check can lean on them.",
        )
    if near is None or near["share"] is None:
        return _answer("unknown", "Cannot be told", "Too few real rows were kept back to measure closeness.")
    if yardstick["strength"] == "weak":
        return _answer(
            "unknown",
            "Too early to tell",
            f"No alarm went off, but only {yardstick['rows']} real rows were kept back: too few to rely on.",
        )
    undecided = [check["plain"] for check in checks if check["verdict"] == "too few rows"]
    if undecided:
        return _answer("fair", "Take care", f"No check failed, but too few rows leave undecided: {listed(undecided)}.")
    if near["interval"][0] > 0.5:
        return _answer("fair", "Take care", "No check failed, but its rows lean a little towards the training rows.")
    passed = f"All {len(checks)} checks passed: no" if checks else "No"
    return _answer(
        "good",
        "No alarm",
        f"{passed} more copies than chance explains, no closer to training rows than to other real rows.",
    )


def _checks(card: Card, kind: str) -> list[Mapping[str, Any]]:
    """The scorecard's verdicts on fidelity, privacy or utility, measured or not."""
    return [check for check in card.get("verdicts") or [] if check["kind"] == kind]


def _failed(checks: Iterable[Mapping[str, Any]]) -> list[str]:
    """What failed, in plain words."""
    return [check["plain"] for check in checks if check["verdict"] == "fail"]


def _measured(checks: list[Mapping[str, Any]]) -> int:
    return sum(check["verdict"] != "missing" for check in checks)


def _rows(number: int) -> str:
    return "1 row is" if number == 1 else f"{number:,} rows are each"


# ----------------------------------------------------------------------------------------------------- is it useful?


def useful(card: Card) -> Answer:
    """Is it useful? Keys as :func:`alike`."""
    headline = at(card, "utility.headline")
    if headline is None or headline["real"] is None or headline["synthetic"] is None:
        notes = at(card, "utility.notes") or ["Utility was not measured."]
        return _answer("unknown", "Not measured", notes[0])
    target = clean(card["utility"]["target"], 40)
    kept, interval, lead = headline["kept"], headline["interval"], headline["real"] - headline["baseline"]
    if kept is None:
        return _answer(
            "unknown", "Cannot be told", f"Not even real rows teach a model to predict {target} better than a guess."
        )
    if interval is None or interval[0] is None:
        return _answer("unknown", "Cannot be told", f"Too few real rows were kept back to test models of {target} on.")
    as_well = f"A model trained on it predicts {target} as well as one trained on real rows"
    if interval[1] >= 0:
        if 1 + interval[0] / lead >= UNSURE:
            return _answer(
                "good", "Yes", f"{as_well}, as far as {card['utility']['rows']['test']:,} test rows can tell."
            )
        return _answer("unknown", "Too early to tell", f"{as_well}, but too few rows were tested to be sure.")
    sentence = f"A model trained on it keeps {percent(max(0.0, kept), 0)} of what real rows teach about {target}."
    if kept >= KEPT and not _failed(_checks(card, "utility")):
        return _answer("fair", "Largely", sentence)
    return _answer("poor", "Not enough", sentence)
