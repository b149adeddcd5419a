"""Judge a synthetic file, made by any tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookalike import pipeline
from lookalike.errors import SettingsError
from lookalike.evaluate.figures import Thresholds
from lookalike.evaluate.verdicts import unmet
from lookalike.presets.places import check_outputs
from lookalike.presets.require import requirements
from lookalike.report import Scorecard


@dataclass(frozen=True)
class Judged:
    """What ``judge`` found: the card, the files it left, and one sentence for each requirement that is not met."""

    card: Scorecard
    files: list[Path]
    unmet: list[str]


def judge(
    real: str | Path,
    synthetic: str | Path,
    *,
    holdout: str | Path | None = None,
    schema: Any = None,
    target: str | None = None,
    out: str | Path | None = None,
    fail_under: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    seed: int = 0,
    force: bool = False,
    command: str | None = None,
) -> Judged:
    """Judge a synthetic file, made by any tool, and leave the report and its figures.

    Parameters
    ----------
    out
        ``report.html`` leaves the page and ``report.json`` beside it; ``report.json`` leaves the figures alone.
    fail_under
        What the table must reach, ``"accuracy=0.95,dcr_share=0.52"``: the figures and directions are those of
        ``docs/scorecard.md``. The value alone decides, and a figure that is missing is not met.
    thresholds
        Limits behind the verdicts; those of ``fail_under`` go before them.

    Raises
    ------
    SettingsError, OutputError
        Before any work.
    """
    required = {} if fail_under is None else requirements(fail_under)
    limits = Thresholds.build({**(thresholds or {}), **required})
    files = [] if out is None else _reports(Path(out))
    check_outputs(files, force=force, read=[real, synthetic, holdout])
    card = pipeline.evaluate(
        real,
        synthetic,
        holdout=holdout,
        schema=schema,
        target=target,
        seed=seed,
        thresholds=limits,
        information={"command": command},
    )
    for path in files:
        (card.to_json if path.suffix.lower() == ".json" else card.to_html)(path)
    return Judged(card, files, unmet(card.to_dict(), required))


def _reports(out: Path) -> list[Path]:
    if out.suffix.lower() not in (".html", ".json"):
        raise SettingsError(f"a report ends in .html or .json, however: --out {out}.")
    return [out] if out.suffix.lower() == ".json" else [out, out.with_suffix(".json")]
