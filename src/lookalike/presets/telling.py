"""What is said of a run: on the screen as it goes on, and in its report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lookalike import registry
from lookalike.model.base import EngineSettings
from lookalike.preparing import one_row_alone
from lookalike.presets.places import Say, cut_short
from lookalike.refine import Filter
from lookalike.report.words import listed
from lookalike.run import Run
from lookalike.schema import Schema
from lookalike.splitting import Split
from lookalike.twin import Twin

PRIVATE = "the table and the twin may be published; the report compares with real rows, so it is for your eyes only"
NOT_COVERED = (
    "The made table and the twin are differentially private, this report is not: it looks at real rows, and its figures are not "
    "covered by ε. It is for the owner's eyes only; do not publish it."
)


def describe(schema: Schema) -> str:
    """The kinds of a schema's columns in words: ``1 key, 5 numbers, 8 categories, 1 date``."""
    words = {
        ("key",): ("key", "keys"),
        ("integer", "float"): ("number", "numbers"),
        ("category", "ordinal"): ("category", "categories"),
        ("boolean",): ("yes/no", "yes/no"),
        ("datetime",): ("date", "dates"),
        ("constant",): ("constant", "constants"),
    }
    counts = {names: sum(spec.kind in kinds for spec in schema.kept) for kinds, names in words.items()}
    return ", ".join(f"{count} {names[count > 1]}" for names, count in counts.items() if count)


def tell_begun(say: Say, parts: Split, engine: str) -> None:
    """Say which rows are learned from, and by what."""
    say("kept back", parts.words, "--keep-back, --holdout")
    say("engine", engine, "--engine " + "|".join(name for name in registry.ENGINES if name != engine))


def tell_tempered(say: Say, engine: str) -> None:
    """Say which engine takes the place of ``auto``, where a temperature was asked for."""
    say("engine", f"{engine}: auto may pick trees, which know no temperature", "--engine")


def tell_training(say: Say, twin: Twin, run: Run, learning: EngineSettings) -> None:
    """Say how long was trained, which engine was picked or how members weigh, and, under a privacy budget, what may be published."""
    if twin.privacy is not None:
        say("privacy", PRIVATE, "--epsilon, --delta")
    how = cut_short(run) if run.interrupted else twin.effort
    say(
        "training",
        f"{how}, {twin.information['seconds']:.1f} s",
        "--epochs, --minutes" if learning.heeds("epochs") else "--minutes",
    )
    if twin.weighed is not None:
        say("weights", f"{twin.weighed}: learned from rows held out", "--set weights=equal")
    if twin.why is not None:
        say("picked", f"{twin.picked}: {twin.why}", f"--engine {twin.drawn_by}")


def tell_learned(say: Say, twin: Twin, declared: Schema | None) -> None:
    """Say what else holds of a twin's rows: how they are calibrated, and which rules were found beside those ``declared``."""
    if twin.calibrated is not None:
        say("calibration", twin.calibrated, "--set calibrate=…")
    before = [] if declared is None else declared.constraints
    found = [rule.words for rule in twin.schema.constraints if rule not in before]
    if found:
        say("found", f"{listed(found)}: in every row, and so in every row made", "--set keep_rules=false")


def report_information(
    twin: Twin, command: str | None, seconds: float, filter_: Filter | None = None, notes: Iterable[str] = ()
) -> dict[str, Any]:
    """What the report says about the run, ``notes`` on its rows included."""
    known = twin.information
    return {
        "title": known["source"],
        "trial": known["trial"],
        "command": command,
        "engine": twin.picked,
        "losses": twin.losses.to_dict("records"),
        "notes": [
            *(["Training was interrupted; this is the best state it had reached."] if known["interrupted"] else []),
            *([NOT_COVERED] if twin.privacy is not None else []),
            *notes,
        ],
        "settings": {
            twin.engine: known["settings"],
            "encoder": known["encoder"],
            "calibration": known["calibration"],
            **known["notes"],
            **({} if filter_ is None else {"filter": filter_.told}),
        },
        "filter": None if filter_ is None else filter_.words,
        "ledger": privacy_answers(twin),
        "seeds": {"run": known["seed"]},
        "versions": known["versions"],
        "timings": {"training": known["seconds"], "total": round(seconds, 3)},
    }


def privacy_answers(twin: Twin) -> list[tuple[str, str]] | None:
    """What the ledger answers, and what of the table no budget protects; None without one."""
    if twin.privacy is None:
        return None
    alone = one_row_alone(twin.schema.names, twin.schema) if twin.privacy.subject is None else None
    return [*twin.privacy.describe(), *([("not protected", alone)] if alone is not None else [])]
