"""``ColumnSpec`` and ``Schema``: what a table looks like, without a single value of it.

A schema can be mailed to anyone: kinds, roles, text formats and declared bounds, but no category, edge or extreme that
was learned from rows (those live in the fitted encoders). It reads and writes as JSON that a person edits.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from lookalike.config import Settings
from lookalike.errors import LookalikeWarning, SchemaError, SettingsError
from lookalike.schema.constraints import Constraint, read_constraint
from lookalike.schema.types import arrow_type, is_text

Kind = Literal["integer", "float", "boolean", "category", "ordinal", "datetime", "key", "constant", "text"]
Role = Literal["primary_key", "target", "sensitive", "drop"]
DaysFallenOn = Literal[
    "weekdays", "month starts", "month ends", "quarter starts", "quarter ends", "year starts", "year ends"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
NUMERIC: frozenset[str] = frozenset({"integer", "float", "datetime"})
"""Kinds that lie on an axis; all others are labels, but for keys, which are not modelled."""
SPANS = ("duration", "time32", "time64")
SCHEMA_VERSION = 2
"""Version 2 may hold constraints; a schema without any is written as version 1."""


class ColumnSpec(Settings):
    """One column: its kind, its role, and how its values are spelled."""

    name: str = Field(description="the column's name")
    kind: Kind = Field(description="how it is modelled: " + ", ".join(KINDS))
    storage: str = Field("string", description="the Arrow type it is kept in")
    role: Role | None = Field(None, description="primary_key, target, sensitive or drop")
    decimals: int | None = Field(None, ge=0, le=30, description="float: places after the point; unset keeps them all")
    single_precision: bool = Field(
        False, description="float kept in 64 bits: values are no finer than 32 bits hold (3.9100000858 stands for 3.91)"
    )
    significant: int | None = Field(
        None, ge=1, le=17, description="float: digits that values have at most (118.884359339886 has 15)"
    )
    fixed_decimals: bool = Field(False, description="float kept as text: always write all decimals (1.50)")
    step: int = Field(
        1,
        ge=1,
        description="integer, datetime, float with decimals: every value is a multiple of this many units (of the last place)",
    )
    falls_on: DaysFallenOn | None = Field(
        None, description="datetime: days that every date falls on, such as weekdays or month ends"
    )
    thousands: str = Field("", max_length=1, description="numbers kept as text: what stands between thousands (1,234)")
    decimal_mark: Literal[".", ","] = Field(".", description="numbers kept as text: what stands before decimals")
    prefix: str = Field("", description="numbers kept as text: what stands before each, after its sign ($5)")
    suffix: str = Field("", description="numbers kept as text: what stands after each (5 kg)")
    sign: Literal["-", "+-", "−", "()", "1-"] = Field(
        "-",
        description="numbers kept as text: how signs are written (+- before all; −, a long minus; () around what is negative; 1- after it)",
    )
    exponent: Literal["", "e", "E"] = Field(
        "", description="float kept as text: written 1.234e+05, with as many digits as are significant"
    )
    width: int = Field(
        0,
        ge=-1000,
        le=1000,
        description="numbers kept as text: blanks before each fill it up to so many characters; after it where this is negative",
    )
    format: str | None = Field(
        None,
        description="kept as text, or a datetime as a whole number: its strftime format, or a span of time's (integer: %D days %H:%M:%S)",
    )
    true_text: str | None = Field(None, description="boolean kept as text: how true is spelled")
    false_text: str | None = Field(None, description="boolean kept as text: how false is spelled")
    whole_with_point: bool = Field(False, description="float kept as text: whole numbers are written 2.0, not 2")
    missing_text: tuple[str, ...] = Field((), description="texts that stand for missing; the first is the one written")
    pattern: str | None = Field(None, description="key kept as text: a regular expression new values follow")
    repeated: bool = Field(
        False, description="key: of several rows each, as often as real ones are; unset: each row has one of its own"
    )
    refers: str | None = Field(
        None, description="key: the key column of this table whose values it takes (a manager's, of the employees')"
    )
    levels: tuple[str, ...] | None = Field(
        None, description="ordinal: the levels, lowest first; category: the allowed levels"
    )
    missing: Literal["model", "mode", "median", "drop_rows"] | None = Field(
        None, description="missing cells: as the setting of the same name, for this column alone"
    )
    minimum: float | None = Field(
        None, allow_inf_nan=False, description="declared lower bound: sampled values never go below"
    )
    maximum: float | None = Field(
        None, allow_inf_nan=False, description="declared upper bound: sampled values never go above"
    )

    @model_validator(mode="after")
    def _exponents_follow_digits(self) -> ColumnSpec:
        if self.exponent and self.significant is None:
            raise SettingsError(
                f"a number with an exponent has so many significant digits, however: {self.name!r} does not say how many. Set significant."
            )
        return self

    @model_validator(mode="after")
    def _only_keys_are_repeated(self) -> ColumnSpec:
        if self.repeated and (self.kind != "key" or self.role == "primary_key"):
            what = "the primary key" if self.kind == "key" else f"of kind {self.kind}"
            raise SettingsError(
                f"only a key that is not the primary one is repeated, however: {self.name!r} is {what}. Leave repeated out."
            )
        if self.refers is not None and (self.kind != "key" or self.role == "primary_key"):
            what = "the primary key" if self.kind == "key" else f"of kind {self.kind}"
            raise SettingsError(
                f"only a key that is not the primary one refers to another, however: {self.name!r} is {what}. Leave refers out."
            )
        return self

    @property
    def lenient(self) -> ColumnSpec:
        """The same, but for labels: those that were never declared are no error, just other ones; and a key is of labels."""
        return self if self.numeric else self.replace(kind="category", levels=None, repeated=False, refers=None)

    @property
    def numeric(self) -> bool:
        return self.kind in NUMERIC

    @property
    def span(self) -> bool:
        """Whether it is a span of time, or a time of day, in whole units of it."""
        return self.storage.startswith(SPANS) or (self.kind == "integer" and self.format is not None)

    @property
    def dressed(self) -> bool:
        """Whether numbers kept as text are written otherwise than a program writes them."""
        parts = self.thousands or self.prefix or self.suffix or self.width
        return bool(parts) or (self.decimal_mark, self.sign) != (".", "-")

    @property
    def modelled(self) -> bool:
        return self.role != "drop" and self.kind != "key"


class Schema:
    """The columns of a table, in order, and the rules between them.

    Parameters
    ----------
    whole
        False: columns may be left out, to be inferred later, and constraints may name them.

    >>> schema = Schema([ColumnSpec(name="age", kind="integer", storage="int64")])
    >>> schema["age"].kind
    'integer'
    >>> Schema.from_json(schema.to_json()) == schema
    True
    """

    def __init__(
        self, columns: list[ColumnSpec], constraints: Sequence[Constraint] = (), *, whole: bool = True
    ) -> None:
        names = [column.name for column in columns]
        for name, times in Counter(names).items():
            if times > 1:
                raise SchemaError(f"column names must be unique, however: {name!r} stands twice in the schema.")
        self.columns: tuple[ColumnSpec, ...] = tuple(columns)
        for role in ("primary_key", "target"):
            having = [column.name for column in columns if column.role == role]
            if len(having) > 1:
                raise SchemaError(f"one column at most may have the role {role}, however: {', '.join(having)} have it.")
        self.constraints: tuple[Constraint, ...] = tuple(dict.fromkeys(constraints))
        for constraint in self.constraints:
            if whole or set(constraint.names) <= set(names):
                constraint.check({column.name: column for column in columns})
        for column in columns if whole else ():
            self._check_reference(column)

    def _check_reference(self, column: ColumnSpec) -> None:
        if column.refers is None:
            return
        other = next((one for one in self.columns if one.name == column.refers), None)
        alike = other is not None and is_text(arrow_type(other.storage)) == is_text(arrow_type(column.storage))
        if other is None or not alike or other.kind != "key" or other.repeated or other.refers:
            raise SchemaError(
                f"a key refers to one that each row has its own of, text to text, however: {column.name!r} refers to {column.refers!r}. "
                "Name another, or leave refers out."
            )

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def kept(self) -> list[ColumnSpec]:
        """The columns that come back: all but those with the role ``drop``."""
        return [column for column in self.columns if column.role != "drop"]

    @property
    def modelled(self) -> list[ColumnSpec]:
        """The columns an engine learns: all but dropped ones and keys."""
        return [column for column in self.columns if column.modelled]

    def replace(self, name: str, **changes: Any) -> Schema:
        """Return a copy in which one column is changed."""
        self[name]
        return Schema([c.replace(**changes) if c.name == name else c for c in self.columns], self.constraints)

    def only(self, names: Sequence[str]) -> Schema:
        """Return a copy with these columns, and without the constraints that name a declared column beside them."""
        gone = {column.name for column in self.columns} - set(names)
        for constraint in self.constraints:
            if gone & set(constraint.names):
                warnings.warn(
                    f"a constraint names a column that is left out, and is left out with it: {constraint.rule}, {constraint.words}.",
                    LookalikeWarning,
                    stacklevel=3,
                )
        kept = [constraint for constraint in self.constraints if not gone & set(constraint.names)]
        columns = [column.replace(refers=None) if column.refers in gone else column for column in self.columns]
        return Schema([column for column in columns if column.name in names], kept, whole=False)

    def __getitem__(self, name: str) -> ColumnSpec:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"{name!r} is not a column of this table. Columns: {', '.join(self.names)}.")

    def __iter__(self) -> Iterator[ColumnSpec]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and (self.columns, self.constraints) == (other.columns, other.constraints)

    def __hash__(self) -> int:
        return hash((self.columns, self.constraints))

    def __repr__(self) -> str:
        counts = {kind: sum(c.kind == kind for c in self.columns) for kind in KINDS}
        return f"Schema({', '.join(f'{count} {kind}' for kind, count in counts.items() if count)})"

    def to_dict(self) -> dict[str, Any]:
        columns = [column.model_dump(exclude_defaults=True) for column in self.columns]
        if not self.constraints:
            return {"lookalike_schema": 1, "columns": columns}
        constraints = [constraint.to_dict() for constraint in self.constraints]
        return {"lookalike_schema": SCHEMA_VERSION, "columns": columns, "constraints": constraints}

    @classmethod
    def from_dict(cls, document: Any) -> Schema:
        if not isinstance(document, dict) or not isinstance(document.get("columns"), list):
            raise SchemaError("a schema is a JSON object with a list 'columns', however: this one has none.")
        version = document.get("lookalike_schema")
        if version is None:
            raise SchemaError(
                f'a schema says which version it is of, however: this one does not. Add "lookalike_schema": {SCHEMA_VERSION}.'
            )
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise SchemaError(
                f"this version reads schemas up to version {SCHEMA_VERSION}, however: the file says {version!r}. "
                "Upgrade lookalike."
            )
        columns = []
        for position, entry in enumerate(document["columns"]):
            if not isinstance(entry, dict):
                raise SchemaError(f"every column of a schema is a JSON object, however: entry {position} is not.")
            try:
                columns.append(ColumnSpec.build(entry))
            except SettingsError as error:
                raise SchemaError(f"column {entry.get('name', position)!r}: {error}") from None
        constraints = document.get("constraints", [])
        if not isinstance(constraints, list):
            raise SchemaError("a schema's constraints are a list, however: this one's are none.")
        found = [read_constraint(entry, place) for place, entry in enumerate(constraints)]
        return cls(columns, found, whole=False)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        try:
            return cls.from_dict(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise SchemaError(f"a schema is JSON, however: {error}.") from None

    def save(self, path: str | Path) -> None:
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")


def never_seen(name: str) -> SchemaError:
    """The error for a condition that asks a column for a value it never held. Nor is it said that a hidden one was."""
    return SchemaError(
        f"a condition asks for a value that was seen, however: column {name!r} never held this one. Ask for another."
    )
