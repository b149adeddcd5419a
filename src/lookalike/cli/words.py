"""What was typed, turned into what the library takes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lookalike.errors import LookalikeWarning, SettingsError


def gather(
    config: Path | None,
    flags: dict[str, Any],
    extra: list[str] | None,
    *,
    making: bool = True,
    preset: str | None = None,
) -> dict[str, Any]:
    """Settings from a file, then ``--set``, then flags: the later wins. A preset, which all of them go before, names the engine. Of what the
    file says besides, the engine's tables may be several, if that of the one that runs is among them."""
    from lookalike import pipeline, presets

    sections = said_in(config)
    said = named_values(extra) | {name: value for name, value in flags.items() if value is not None}
    engine = said.get("engine") or sections.get("run", {}).get("engine")
    engine = engine or presets.named(preset).get("engine", pipeline.RunSettings().engine)
    if not making:
        unread = [f"[{title}]" for title in sections if title in ("filter", "thresholds")]
        tell_unread(config, unread + ["filter of [run]"] * ("filter" in sections.get("run", {})))
    return presets.settings_from(sections, engine, said, making=making) | said | {"engine": engine}


def said_in(config: Path | None) -> dict[str, dict[str, Any]]:
    """What a settings file says, by table; what it says as it would be anyway (what ``lookalike config`` wrote, unchanged), it does not say."""
    if config is None:  # the settings of every engine are known by loading all of them
        return {}
    from lookalike import config as settings
    from lookalike import presets

    kinds = presets.settings_sections()
    read = settings.read_toml(config, kinds)
    changed = {title: kinds[title].build(values).changed for title, values in read.items()}
    return {title: {name: read[title][name] for name in names} for title, names in changed.items() if names}


def tell_unread(config: Path | None, names: Iterable[str]) -> None:
    """Warn of what a settings file says to other commands, and not to this one."""
    unread = ", ".join(names)
    if config is not None and unread:
        warnings.warn(
            f"{config.name}: this command makes no use of {unread}. It goes on without.", LookalikeWarning, stacklevel=3
        )


def named_values(extra: list[str] | None) -> dict[str, Any]:
    """``["epochs=3"]`` → ``{"epochs": 3}``."""
    chosen: dict[str, Any] = {}
    for item in extra or []:
        name, found, value = item.partition("=")
        if not found:
            raise SettingsError(f"--set takes NAME=VALUE, however: --set {item}.")
        once("--set", name, chosen)
        try:
            chosen[name] = json.loads(value)
        except json.JSONDecodeError:
            chosen[name] = value
    return chosen


def once(option: str, name: str, found: dict[str, Any]) -> None:
    """Raise where an option has said something of that name already: only the last would count."""
    if name in found:
        raise SettingsError(f"{option} names each once, however: {name!r} stands twice. Keep one.")


def thresholds(config: Path | None) -> dict[str, float]:
    """The limits in a settings file."""
    return said_in(config).get("thresholds", {})


def requirements(required: list[str] | None) -> dict[str, float] | None:
    """``["dcr_share=0.52"]`` → ``{"dcr_share": 0.52}``; several may stand in one, separated by commas."""
    from lookalike import presets

    return None if not required else presets.requirements(",".join(required))


def conditions(where: list[str], says_empty: Callable[[str], bool]) -> dict[str, Any] | None:
    """``["income=>50K"]`` → ``{"income": ">50K"}``; the column decides how its text is read. No text is a missing cell, but of a column
    that ``says_empty``, one of whose values is the empty text."""
    found: dict[str, Any] = {}
    for item in where:
        name, equals, value = item.partition("=")
        if not equals:
            raise SettingsError(f"--where takes COLUMN=VALUE, however: --where {item}.")
        once("--where", name, found)
        found[name] = value if value or says_empty(name) else None
    return found or None


def derivations(items: list[str] | None) -> dict[str, str] | None:
    """``["rich=income == '>50K'"]`` → ``{"rich": "income == '>50K'"}``; the first = parts them."""
    found: dict[str, str] = {}
    for item in items or []:
        name, equals, text = item.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--derive takes NAME=EXPRESSION, however: --derive {item}.")
        once("--derive", name.strip(), found)
        found[name.strip()] = text.strip()
    return found or None


def class_counts(items: list[str]) -> dict[str, int] | None:
    """``["ill=5000"]`` → ``{"ill": 5000}``; the last = parts them, as a class may hold one."""
    found: dict[str, int] = {}
    for item in items:
        name, equals, rows = item.rpartition("=")
        if not equals or not rows.isdecimal():
            raise SettingsError(f"--count takes CLASS=ROWS, however: --count {item}.")
        once("--count", name, found)
        found[name] = int(rows)
    return found or None


def two_columns(names: str | None) -> tuple[str, str] | None:
    """``"sex,income"`` → ``("sex", "income")``."""
    if names is None:
        return None
    first, comma, second = names.partition(",")
    if not comma:
        raise SettingsError(f"--decorrelate takes COLUMN,COLUMN, however: --decorrelate {names}.")
    return first, second
