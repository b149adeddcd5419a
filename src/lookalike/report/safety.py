"""The page's privacy section: every figure with its interval, its control and the limit it is held to, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lookalike.report import words
from lookalike.report.overview import ATTACKS, UNMEASURED, VERDICTS, limit, measured
from lookalike.report.words import estimate, percent, percent_estimate, percent_range, score, score_range
from lookalike.stats import FEW_PEOPLE, at

Card = Mapping[str, Any]
LEVELS = {"pass": "good", "fail": "poor", "too few rows": "fair", "missing": "unknown"}
LEAKS = {
    "rare_levels": f"labels held by fewer than {FEW_PEOPLE} training rows",
    "extremes": "smallest and largest numbers of a column",
    "outliers": "people far from all others, nearly copied",
    "loners": "the loneliest of them, nearly copied",
}
MEMBERSHIPS = {"distance": "by distance to the nearest synthetic row", "density": "by density (DOMIAS)"}


def checks(card: Card) -> dict[str, list[dict[str, str]]]:
    """The verdicts as rows of text: ``privacy`` and ``others``."""
    found: dict[str, list[dict[str, str]]] = {"privacy": [], "others": []}
    for check in card.get("verdicts") or []:
        found["privacy" if check["kind"] == "privacy" else "others"].append(
            {
                "plain": check["plain"],
                "term": check["term"],
                "measured": measured(check) if check["value"] is not None else "–",
                "limit": limit(check),
                "verdict": VERDICTS[check["verdict"]],
                "level": LEVELS[check["verdict"]],
            }
        )
    return found


FILTERED = (
    "These rows were filtered: {words}. A filter is itself a look at the real rows, and what it sends back leaves holes around "
    "people: figures of distance and copies fall by construction, and say less about what the engine remembers; the attacks and "
    "membership below do not ask how near a row is allowed to be."
)


NOTHING_PROVEN = (
    "Nothing is proven about these rows: the engine learned without differential privacy. The checks below found what they found; do not "
    "share the rows or the model as differentially private."
)


def proven(run: Mapping[str, Any]) -> str:
    """What is proven about the rows, for the first screen; empty where it is not known how they were made."""
    if "ledger" not in run:
        return ""
    if run["ledger"] is None:
        return "Nothing: the engine learned without differential privacy."
    answers = dict(run["ledger"])
    return f"{answers['guarantee']} for {answers['protects']}. It covers the rows and the twin, not this page."


def privacy(card: Card, run: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the privacy section shows; a part that was not measured is None or empty. ``run``: what is known of how the rows
    were made (see :func:`lookalike.report.summarize.summarize`)."""
    filtered, ledger = run.get("filter"), run.get("ledger")
    return {
        "ledger": [list(line) for line in ledger or ()],
        "promise": NOTHING_PROVEN if "ledger" in run and ledger is None else "",
        "checks": checks(card)["privacy"],
        "copies": _copies(card),
        "distances": _distances(card),
        "protection": _protection(card),
        "leakage": _leakage(card),
        "attacks": _attacks(card),
        "secrets": _secrets(card),
        "membership": _membership(card),
        "filtered": None if filtered is None else FILTERED.format(words=filtered),
        "missing": "" if card["rows"]["holdout"] else card["yardstick"]["note"],
    }


def _copies(card: Card) -> dict[str, str]:
    found = card["privacy"]["exact_copies"]
    return {
        "mine": words.copies(found),
        "interval": percent_range(found["interval"], 3),
        "fresh": words.copies(found["fresh"]) if found["fresh"] else UNMEASURED,
        "holdout": words.copies(found.get("holdout")) if found.get("holdout") else UNMEASURED,
    }


