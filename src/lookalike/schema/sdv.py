"""Read the metadata files that SDV users have, so that they can come over with what they wrote.

Read: ``SINGLE_TABLE_V1`` (one table), ``V1`` and ``MULTI_TABLE_V1`` (several tables, one is chosen), and the ``fields``
dictionaries of SDV before 1.0. Source: the specification in SDV's public documentation, "Metadata JSON".
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lookalike.errors import SchemaError
from lookalike.schema.column import ColumnSpec, Kind, Schema
from lookalike.schema.constraints import Unique
from lookalike.schema.identity import repeats
from lookalike.schema.infer import infer_column
from lookalike.schema.types import is_text

KINDS: dict[str, Kind] = {"categorical": "category", "boolean": "boolean", "datetime": "datetime", "id": "key"}


def is_sdv(document: Any) -> bool:
    """Whether a JSON document is SDV metadata rather than a schema of ours."""
    return (
        isinstance(document, dict)
        and "lookalike_schema" not in document
        and not isinstance(document.get("columns"), list)  # ours: SDV's are by name
        and bool({"METADATA_SPEC_VERSION", "tables", "fields", "columns"} & set(document))
    )


def read_sdv(document: dict[str, Any], table: pa.Table) -> Schema:
    """Turn SDV metadata into a schema for ``table``.

    What SDV's metadata does not say (storage, decimals, spelling) is inferred from the table.

    >>> metadata = {"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "primary_key": "id",
    ...             "columns": {"id": {"sdtype": "id"}, "age": {"sdtype": "numerical"}}}
    >>> schema = read_sdv(metadata, pa.table({"id": [3, 1, 2], "age": [30, 40, 50]}))
    >>> [(column.kind, column.role) for column in schema]
    [('key', 'primary_key'), ('integer', None)]
    """
    described = _choose_table(document, table)
    columns = described.get("columns") or {key: _modernise(value) for key, value in described.get("fields", {}).items()}
    unknown = [column for column in columns if column not in table.column_names]
    if unknown:
        raise SchemaError(
            f"the metadata must describe this table, however: it names {', '.join(map(repr, unknown))}, which the table lacks."
        )
    primary, others = described.get("primary_key"), described.get("alternate_keys", [])
    together = [tuple(key) for key in (primary, *others) if isinstance(key, list)]
    keys = {key for key in (primary, *others) if isinstance(key, str)}
    return Schema(
        [
            _column(column, table.column(column), columns[column], primary, keys)
            if column in columns
            else infer_column(column, table.column(column))
            for column in table.column_names
        ],
        [Unique(columns=names) for names in together],
    )


def _choose_table(document: dict[str, Any], table: pa.Table) -> dict[str, Any]:
    tables = document.get("tables")
    if tables is None:
        return document
    if len(tables) == 1:
        return next(iter(tables.values()))
    matching = [
        entry
        for entry in tables.values()
        if set(entry.get("columns", entry.get("fields", {}))) == set(table.column_names)
    ]
    if len(matching) == 1:
        return matching[0]
    raise SchemaError(
        f"lookalike reads one table at a time, however: the metadata describes {len(tables)} and {len(matching)} of them "
        "have this table's columns. Cut the file down to the one you mean."
    )


def _modernise(field: dict[str, Any]) -> dict[str, Any]:
    """Before SDV 1.0 a column said {"type": …, "subtype": …, "format": …}."""
    entry = {"sdtype": field.get("type", "unknown")}
    if field.get("format"):
        entry["datetime_format"] = field["format"]
    if field.get("regex"):
        entry["regex_format"] = field["regex"]
    return entry


def _column(
    name: str, cells: pa.ChunkedArray, entry: dict[str, Any], primary: str | list[str] | None, keys: set[str]
) -> ColumnSpec:
    sdtype = entry.get("sdtype", "unknown")
    personal = sdtype not in (*KINDS, "numerical") and entry.get("pii", sdtype != "unknown")
    if sdtype == "id" or name in keys or personal:
        return ColumnSpec(
            name=name,
            kind="key",
            storage=str(cells.type),
            role="primary_key" if name == primary else None,
            pattern=entry.get("regex_format"),
            repeated=name != primary and repeats(cells),
        )
    inferred = infer_column(name, cells)
    kind = _kind(sdtype, inferred)
    if kind == inferred.kind:
        return inferred
    if kind == "datetime" and is_text(cells.type):
        return ColumnSpec(
            name=name, kind="datetime", storage=str(cells.type), format=_format(entry.get("datetime_format"), name)
        )
    return ColumnSpec(name=name, kind=kind, storage=str(cells.type))


def _kind(sdtype: str, inferred: ColumnSpec) -> Kind:
    """What SDV's type asks for; a constant stays one, and "numerical" leaves the choice of integer or float to us."""
    if inferred.kind == "constant" or sdtype == "unknown" or (sdtype == "numerical" and inferred.numeric):
        return inferred.kind
    return "integer" if sdtype == "numerical" else KINDS.get(sdtype, inferred.kind)


def _format(format: str | None, name: str) -> str:
    if format is None:
        raise SchemaError(f"a datetime column kept as text needs a datetime_format, however: column {name!r} has none.")
    return format.replace("%f", "%6f")
