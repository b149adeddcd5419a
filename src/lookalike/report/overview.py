"""The overview: at most a dozen lines, this table beside a fresh real sample, for terminal, notebook and first screen."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from lookalike.report import answers, words
from lookalike.report.words import estimate, percent_estimate, score
from lookalike.stats import at

NOTHING = 0.005
"""A shortfall against the yardstick that is not worth a look."""
MOST_FAILED = 6
"""Failed checks in a terminal: more would push the figures off the screen."""
INDENT, LEAST_ROOM = 9, 24
"""Characters before the words of a line in a terminal, and those that words have at least, however narrow it is."""
UNMEASURED = "no holdout"
VERDICTS = {"pass": "passes", "fail": "fails", "missing": "not measured", "too few rows": "undecided"}
ATTACKS = {
    "singling_out_one": "singled out by one value",
    "singling_out_many": "singled out by several values",
    "linkability": "halves of a row linked",
    "inference": "secret cells inferred",
}
MEASURES = {"auc": "AUC", "r2": "R²"}

Card = Mapping[str, Any]
Line = dict[str, str]


def _line(plain: str, term: str, mine: str, fresh: str) -> Line:
    return {"plain": plain, "term": term, "mine": mine, "fresh": fresh}


def figures(card: Card) -> dict[str, list[Line]]:
    """The lines by question: what it is in plain words, the field's term, this table's figure, a fresh sample's."""
    return {"alike": _alike(card), "safe": _safe(card), "useful": _useful(card)}


def _alike(card: Card) -> list[Line]:
    fidelity = card["fidelity"]
    fresh = fidelity["fresh"] or {}
    lines = []
    if fidelity.get("accuracy"):
        found = fidelity["accuracy"]
        lines.append(
            _line(
                "one, two, three columns at a time", "accuracy", score(found["overall"]), score(found["max"]["overall"])
            )
        )
    if fidelity.get("detection"):
        found = fidelity["detection"]
        yardstick = found["fresh"] or {}
        plain = "told apart by trees" if found["against"] == "holdout" else "told from training rows by trees"
        lines.append(
            _line(
                plain,
                "AUC",
                estimate(found["auc"], found["interval"]),
                estimate(yardstick.get("auc"), yardstick.get("interval")) if found["fresh"] else UNMEASURED,
            )
        )
    for plain, term, figure in (
        ("single columns", "column shapes", "column_shapes"),
        ("ties between columns", "column pair trends", "pair_trends"),
    ):
        mine = score(answers.like_with_like(fidelity, figure))
        lines.append(_line(plain, term, mine, score(fresh.get(figure)) if fresh else UNMEASURED))
    if at(fidelity, "dependencies.broken"):
        found = fidelity["dependencies"]
        yardstick = words.percent(found["fresh"]) if found["fresh"] is not None else UNMEASURED
        lines.append(
            _line("rows that break a rule", "functional dependency", words.percent(found["broken"]), yardstick)
        )
    if at(fidelity, "constraints.broken"):
        found = fidelity["constraints"]
        yardstick = words.percent(found["fresh"]) if found["fresh"] is not None else UNMEASURED
        lines.append(_line("rows that break a rule", "constraint", words.percent(found["broken"]), yardstick))
    diagnosis = card["diagnostic"]
    yardstick = score(diagnosis["fresh"]["score"]) if diagnosis["fresh"] else UNMEASURED
    return [*lines, _line("valid cells", "diagnostic", score(diagnosis["score"]), yardstick)]


def _safe(card: Card) -> list[Line]:
    privacy = card["privacy"]
    near, copied = privacy["closeness"], privacy["exact_copies"]
    measured = near is not None and near["share"] is not None
    lines = [
        _line(
            "closer to training rows",
            "DCR share",
            percent_estimate(near["share"], near["interval"]) if measured else _why_not(card),
            "50 %" if measured else UNMEASURED if near is None else "–",
        ),
        _line(
            "exact copies of training rows",
            "identical matches",
            words.copies(copied),
            words.copies(copied["fresh"]) if copied["fresh"] else UNMEASURED,
        ),
    ]
    if "membership" in privacy:
        found = worst_membership(card)
        mine = estimate(found["auc"], found["auc_interval"]) if found else _why_not(card)
        lines.append(_line("membership guessed", "AUC", mine, ".500" if found else UNMEASURED if near is None else "–"))
    if "attacks" in privacy:
        name, entry = worst_attack(card)
        lines.append(
            _line(
                f"worst attack: {ATTACKS[name]}" if entry else "worst attack",
                "risk",
                percent_estimate(entry["risk"], entry["interval"]) if entry else _why_not(card),
                "0 %" if entry else UNMEASURED if near is None else "–",
            )
        )
    return lines


def _why_not(card: Card) -> str:
    return UNMEASURED if card["rows"]["holdout"] is None else "too few rows"


