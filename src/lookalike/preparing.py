"""Tables and their schemas, ready to learn from or to judge: read, declared or inferred."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.config import mapping
from lookalike.encode.base import EncoderSettings
from lookalike.encode.domain import Domain
from lookalike.encode.frame import refuse
from lookalike.encode.missing import treat_missing
from lookalike.errors import InputError, LookalikeWarning, PrivacyError, SchemaError, SettingsError
from lookalike.ledger import DELTA, Budget, Ledger, PrivacySettings, default_delta
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.breaches import Rows, set_aside
from lookalike.schema.expression import Expression
from lookalike.schema.identity import named_like_an_identifier, repeats, with_references, with_their_keys
from lookalike.schema.infer import infer_schema
from lookalike.schema.public import as_declared, bounded, public_schema
from lookalike.schema.sdv import is_sdv, read_sdv
from lookalike.schema.types import in_type
from lookalike.table import Table, as_table

DERIVED = "{'rich': \"income == '>50K'\"}"
"""How derived columns are asked for."""


def prepare(
    data: Any,
    *,
    schema: Any = None,
    drop: Iterable[str] = (),
    keys: Iterable[str] = (),
    target: str | None = None,
    derive: Mapping[str, str] | None = None,
) -> tuple[Table, Schema]:
    """Read a table and settle its schema: what was declared, inferred for the rest.

    ``schema`` is a :class:`Schema`, a dict, or a path to JSON, ours or SDV's. ``keys`` are columns to make up anew
    instead of modelling. ``derive`` names new columns, computed before anything else: ``{"rich": "income == '>50K'"}``.
    """
    derive = mapping("derive", derive, DERIVED)
    drop, keys = listed("drop", drop), listed("keys", keys)
    table = derived(as_table(data), derive)
    table = _without(table, drop)
    declared = _of_this_table(_declared(schema, table), table, drop)
    settled = infer_schema(table.data, declared)
    for name in keys:
        several = settled[name].role != "primary_key" and repeats(table.data[name])
        settled = settled.replace(name, kind="key", repeated=several)
    if keys:
        given = [] if declared is None else declared.names
        fixed = [*given, *([] if target is None else [target])]
        settled = with_their_keys(settled, table.data, [*keys, *fixed])
        settled = with_references(settled, table.data, fixed)
    if target is not None:
        settled = settled.replace(target, role="target")
    refuse(settled.kept)
    return table, settled


def listed(name: str, columns: Iterable[str]) -> list[str]:
    """The columns given under a keyword that takes several; a SettingsError for a text, which would be taken for its letters.

    >>> listed("drop", ("age", "sex"))
    ['age', 'sex']
    """
    if isinstance(columns, str):
        raise SettingsError(
            f"{name} is a list of columns, however: it is the text {columns!r}. Write {name}=[{columns!r}]."
        )
    return list(columns)


def _without(table: Table, drop: Sequence[str]) -> Table:
    if not drop:
        return table
    table = table.drop(drop)
    if not table.names:
        raise InputError("a table needs at least one column, however: all were dropped.")
    return table


def _of_this_table(declared: Schema | None, table: Table, drop: Sequence[str]) -> Schema | None:
    """What is declared of the table's columns; of one that it lacks nothing can be, unless it is dropped."""
    if declared is None:
        return None
    unknown = [
        spec.name for spec in declared if spec.name not in table.names and spec.role != "drop" and spec.name not in drop
    ]
    if unknown:
        raise SchemaError(
            f"the schema must describe this table, however: it names {', '.join(map(repr, unknown))}, which the table lacks."
        )
    known = declared.only(table.names)
    types = {spec.name: str(table.data.schema.field(spec.name).type) for spec in known}
    # how a column is kept is the table's to say: one schema is for the CSV file and for the Parquet file of it
    columns = [spec if spec.storage == types[spec.name] else spec.replace(storage=types[spec.name]) for spec in known]
    return Schema(columns, known.constraints, whole=False)


def derived(table: Table, expressions: Mapping[str, str]) -> Table:
    """The table with new columns, each computed from those before it.

    >>> derived(as_table(pa.table({"age": [17, 30]})), {"adult": "age >= 18"}).data["adult"].to_pylist()
    [False, True]
    """
    for name, text in expressions.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise SettingsError(
                f"a derived column is an expression by its name, however: {name!r} is given {text!r}. Write it like {DERIVED}."
            )
        if name in table.names:
            raise SettingsError(
                f"a derived column is a new one, however: {name!r} is there already. Name it otherwise."
            )
        expression = Expression(text)
        for source in expression.names:
            if source not in table.names:
                known = ", ".join(table.names)
                raise SettingsError(f"{name!r} is derived from columns, however: {source!r} is none. Columns: {known}.")
        needed = infer_schema(table.data.select(expression.names))
        table = table.append(name, Rows(table.data, needed).compute(expression))
    return table


def without_missing(table: Table, schema: Schema, settings: EncoderSettings) -> Table:
    """The table without the missing cells that are not to be modelled."""
    data = treat_missing(table.data, schema, settings)
    return table if data is table.data else Table(data, table.origin)


def learnable(table: Table, schema: Schema) -> Table:
    """The rows that keep the declared constraints; how many do not is said."""
    fits = set_aside(table.data, schema)
    return table if fits.all() else table.take(np.flatnonzero(fits))


