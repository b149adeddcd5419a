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
    read = presets.settings_from(sections, engine, said, making=making)
    if config is not None and "cluster" in read.keys() - said.keys():
        # a file that was handed on may name anybody's, and what travels there are the rows of a table
        warnings.warn(
            f"{config.name}: members are trained on the cluster at {read['cluster']}, and the rows they learn from travel there. "
            "Take cluster out of it to train here.",
            LookalikeWarning,
            stacklevel=2,
        )
    return read | said | {"engine": engine}


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
    return {name: _read(value) for name, value in _pairs("--set", "NAME=VALUE", extra).items()}


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _pairs(
    option: str,
    form: str,
    items: Iterable[str] | None,
    parted: Callable[[str, str], tuple[str, str, str]] = str.partition,
) -> dict[str, str]:
    """What an option that takes ``form`` was told, by name; raise where it stands otherwise, or twice of a name: only the last would count."""
    found: dict[str, str] = {}
    for item in items or ():
        name, equals, value = parted(item, "=")
        if not equals:
            raise SettingsError(f"{option} takes {form}, however: {option} {item}.")
        if name in found:
            raise SettingsError(f"{option} names each once, however: {name!r} stands twice. Keep one.")
        found[name] = value
    return found


def thresholds(config: Path | None) -> dict[str, float]:
    """The limits in a settings file."""
    return said_in(config).get("thresholds", {})


def requirements(required: list[str] | None) -> dict[str, float] | None:
    """``["dcr_share=0.52"]`` → ``{"dcr_share": 0.52}``; several may stand in one, separated by commas."""
    from lookalike import presets

    return None if not required else presets.requirements(",".join(required))


def conditions(where: list[str] | None, says_empty: Callable[[str], bool]) -> dict[str, Any] | None:
    """``["income=>50K"]`` → ``{"income": ">50K"}``; the column decides how its text is read. No text is a missing cell, but of a column
    that ``says_empty``, one of whose values is the empty text."""
    found = _pairs("--where", "COLUMN=VALUE", where)
    return {name: value if value or says_empty(name) else None for name, value in found.items()} or None


def derivations(items: list[str] | None) -> dict[str, str] | None:
    """``["rich=income == '>50K'"]`` → ``{"rich": "income == '>50K'"}``; the first = parts them."""
    found = _pairs("--derive", "NAME=EXPRESSION", items, _trimmed)
    if "" in found:
        raise SettingsError(f"--derive takes NAME=EXPRESSION, however: --derive ={found['']}.")
    return found or None


def _trimmed(item: str, sign: str) -> tuple[str, str, str]:
    name, found, text = item.partition(sign)
    return name.strip(), found, text.strip()


def class_counts(items: list[str] | None) -> dict[str, int] | None:
    """``["ill=5000"]`` → ``{"ill": 5000}``; the last = parts them, as a class may hold one."""
    found = _pairs("--count", "CLASS=ROWS", items, str.rpartition)
    for name, rows in found.items():
        if not rows.isdecimal():
            raise SettingsError(f"--count takes CLASS=ROWS, however: --count {name}={rows}.")
    return {name: int(rows) for name, rows in found.items()} or None


def two_columns(names: str | None) -> tuple[str, str] | None:
    """``"sex,income"`` → ``("sex", "income")``."""
    if names is None:
        return None
    first, comma, second = names.partition(",")
    if not comma:
        raise SettingsError(f"--decorrelate takes COLUMN,COLUMN, however: --decorrelate {names}.")
    return first, second