def worst_membership(card: Card) -> dict[str, Any] | None:
    """Of both membership attacks the one that guesses better."""
    found = [attack for name in ("distance", "density") if (attack := at(card, f"privacy.membership.{name}"))]
    return max(found, key=lambda attack: attack["auc"], default=None)


def worst_attack(card: Card) -> tuple[str, dict[str, Any] | None]:
    """The attack of the greatest risk."""
    found = {name: entry for name in ATTACKS if (entry := at(card, f"privacy.attacks.{name}"))}
    if not found:
        return "", None
    worst = max(found, key=lambda name: found[name]["risk"])
    return worst, found[worst]


def _useful(card: Card) -> list[Line]:
    utility = card.get("utility")
    headline = (utility or {}).get("headline")
    if not utility or not headline:
        return []
    measure = MEASURES[headline["measure"]]
    target = words.clean(utility["target"], 24)
    lines = [
        _line(
            f"a model of {target}",
            measure,
            estimate(headline["synthetic"], headline["intervals"]["synthetic"]),
            estimate(headline["real"], headline["intervals"]["real"]),
        )
    ]
    if headline["kept"] is not None:
        term = "share of its lead over a guess"
        lines.append(_line("kept of what real rows teach", term, words.percent(headline["kept"]), "100 %"))
    if utility["minority"]:
        sides = utility["minority"]
        found, real = (estimate(sides[side]["f1"], sides[side]["interval"]) for side in ("synthetic", "real"))
        lines.append(_line("its rarest class", "F1", found, real))
    agreement = at(utility, "importance.correlation")
    if agreement is not None:
        fresh = words.signed(at(utility, "importance.fresh.correlation"))
        lines.append(_line("the same columns matter to it", "importance correlation", words.signed(agreement), fresh))
    return lines


def compared_on(card: Card) -> str | None:
    """Which rows the figures of likeness were taken on, where the table was thinned for a fair comparison."""
    even, fidelity = card["fidelity"].get("even"), card["fidelity"]
    if not even or even["column_shapes"] == fidelity["column_shapes"]:
        return None
    drawn = f" (the mean of {even['draws']} draws)" if even.get("draws", 1) > 1 else ""
    return (
        f"Columns and ties are compared on {even['rows']:,} rows of each table{drawn}, as fewer rows score lower by chance; "
        f"on all rows they score {score(fidelity['column_shapes'])} and {score(fidelity['pair_trends'])}."
    )


# ---------------------------------------------------------------------------------------------------------- verdicts


def limit(check: Mapping[str, Any]) -> str:
    """What a figure is held to.

    >>> limit({"unit": "share", "bound": "at most", "threshold": 0.52})
    'at most 52 %'
    """
    value = f"{100 * check['threshold']:g} %" if check["unit"] == "share" else f"{check['threshold']:g}"
    return f"{check['bound']} {value.replace('-', '−')}"


def measured(check: Mapping[str, Any]) -> str:
    """A checked figure with its interval, in its own unit."""
    write = percent_estimate if check["unit"] == "share" else estimate
    return write(check["value"], check["interval"])


def checks(card: Card) -> dict[str, Any]:
    """``words``: how many passed; ``failed``: one line each; both empty where the scorecard has no verdicts."""
    found = card.get("verdicts") or []
    counts = {word: sum(check["verdict"] == word for check in found) for word in VERDICTS}
    done = len(found) - counts["missing"]
    parts = [f"{counts['pass']} of {done} passed" if done else "none could be made"]
    for word, written in (("fail", "failed"), ("too few rows", "undecided"), ("missing", "not measured")):
        if counts[word]:
            parts.append(f"{counts[word]} {written}")
    failed = [f"{check['plain']}: {measured(check)}, {limit(check)}" for check in found if check["verdict"] == "fail"]
    return {"words": ", ".join(parts) if found else "", "failed": failed}


# ----------------------------------------------------------------------------------------------------------- look at


def look_at(card: Card) -> list[str]:
    """The worst column, the worst pair and what gave the table away, in words."""
    column, pair = card["worst"]["column"], card["worst"]["pair"]
    lines = []
    if column is not None and column["score"] is not None:
        lines.append(
            f"{words.clean(column['column'], 40)}: shape {_figure(column)}{_beside(column)}, {_worst_of(card['columns']['scored'], 'column')}"
        )
    if pair is not None:
        scored = card["fidelity"]["pairs"]["scored"]
        lines.append(f"{words.pair_name(pair)}: pair trend {_figure(pair)}{_beside(pair)}, {_worst_of(scored, 'pair')}")
    lines += _plainly_wrong(card)
    gave_away = at(card, "fidelity.detection.columns") or []
    if gave_away and gave_away[0]["drop"] > NOTHING:
        first = gave_away[0]
        lines.append(
            f"{words.clean(first['column'], 40)}: trees tell rows apart by it most; without it their AUC falls by {score(first['drop'])}"
        )
    return lines