def declared_publicly(data: Any, *, schema: Any = None, drop: Iterable[str] = ()) -> tuple[Table, Schema | None]:
    """The table, and what is declared of it; a PrivacyError where that asks for a look at its rows."""
    drop = listed("drop", drop)
    table = _without(as_table(data), drop)
    declared = _of_this_table(_declared(schema, table, looking=False), table, drop)
    for name, column in table.origin.columns.items():
        if column.dtype == "object" and (column.mixed or column.arrow != "string"):
            raise PrivacyError(
                f"under --epsilon a column's type is public, however: {name!r} is a column of objects, whose type is read off its cells. Give it "
                "one: astype."
            )
    if declared is not None and declared.constraints:
        raise PrivacyError(
            "under --epsilon nothing looks at rows uncharged, however: the schema declares constraints, which are held against them. "
            "Leave the constraints out."
        )
    for spec in declared or ():
        if spec.repeated:
            raise PrivacyError(
                f"under --epsilon how many rows share a key is not looked at, however: the schema declares {spec.name!r} repeated. Leave that out."
            )
        if spec.missing not in (None, "model"):
            raise PrivacyError(
                f"under --epsilon nothing looks at rows uncharged, however: missing={spec.missing!r} of {spec.name!r} in the schema does. Leave that out."
            )
    return table, declared


def one_row_alone(names: Iterable[str], declared: Iterable[ColumnSpec]) -> str | None:
    """Say what a budget without a subject does not protect, where a column's name says that it tells whose rows they are; None where none
    does, but for a declared primary key. By the name alone: how many rows each has is not looked at, as nobody paid for it.

    >>> one_row_alone(["age", "town"], []) is None
    True
    """
    unique = {spec.name for spec in declared if spec.role == "primary_key"}
    identifiers = [name for name in names if named_like_an_identifier(name) and name not in unique]
    if not identifiers:
        return None
    return (
        f"the budget protects each row by itself, and not all rows of one person together, however: {', '.join(map(repr, identifiers))} may tell whose "
        "rows they are. If one has several, name that column (--subject); if none has, declare it the primary key in the schema."
    )


def prepare_privately(
    table: Table,
    declared: Schema | None,
    privacy: PrivacySettings,
    *,
    keys: Iterable[str] = (),
    domain: Domain | None = None,
) -> tuple[Table, Schema, Ledger]:
    """As :func:`prepare`, within a privacy budget: kinds come from storage types, from what is declared, or from noised votes; or from
    what a run that is gone on with has learned."""
    delta = privacy.delta or (default_delta(table.num_rows) if privacy.public_rows else DELTA)
    if delta * table.num_rows >= 1:
        warnings.warn(
            f"δ should lie well below one in the number of rows, however: delta={delta:g} does not. Lower it (--delta).",
            LookalikeWarning,
            stacklevel=5,
        )
    alone = one_row_alone(table.names, declared or ()) if privacy.subject is None else None
    if alone is not None:
        warnings.warn(alone, LookalikeWarning, stacklevel=5)
    ledger = Ledger(
        Budget.build({"epsilon": privacy.epsilon, "delta": delta}),
        rows_per_subject=privacy.rows_per_subject,
        subject=privacy.subject,
        rows_are_public=privacy.public_rows,
    )
    made_up = dict.fromkeys([*keys, *([privacy.subject] if privacy.subject is not None else [])])
    for name in made_up:
        if name not in table.names:
            raise SchemaError(f"{name!r} is not a column of this table. Columns: {', '.join(table.names)}.")
    if privacy.subject is not None:
        table = Table(bounded(table.data, privacy.subject, privacy.rows_per_subject), table.origin)
    if domain is not None:
        return Table(as_declared(table.data, domain.schema), table.origin), domain.schema, domain.ledger
    given = {spec.name: spec for spec in declared or ()}
    for name in made_up:
        base = given.get(name) or ColumnSpec(name=name, kind="key", storage=str(table.data.schema.field(name).type))
        given[name] = base.replace(kind="key")
    settled = public_schema(table.data, Schema(list(given.values())) if given else None, ledger)
    return Table(as_declared(table.data, settled), table.origin), settled, ledger


def _declared(schema: Any, table: Table, *, looking: bool = True) -> Schema | None:
    if schema is None or isinstance(schema, Schema):
        return schema
    if isinstance(schema, (str, Path)):
        try:
            schema = json.loads(Path(schema).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise SchemaError(
                f"a schema file is JSON, however: {schema} cannot be read as such ({type(error).__name__})."
            ) from None
    if not is_sdv(schema):
        return Schema.from_dict(schema)
    if not looking:
        raise PrivacyError(
            "under --epsilon nothing looks at rows uncharged, however: what SDV's metadata leaves open is inferred from them. Declare the "
            "columns in a schema of ours."
        )
    return read_sdv(schema, table.data)


def prepare_to_judge(real: Any, schema: Any) -> tuple[Table, Schema]:
    """As :func:`prepare`, but free text is set aside instead of refused: a judge takes tables as they come."""
    table = as_table(real)
    settled = infer_schema(table.data, _declared(schema, table))
    texts = {spec.name for spec in settled if spec.kind == "text"}
    columns = [spec.replace(role="drop") if spec.name in texts else spec for spec in settled]
    return table, Schema(columns, [rule for rule in settled.constraints if not texts & set(rule.names)])


def check_names(table: Table, names: Iterable[str], what: str) -> None:
    """Raise a SchemaError unless a table has these columns; ``what`` names the table."""
    for name in names:
        if name not in table.names:
            raise SchemaError(
                f"the {what} must have the real table's columns, however: {name!r} is not there. Add it, or give a schema that drops it."
            )


def like(table: Table, model: Table, schema: Schema, what: str) -> pa.Table:
    """The columns of ``table`` in the types of ``model``; CSV text is read as the other's types where it can be."""
    columns = {}
    check_names(table, [spec.name for spec in schema.kept], what)
    for spec in schema.kept:
        wanted, rule = model.data.schema.field(spec.name).type, f"the {what} must hold the real table's types"
        columns[spec.name] = in_type(table.data.column(spec.name), wanted, spec, rule)
    return pa.table(columns)
