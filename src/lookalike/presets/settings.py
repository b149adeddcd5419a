"""Every setting by the table of ``lookalike.toml`` that it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lookalike import pipeline, registry
from lookalike.config import Settings
from lookalike.encode.base import EncoderSettings
from lookalike.errors import SettingsError
from lookalike.evaluate.figures import Thresholds
from lookalike.ledger import PrivacySettings
from lookalike.refine import CalibrationSettings, FilterSettings
from lookalike.routing import private_engine
from lookalike.sample import SamplingSettings


def settings_sections() -> Mapping[str, type[Settings]]:
    """Every settings class by the name of its table in ``lookalike.toml``."""
    engines = {name: registry.load(registry.ENGINES, name, "engine").Settings for name in registry.ENGINES}
    return {
        "run": pipeline.RunSettings,
        "encoder": EncoderSettings,
        "sampling": SamplingSettings,
        "calibration": CalibrationSettings,
        "privacy": PrivacySettings,
        "filter": FilterSettings,
        **engines,
        "thresholds": Thresholds,
    }


def settings_from(
    sections: Mapping[str, Mapping[str, Any]], engine: str, said: Mapping[str, Any], *, making: bool = True
) -> dict[str, Any]:
    """The settings of a read ``lookalike.toml`` that concern ``engine``, or, where a budget stands there or is ``said``, the one that takes
    its place, as keywords of :func:`make`; without ``making`` those of :func:`fit_to`, which draws no rows and so knows no filter.

    Raises
    ------
    SettingsError
        Other engines have settings there, and the one that runs has none.
    """
    chosen: dict[str, Any] = {}
    engine = private_engine(engine, {**sections.get("privacy", {}), **said})
    others = [name for name in registry.ENGINES if sections.get(name)]
    if others and engine not in others:
        tables = ", ".join(f"[{name}]" for name in others)
        raise SettingsError(
            f"an engine's table is for that engine, however: the settings file has {tables} and {engine} runs. Name an engine (--engine "
            f"{' or '.join(others)}), or leave the table out."
        )
    for title in ("run", "encoder", "sampling", "calibration", "privacy", *(["filter"] if making else []), engine):
        chosen |= sections.get(title, {})
    if not making:
        chosen.pop("filter", None)
    return chosen