def _worst_of(number: int, what: str) -> str:
    return f"the worst of {number:,} {what}s" if number > 1 else f"the only {what}"


def _plainly_wrong(card: Card) -> list[str]:
    """What the worst column and the worst pair failed for, where no score above says so: gaps, and a tie."""
    failed = {check["figure"] for check in card.get("verdicts") or [] if check["verdict"] == "fail"}
    column, pair = at(card, "fidelity.worst_column"), at(card, "fidelity.worst_pair")
    lines = []
    if "worst_column_shortfall" in failed and column["missing"]:
        gaps = next(entry for entry in card["fidelity"]["columns"] if entry["column"] == column["column"])
        shares = f"{words.percent(gaps['missing_synthetic'])} of its cells are missing, {words.percent(gaps['missing_real'])} of the real ones"
        lines.append(f"{words.clean(column['column'], 40)}: {shares}")
    if "worst_pair_shortfall" in failed:
        lines.append(
            f"{words.pair_name(pair)}: their tie holds {words.percent(max(0.0, pair['kept']))} of the rows together, "
            f"{words.percent(pair['fresh'])} of a fresh real sample"
        )
    return lines


def _figure(entry: Mapping[str, Any]) -> str:
    return score(entry["score"] if entry.get("even") is None else entry["even"])


def shortfall(entry: Mapping[str, Any]) -> float | None:
    """How far a column or a pair lies below a fresh sample of as many rows."""
    mine = entry["score"] if entry.get("even") is None else entry["even"]
    return None if mine is None or entry["fresh"] is None else float(entry["fresh"] - mine)


def _beside(entry: Mapping[str, Any]) -> str:
    """The yardstick, and whether the shortfall is worth a look at all."""
    short = shortfall(entry)
    if short is None:
        return ""
    remark = ", so nothing stands out" if short < NOTHING else ""
    return f" (a fresh real sample: {score(entry['fresh'])}{remark})"


# -------------------------------------------------------------------------------------------------------- a terminal


def _checks_in_lines(verdicts: Mapping[str, Any]) -> list[str]:
    if not verdicts["words"]:
        return []
    failed, more = verdicts["failed"][:MOST_FAILED], len(verdicts["failed"]) - MOST_FAILED
    rest = [f"and {more} more: see the report"] if more > 0 else []
    return [verdicts["words"], *(f"fails: {line}" for line in failed), *rest]


def _in_a_line(title: str, place: int, line: Line) -> str:
    """In a terminal both columns keep their heads, so the first line says what they are here."""
    aside = ", trained on it / on real rows" if title == "useful" and place == 0 else ""
    return f"{line['plain']}{aside} ({line['term']})"


def text(card: Card, width: int | None = None) -> str:
    """One aligned screen; where it is given a ``width`` in characters, words go on below instead of beyond it."""
    lines = [
        (title if not place else "", _in_a_line(title, place, line), line["mine"], line["fresh"])
        for title, block in figures(card).items()
        for place, line in enumerate(block)
    ]
    heads = ("", "", "look-alike", "a fresh real sample")
    widths = [max(len(row[column]) for row in [heads, *lines]) for column in range(4)]
    room = widths[1] if width is None else max(LEAST_ROOM, min(widths[1], width - widths[2] - widths[3] - INDENT - 4))
    written = []
    for title, plain, mine, fresh in [heads, *lines]:
        first, *more = _wrapped(plain, room)
        written.append(f"{title:<{INDENT}}{first:<{room}}  {mine:>{widths[2]}}  {fresh:>{widths[3]}}".rstrip())
        written += [" " * INDENT + rest for rest in more]
    verdicts = checks(card)
    below = {
        "useful": [] if _useful(card) else (at(card, "utility.notes") or [])[:1],
        "checks": _checks_in_lines(verdicts),
        "look at": look_at(card),
        "note": [card["yardstick"]["note"]] if card["yardstick"]["strength"] != "good" else [],
    }
    for name, part in below.items():
        wrapped = [line for sentence in part for line in _wrapped(sentence, None if width is None else width - INDENT)]
        written += [f"{name if not place else '':<{INDENT}}{line}" for place, line in enumerate(wrapped)]
    return "\n".join(written)


def _wrapped(words: str, room: int | None) -> list[str]:
    """Words in lines of ``room`` characters, those after the first set in.

    >>> _wrapped("worst attack: secret cells inferred (risk)", 36)
    ['worst attack: secret cells inferred', '  (risk)']
    """
    if room is None or len(words) <= room:
        return [words]
    return textwrap.wrap(words, max(room, LEAST_ROOM), subsequent_indent="  ", break_on_hyphens=False)