def _distances(card: Card) -> list[list[str]]:
    """What, figure, interval, what a fresh sample is expected to score, how it was measured."""
    near, ratios, rows = card["privacy"]["closeness"], at(card, "privacy.nndr"), []
    if near is not None and near["share"] is not None:
        control = at(near, "control.share")
        rows.append(
            [
                "rows closer to a training row than to any other real row (DCR share)",
                percent(near["share"]),
                percent_range(near["interval"]),
                "50 %" if control is None else f"50 % (kept-back rows themselves: {percent(control)})",
                f"{near['rows']:,} synthetic rows against {near['compared']:,} training and as many other rows; ties {percent(near['ties'])}",
            ]
        )
    if ratios:
        compared = f"{ratios['rows']:,} synthetic rows against {ratios['compared']:,} on either side"
        rows.append(
            [
                "rows that lean on one person, beyond chance (NNDR below ½, excess)",
                percent_estimate(ratios["excess"], None),
                percent_range(ratios["excess_interval"]),
                "0 %",
                f"{percent(ratios['tight'])} of rows lean on a training row, {percent(ratios['tight_fresh'])} on a kept-back one; {compared}",
            ]
        )
        rows.append(
            [
                "the ten closest rows, against chance (NNDR ratio)",
                score(ratios["ratio"]) if (ratios["ratio"] or 0) < 1 else f"{ratios['ratio']:.2f}",
                "–" if ratios["interval"] is None else f"{ratios['interval'][0]:.2f} to {ratios['interval'][1]:.2f}",
                "1.00",
                "ten rows decide it, so it moves from run to run",
            ]
        )
    return rows


def _protection(card: Card) -> list[list[str]]:
    found = at(card, "privacy.protection")
    if not found:
        return []
    held = card["rows"]["holdout"] is not None
    return [
        [
            "as far from training rows as noise (DCR baseline protection)",
            score(found["baseline"]),
            score_range(found["interval"]),
            score(found["baseline_fresh"]) if held else UNMEASURED,
        ],
        [
            "no nearer to training than to other rows (DCR overfitting protection)",
            score(found["overfitting"]) if held else UNMEASURED,
            score_range(found["overfitting_interval"]),
            "about 1" if held else UNMEASURED,
        ],
    ]


def _leakage(card: Card) -> list[list[str]]:
    found = at(card, "privacy.leakage") or {}
    return [
        [
            plain,
            f"{part['count']:,} of {part['possible']:,}" if part["possible"] else "none at risk",
            percent(part["compared"]) if part["rows"] else UNMEASURED if part["possible"] else "–",
            percent(part["fresh"]) if part["rows"] else UNMEASURED if part["possible"] else "–",
            percent_estimate(part["excess"], None) if part["rows"] else "–",
            percent_range(part["excess_interval"]) if part["rows"] and part["possible"] else "–",
        ]
        for name, plain in LEAKS.items()
        if (part := found.get(name))
    ]


def _attacks(card: Card) -> list[list[str]]:
    found = at(card, "privacy.attacks") or {}
    rows = []
    for name, plain in ATTACKS.items():
        part = found.get(name)
        if part:
            baseline = percent(part["baseline"]) if part["baseline"] is not None else "–"
            shares = [percent(part["attack"]), percent(part["control"]), baseline]
            risk = [percent_estimate(part["risk"], None), percent_range(part["interval"])]
            rows.append([plain, *shares, *risk, f"{part['attempts']:,}"])
    return rows


def _secrets(card: Card) -> list[dict[str, Any]]:
    """Inference by secret column, worst first."""
    return [
        {
            "name": entry["column"],
            "values": [entry["attack"], entry["control"], entry["baseline"], entry["risk"]],
            "text": [
                percent(entry["attack"]),
                percent(entry["control"]),
                percent(entry["baseline"]),
                percent_estimate(entry["risk"], None),
            ],
            "interval": percent_range(entry["interval"]),
        }
        for entry in at(card, "privacy.attacks.inference.columns") or []
    ]


def _membership(card: Card) -> dict[str, Any] | None:
    found = at(card, "privacy.membership")
    if not found:
        return None
    return {
        "words": f"{found['members']:,} training rows and as many strangers were asked about.",
        "rows": [
            [
                plain,
                estimate(found[name]["auc"], found[name]["auc_interval"]),
                percent_estimate(found[name]["tpr_at_1"], found[name]["tpr_at_1_interval"]),
                percent_estimate(found[name]["tpr_at_10"], found[name]["tpr_at_10_interval"]),
            ]
            for name, plain in MEMBERSHIPS.items()
        ]
        + [["expected of a fresh real sample", ".500", "1.0 %", "10.0 %"]],
    }
