"""What may be turned until a table meets what was asked of it. Knobs turn one after the other and stay turned.

For a figure of privacy: the filter; then a calmer engine, which stops earlier and is held back more; then a little temperature; then a
calmer one still. For a figure of likeness: calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lookalike import registry
from lookalike.config import Settings
from lookalike.evaluate.figures import FIGURES
from lookalike.model.members.member import Member, label_of
from lookalike.model.members.settings import EnsembleSettings
from lookalike.refine import FilterSettings
from lookalike.refine.calibrate import FEWEST_ROWS
from lookalike.twin import Twin

WARMER = 1.05
"""How much more temperature the attempt has that draws a little more noise."""


@dataclass(frozen=True)
class Setup:
    """How a table is made. ``refit``: the twin has to be fitted anew first; ``turned``: the knobs so far, in words."""

    twin: Twin
    engine: str
    settings: Mapping[str, Any]
    filtering: FilterSettings | None
    temperature: float = 1.0
    refit: bool = False
    turned: tuple[str, ...] = ()

    def turn(self, words: str, **changes: Any) -> Setup:
        return replace(self, turned=(*self.turned, words), **changes)


def filter_on(setup: Setup) -> Setup | None:
    """Keep rows apart from those learned from."""
    return None if setup.filtering is not None else setup.turn("filter on", filtering=FilterSettings())


def calmer(setup: Setup) -> Setup | None:
    """Fit the engine that drew the rows again, so that it remembers less, or all members of it; None where none has such a setting."""
    engine = setup.twin.drawn_by
    kind = registry.load(registry.ENGINES, engine, "engine").Settings
    settings = kind.build(_known(setup.settings, kind))
    if isinstance(settings, EnsembleSettings):
        members = calm_members(settings, setup.twin.information["notes"].get("ensemble", {}).get("members", {}))
        changes: dict[str, Any] = {} if members == settings.members else {"members": members}
        words = "members held back more"
    else:
        changes = calm(settings)
        words = ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in changes.items()
        )
    asked = registry.load(registry.ENGINES, setup.engine, "engine").Settings.model_fields
    # the settings that only the engine knows that picked this one mean nothing to it
    others = {name: value for name, value in setup.settings.items() if name in kind.model_fields or name not in asked}
    return setup.turn(words, engine=engine, settings={**others, **changes}, refit=True) if changes else None


def _known(settings: Mapping[str, Any], kind: type[Settings]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name in kind.model_fields}


def calm_members(settings: EnsembleSettings, told: Mapping[str, Any]) -> tuple[Member, ...]:
    """Return the members, each calmer; in the place of ``auto`` what it picked, by what the fit ``told`` of each.

    >>> [member.settings for member in calm_members(EnsembleSettings(members=("trees", "ctgan")), {})]
    [{'strength': 8.0}, {'early_stopping': True, 'patience': 25}]
    """
    calmed = []
    for place, member in enumerate(settings.members, start=1):
        picked = told.get(label_of(place, member.engine), {}).get("engine", {}).get("picked", member.engine)
        parts = [one.engine for one in EnsembleSettings().members] if picked == "ensemble" else [picked]
        for engine in parts:
            kind = registry.load(registry.ENGINES, engine, "engine").Settings
            own = _known(member.settings, kind)
            held_back = {**own, **calm(kind.build(own))}
            calmed.append(member.replace(engine=engine, settings=held_back, weight=member.weight / len(parts)))
    return tuple(calmed)


def calm(settings: Settings) -> dict[str, Any]:
    """Return the settings of an engine, changed so that it remembers less: it stops earlier, and is held back more.

    >>> from lookalike.model.autoregressive import AutoregressiveSettings
    >>> calm(AutoregressiveSettings())
    {'dropout': 0.4, 'weight_decay': 6.0, 'patience': 3}
    """
    known = settings.model_dump()
    calmed = {
        "dropout": lambda value: min(round(value + 0.15, 3), 0.7),
        "weight_decay": lambda value: 2 * value,
        "early_stopping": lambda value: True,
        "patience": lambda value: max(1, value // 2),
        "strength": lambda value: 4 * value,
        "ridge": lambda value: min(10 * value, 0.5),
    }
    changes = {name: change(known[name]) for name, change in calmed.items() if name in known}
    return {name: value for name, value in changes.items() if value != known[name]}


def warmer(setup: Setup) -> Setup | None:
    """Draw a little more noise; None where the engine knows no temperature."""
    if not setup.twin.model.tempered:
        return None
    temperature = round(setup.temperature * WARMER, 4)
    return setup.turn(f"temperature={temperature:g}", temperature=temperature)


def calibrated(setup: Setup) -> Setup | None:
    """Draw from a pool weighted to the real counts; None where it is, where rows are too few, or a temperature undoes it."""
    if setup.settings.get("calibrate") or setup.temperature != 1 or setup.twin.rows < FEWEST_ROWS:
        return None
    return setup.turn("calibrate=true", settings={**setup.settings, "calibrate": True})


PRIVACY = (filter_on, calmer, warmer, calmer)
LIKENESS = (calibrated,)


def turn(setup: Setup, figures: Sequence[str], used: dict[str, int]) -> Setup | None:
    """Turn the next knob for the figures that are not met, privacy first; None where all were turned. ``used`` counts the tried ones."""
    for name, knobs, needed in (
        ("privacy", PRIVACY, any(is_privacy(figure) for figure in figures)),
        ("likeness", LIKENESS, not all(is_privacy(figure) for figure in figures)),
    ):
        while needed and used[name] < len(knobs):
            used[name] += 1
            turned = knobs[used[name] - 1](setup)
            if turned is not None:
                return turned
    return None


def is_privacy(figure: str) -> bool:
    """Whether a figure says how safe a table is, rather than how alike.

    >>> is_privacy("dcr_share"), is_privacy("accuracy")
    (True, False)
    """
    return FIGURES[figure].kind == "privacy"
