"""What was asked of ``make``, a preset's part included: refused, where it cannot be, before a table is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookalike import pipeline, routing
from lookalike.config import mapping
from lookalike.errors import PrivacyError, SettingsError
from lookalike.evaluate.figures import Thresholds
from lookalike.preparing import DERIVED
from lookalike.presets.named import named
from lookalike.refine import FilterSettings
from lookalike.sample import check_rows


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes
    ----------
    run
        Engine, seed, share to keep back, minutes, filter, as asked: the engine may still be ``auto``.
    asked
        The engine that learns, and its settings by class.
    settings
        The same settings, as keywords of :func:`lookalike.fit`.
    filtering
        The filter's settings; None where it is off.
    raw
        Whether the table before the filter is left, too.
    rows
        How many to make; None for as many as there are.
    required
        What the table must reach, by figure; empty where nothing is required.
    limits
        Those behind the verdicts; what is required is among them.
    """

    run: pipeline.RunSettings
    asked: routing.Asked
    settings: Mapping[str, Any]
    filtering: FilterSettings | None
    raw: bool
    quick: bool
    rows: int | None
    derive: Mapping[str, str]
    holdout: str | Path | None
    required: Mapping[str, float]
    limits: Thresholds

    @classmethod
    def of(
        cls,
        preset: str | None,
        given: Mapping[str, Any],
        settings: Mapping[str, Any],
        *,
        quick: bool,
        rows: int | None,
        derive: Mapping[str, str] | None,
        holdout: str | Path | None,
        required: Mapping[str, float] | None,
        thresholds: Mapping[str, float] | None,
    ) -> Request:
        """Put together what a preset says and what was ``given`` of a run's settings and ``raw``, which goes before it where it is not None.

        Raises
        ------
        SettingsError, PrivacyError
            A value cannot be, a setting is unknown or would do nothing, or a budget rules it out.
        """
        required = mapping("require", required, "{'dcr_share': 0.52}")
        thresholds = mapping("thresholds", thresholds, "{'dcr_share': 0.52}")
        derive = mapping("derive", derive, DERIVED)
        chosen = named(preset, engine=given["engine"], private=settings.get("epsilon") is not None)
        chosen |= {name: value for name, value in given.items() if value is not None} | dict(settings)
        raw = chosen.pop("raw", False)
        names = [name for name in pipeline.RunSettings.model_fields if name in chosen]
        run = pipeline.RunSettings.build({name: chosen.pop(name) for name in names})
        filtering, chosen = filter_settings(chosen, run.filter)
        if raw and filtering is None:
            raise SettingsError(
                "the table before the filter is left beside the filtered one, however: the filter is off. Add --filter."
            )
        asked = routing.route(run.engine, chosen)
        if asked.private:
            _refuse_looks(filtering is not None or bool(required) or bool(derive), quick)
        limits = Thresholds.build({**thresholds, **required})
        if rows is not None:
            check_rows(rows, fewest=1)
        run.check_yardstick(holdout)
        return cls(run, asked, chosen, filtering, raw, quick, rows, derive, holdout, required, limits)


def _refuse_looks(looks: bool, quick: bool) -> None:
    if looks:
        raise PrivacyError(
            "under a privacy budget nothing looks at rows uncharged, however: a filter, requirements or derived columns were asked for, "
            "which do. Leave them out."
        )
    if quick:
        raise PrivacyError(
            "under a privacy budget no few rows are picked out for a trial, as their number would follow from that of all, however: --quick "
            "was asked for. Leave it out."
        )


def filter_settings(settings: Mapping[str, Any], on: bool) -> tuple[FilterSettings | None, dict[str, Any]]:
    """The filter's settings, None where it is off, and all others.

    >>> filter_settings({"min_distance": 0.1, "epochs": 3}, True)[1]
    {'epochs': 3}
    """
    mine = {name: value for name, value in settings.items() if name in FilterSettings.model_fields}
    chosen = FilterSettings.build(mine)
    if not on and chosen.changed:
        raise SettingsError(
            f"{', '.join(chosen.changed)}: a setting of the filter does nothing without it, however: the filter is off. Add --filter (filter=True)."
        )
    return chosen if on else None, {name: value for name, value in settings.items() if name not in mine}
