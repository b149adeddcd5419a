"""Which settings a keyword belongs to, and what a privacy budget rules out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lookalike import registry
from lookalike.config import Settings
from lookalike.encode.base import EncoderSettings
from lookalike.errors import PrivacyError, SettingsError
from lookalike.ledger import PrivacySettings
from lookalike.model.base import EngineSettings, Generator
from lookalike.refine import CalibrationSettings
from lookalike.sample import SamplingSettings


@dataclass(frozen=True)
class Asked:
    """What was asked of a fit: an engine, and every setting in the class that declares it."""

    engine: str
    kind: type[Generator]
    learning: EngineSettings
    encoding: EncoderSettings
    sampling: SamplingSettings
    calibrating: CalibrationSettings
    privacy: PrivacySettings

    @property
    def private(self) -> bool:
        """Whether it keeps to a privacy budget, under whichever name that was given."""
        return self.privacy.epsilon is not None

    def settled(self) -> Asked:
        """The same, with intervals cut as the engine wants them; what a budget rules out, or what would do nothing, is refused."""
        if self.private:
            refuse_unpaid(self)
        encoding = self.encoding
        if encoding.intervals == "auto":
            wanted = "quantiles" if self.private else self.kind.wants(self.learning)
            encoding = encoding.replace(intervals=wanted)
        for chosen in (self.learning, encoding, self.calibrating):
            chosen.refuse_idle()
        return replace(self, encoding=encoding)


def route(engine: str, settings: Mapping[str, Any]) -> Asked:
    """Give every keyword to the settings class that declares it; a keyword that none declares is a SettingsError."""
    engine = private_engine(engine, settings)
    kind: type[Generator] = registry.load(registry.ENGINES, engine, "engine")
    classes: list[type[Settings]] = [
        kind.Settings,
        EncoderSettings,
        SamplingSettings,
        CalibrationSettings,
        PrivacySettings,
    ]
    parts: list[dict[str, Any]] = [{} for _ in classes]
    for name, value in settings.items():
        place = next((place for place, one in enumerate(classes) if name in one.model_fields), None)
        if place is None:
            known = ", ".join(field for one in classes for field in one.model_fields)
            engines = [other for other in registry.ENGINES if name in _settings_of(other).model_fields]
            cure = f"Name an engine that has it ({', '.join(engines)}). " if engines else ""
            raise SettingsError(
                f"{name!r} is not a setting of this engine, its encoders, of sampling, of calibration or of privacy. {cure}Known: {known}."
            )
        parts[place][name] = value
    learning, privacy = one_budget(kind.Settings.build(parts[0]), PrivacySettings.build(parts[4]))
    for name, value in parts[0].items():
        if value is not None and not learning.heeds(name):
            raise SettingsError(
                f"{name} is for members that have it, however: {name}={value!r} and none of them does. Leave it out, or name others."
            )
    privacy.check()
    return Asked(
        engine,
        kind,
        learning,
        EncoderSettings.build(parts[1]),
        SamplingSettings.build(parts[2]),
        CalibrationSettings.build(parts[3]),
        privacy,
    )


def one_budget(learning: Any, privacy: PrivacySettings) -> tuple[Any, PrivacySettings]:
    """``epsilon`` for the whole run and an engine's ``target_epsilon`` are one figure, under whichever name it was given: a private
    training on codes that were learned exactly would prove nothing."""
    _refuse_budgets_of_members(learning, privacy)
    if "target_epsilon" not in type(learning).model_fields:
        return learning, privacy
    if learning.target_delta is not None and (learning.private or privacy.epsilon is not None):
        if privacy.delta not in (None, learning.target_delta):
            raise PrivacyError(
                f"δ is one figure for the whole run, however: delta={privacy.delta:g} and target_delta={learning.target_delta:g}. Give one."
            )
        privacy = privacy.replace(delta=learning.target_delta)
    if privacy.epsilon is None and learning.private:
        return learning, privacy.replace(epsilon=learning.asked_epsilon)
    if privacy.epsilon is not None and learning.demanded("target_epsilon") is None:
        return learning.replace(target_epsilon=privacy.epsilon), privacy
    return learning, privacy


def _refuse_budgets_of_members(learning: Any, privacy: PrivacySettings) -> None:
    """A member's own budget would cover its training alone, on codes that all members share; its own δ would be nobody's."""
    for place, member in enumerate(getattr(learning, "members", ()), start=1):
        own = member.engine_settings()
        if getattr(own, "private", False) and privacy.epsilon is None:
            raise PrivacyError(
                f"the budget of an ensemble is one for the whole run, however: member {place} ({member.engine}) asks for its own. Give epsilon."
            )
        if getattr(own, "target_delta", None) is not None:
            raise PrivacyError(
                f"δ is one figure for the whole run, however: member {place} ({member.engine}) has a target_delta of its own. Give delta."
            )


def _settings_of(engine: str) -> type[Settings]:
    kind: type[Settings] = registry.load(registry.ENGINES, engine, "engine").Settings
    return kind


def private_engine(engine: str, settings: Mapping[str, Any]) -> str:
    """The engine itself, or where none is named under a budget, the strongest for it."""
    return "marginals" if engine == "auto" and settings.get("epsilon") is not None else engine


NOISED = ("max_bins", "max_modes", "fit_rows", "max_discrete", "max_categories", "rare_rows", "enforce_min_max_values")
"""Settings of encoders that read counts or extremes; under a budget noisy counts set the codes and their ends themselves."""


def refuse_unpaid(asked: Asked) -> None:
    """Raise for what would look at rows outside the budget, or does nothing within one: before any of it is spent."""
    if not asked.kind.takes_ledger:
        able = [name for name in registry.ENGINES if registry.load(registry.ENGINES, name, "engine").takes_ledger]
        raise PrivacyError(
            f"under --epsilon an engine writes what it spends in the ledger, however: engine={asked.engine!r} does not. Use {' or '.join(able)}."
        )
    asked.kind.check_private(asked.learning, asked.privacy.rows_per_subject)
    if asked.calibrating.calibrate:
        raise PrivacyError(
            "under --epsilon nothing looks at rows uncharged, however: calibrate=True rakes to their exact counts. Leave it out: the engine "
            "marginals is fitted to noised ones."
        )
    encoding = asked.encoding
    if encoding.missing != "model":
        raise PrivacyError(
            f"under --epsilon nothing looks at rows uncharged, however: missing={encoding.missing!r} does. Model what is missing."
        )
    if encoding.intervals == "modes" or encoding.outliers != "keep":
        raise PrivacyError(
            "under --epsilon numbers are cut into bins of noisy counts, however: modes or a treatment of outliers were asked for. Leave "
            "intervals and outliers as they are; declare minimum and maximum in the schema instead."
        )
    for name in encoding.changed:
        if name in NOISED:
            raise PrivacyError(
                f"{name}: under --epsilon noisy counts say which codes a column has, however: {name}={getattr(encoding, name)!r}. Leave it out; "
                "declare minimum and maximum, or the categories, in the schema instead."
            )
