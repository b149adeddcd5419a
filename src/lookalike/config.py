"""Settings: one base class, TOML in and out.

A setting is declared once, beside the code that reads it, as a typed and described field of a :class:`Settings`
subclass. Everything else (the TOML template, the command line, the artefact) is derived from that declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import tomlkit
from pydantic import BaseModel, ConfigDict, ValidationError
from tomlkit.items import Item, Table

from lookalike.errors import SettingsError

SettingsType = TypeVar("SettingsType", bound="Settings")


class Settings(BaseModel):
    """Base of every settings class: unknown names are refused, values are frozen once checked.

    Class attributes
    ----------------
    only_with
        Settings that change nothing but where another one has a certain value: name → (the other's name, that value).

    >>> class Speed(Settings):
    ...     limit: int = 50
    >>> Speed.build({"limit": 30}).limit
    30
    >>> Speed.build({"limt": 30})
    Traceback (most recent call last):
    lookalike.errors.SettingsError: Speed has no setting 'limt'. Known: limit.
    """

    only_with: ClassVar[Mapping[str, tuple[str, Any]]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def build(cls: type[SettingsType], values: Mapping[str, Any]) -> SettingsType:
        """Check ``values`` and return the settings, or raise one :class:`SettingsError` a person can act on."""
        for name in values:
            if name not in cls.model_fields:
                known = ", ".join(cls.model_fields)
                raise SettingsError(f"{cls.__name__} has no setting {name!r}. Known: {known}.")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            if isinstance(first.get("ctx", {}).get("error"), SettingsError):
                raise first["ctx"]["error"] from None
            where = ".".join(map(str, first["loc"])) or cls.__name__
            rule = _rule(first)
            fact = f", however: {where}={first['input']!r}" if first["loc"] else ""
            raise SettingsError(f"{where}: {rule[:1].lower()}{rule[1:]}{fact}.") from None

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Every setting as it is where nothing is said."""
        return {name: field.get_default(call_default_factory=True) for name, field in cls.model_fields.items()}

    @property
    def changed(self) -> list[str]:
        """The names of the settings that are not as they are by default."""
        return [name for name, default in self.defaults().items() if getattr(self, name) != default]

    def refuse_idle(self) -> None:
        """Raise a :class:`SettingsError` for what was set, but changes nothing beside the other settings."""
        for name in self.changed:
            other, value = self.only_with.get(name, (name, getattr(self, name)))
            if getattr(self, other) != value:
                raise SettingsError(
                    f"{name}: it only matters with {other}={value!r}, however: {other}={getattr(self, other)!r}. "
                    f"Add {other}={value}, or leave it out."
                )

    def replace(self: SettingsType, **changes: Any) -> SettingsType:
        """Return a checked copy with some values changed."""
        return type(self).build({**self.model_dump(exclude_unset=True), **changes})


def _rule(found: Mapping[str, Any]) -> str:
    """What a value had to be; of how many there must be pydantic speaks in tuples, which nobody wrote."""
    if found["type"] == "too_short":
        return f"there must be at least {found['ctx']['min_length']}"
    return str(found["msg"]).removeprefix("Value error, ")


def mapping(name: str, given: Any, example: str) -> Mapping[str, Any]:
    """What was ``given`` under a keyword that takes a mapping, empty where that is None; a SettingsError for all else.

    >>> mapping("require", ["dcr_share=0.52"], "{'dcr_share': 0.52}")
    Traceback (most recent call last):
    lookalike.errors.SettingsError: require is a mapping, however: it is a list. Write it like {'dcr_share': 0.52}.
    """
    if given is not None and not isinstance(given, Mapping):
        raise SettingsError(f"{name} is a mapping, however: it is a {type(given).__name__}. Write it like {example}.")
    return given or {}


def to_toml(sections: Mapping[str, type[Settings]]) -> str:
    """Write every setting with its default and its meaning, one TOML table a settings class; where a setting holds several
    settings of a class, each is a table of an array (``[[ensemble.members]]``).

    >>> from pydantic import Field
    >>> class Rider(Settings):
    ...     name: str = Field("Ada", description="who rides")
    >>> class Team(Settings):
    ...     riders: tuple[Rider, ...] = (Rider(), Rider(name="Bo"))
    ...     size: int = Field(2, description="how many ride")
    >>> print(to_toml({"team": Team}), end="")
    [team]
    size = 2 # how many ride
    <BLANKLINE>
    [[team.riders]]
    name = "Ada" # who rides
    <BLANKLINE>
    [[team.riders]]
    name = "Bo" # who rides
    """
    document = tomlkit.document()
    for title, settings in sections.items():
        document.add(title, _toml_table(settings, settings.defaults()))
    return tomlkit.dumps(document)


def _toml_table(settings: type[Settings], values: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    if settings.__doc__:
        table.add(tomlkit.comment(settings.__doc__.strip().splitlines()[0]))
    nested = {}
    for name, field in settings.model_fields.items():
        value, meaning = values[name], field.description or ""
        if value is None:
            table.add(tomlkit.comment(f"{name} =            # {meaning} (unset)"))
        elif isinstance(value, tuple) and value and all(isinstance(one, Settings) for one in value):
            nested[name] = value  # what follows the header of a table belongs to that table, so these come last
        else:
            item = _toml_item(value)
            item.comment(meaning)
            table.add(name, item)
    for name, several in nested.items():
        tables = tomlkit.aot()
        for one in several:
            tables.append(_toml_table(type(one), dict(one)))
        table.add(name, tables)
    return table


def _toml_item(value: Any) -> Item:
    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline
    return tomlkit.item(list(value) if isinstance(value, tuple) else value)


def read_toml(path: str | Path, sections: Mapping[str, type[Settings]]) -> dict[str, dict[str, Any]]:
    """Read a settings file; unknown tables and names are refused here, before any work."""
    try:
        document = tomlkit.parse(Path(path).read_text(encoding="utf-8")).unwrap()
    except (OSError, UnicodeDecodeError, tomlkit.exceptions.TOMLKitError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}.") from None
    for title, values in document.items():
        if title not in sections or not isinstance(values, dict):
            raise SettingsError(f"{path}: [{title}] is not a known table. Known: {', '.join(sections)}.")
        sections[title].build(values)
    return document
