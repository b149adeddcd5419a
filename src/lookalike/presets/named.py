"""Runs with a name: functions that return what they change of the default one. What a user gives goes before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lookalike.errors import PrivacyError, SettingsError

CTGAN_RATE = 1e-3
"""The learning rate of CTGAN's generator and critic, around which members of ``private-ensemble`` differ a little."""


def challenge() -> dict[str, Any]:
    """Four CTGANs with different seeds and one TVAE, weighted by what they score on rows that none of them sees; rows too
    close to real ones are drawn again; the table before that is left, too."""
    return {
        "engine": "ensemble",
        "members": [{"engine": "ctgan"}] * 4 + [{"engine": "tvae"}],
        "weights": "learned",
        "filter": True,
        "raw": True,
        "minutes": 50.0,
    }


def best() -> dict[str, Any]:
    """Two of whatever ``auto`` picks for the table, from different seeds, calibrated: what we would enter ourselves."""
    return {
        "engine": "ensemble",
        "members": [{"engine": "auto"}, {"engine": "auto"}],
        "weights": "equal",
        "calibrate": True,
    }


def private_ensemble() -> dict[str, Any]:
    """Three CTGANs, each on its own random 70 % of the rows, at slightly different learning rates, with the diversity term and early
    stopping, weighted .4, .35 and .25; rows too close to real ones are drawn again. Without ``epsilon`` nothing is proven."""
    members = _three_ctgans(diversity=1.0, early_stopping=True)
    return {
        "engine": "ensemble",
        "members": [{**one, "rows": 0.7} for one in members],
        "weights": "given",
        "filter": True,
    }


def private_ensemble_within_a_budget() -> dict[str, Any]:
    """As :func:`private_ensemble`, without what looks at rows uncharged (the term, the stopping, the filter); members learn from disjoint
    parts, so that each may spend the whole budget."""
    members = _three_ctgans()
    return {
        "engine": "ensemble",
        "members": [{**one, "rows": one["weight"]} for one in members],
        "weights": "given",
        "disjoint": True,
    }


def _three_ctgans(**settings: Any) -> list[dict[str, Any]]:
    return [
        {
            "engine": "ctgan",
            "weight": weight,
            "settings": {"generator_lr": CTGAN_RATE * rate, "discriminator_lr": CTGAN_RATE * rate, **settings},
        }
        for rate, weight in ((1.0, 0.4), (0.9, 0.35), (1.1, 0.25))
    ]


PRESETS: dict[str, Callable[[], dict[str, Any]]] = {
    "best": best,
    "challenge": challenge,
    "private-ensemble": private_ensemble,
}
WITHIN_A_BUDGET: dict[str, Callable[[], dict[str, Any]]] = {"private-ensemble": private_ensemble_within_a_budget}
"""Presets that keep to differential privacy; the others filter or calibrate."""


def named(preset: str | None, *, engine: str | None = None, private: bool = False) -> dict[str, Any]:
    """Return the keywords of :func:`lookalike.make` that a preset sets; none where none is named. A preset stands for its engine: to
    name another beside it is a SettingsError. ``private``: whether there is a privacy budget.

    >>> named("best")["calibrate"]
    True
    >>> named("bets")
    Traceback (most recent call last):
    lookalike.errors.SettingsError: preset must be one of best, challenge, private-ensemble, however: preset='bets'.
    """
    if preset is None:
        return {}
    if preset not in PRESETS:
        raise SettingsError(f"preset must be one of {', '.join(PRESETS)}, however: preset={preset!r}.")
    if private and preset not in WITHIN_A_BUDGET:
        raise PrivacyError(
            f"under --epsilon nothing looks at rows uncharged, however: preset={preset!r} filters or calibrates. "
            f"Use {' or '.join(WITHIN_A_BUDGET)}, or no preset."
        )
    chosen = (WITHIN_A_BUDGET if private else PRESETS)[preset]()
    if engine is not None and engine != chosen["engine"]:
        raise SettingsError(
            f"a preset names its engine, however: preset={preset!r} and engine={engine!r}. Give one; --set changes the settings of a preset."
        )
    return chosen
