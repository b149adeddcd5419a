"""A table to complete: what of it is known, and what follows from that without a draw."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode.category import CategoryEncoder
from lookalike.encode.computed import Computed
from lookalike.encode.frame import TableEncoder
from lookalike.encode.known import Known
from lookalike.encode.ties.entities import Entity, taken_from
from lookalike.rng import generator
from lookalike.schema import EncodedTable, parse, spell
from lookalike.schema.types import arrow_type
from lookalike.schema.values import numbered, spelled_like


def encode_known(encoder: TableEncoder, table: pa.Table, *, fill: bool, seed: int) -> Known:
    """Return what is there of a table to complete.

    Columns that the table lacks are not known; nor are missing cells, if they are to be filled, nor the codes of labels never learned.
    """
    columns, cells = {}, {}
    for spec in encoder.schema.modelled:
        there = spec.name in table.column_names
        column = encoder.in_type(table, spec.name) if there else pa.nulls(table.num_rows, arrow_type(spec.storage))
        columns[spec.name] = parse(column, spec)
        cells[spec.name] = ~columns[spec.name].missing if fill else np.full(table.num_rows, there)
    tied, rewritten = encoder.rewrites.known(cells), encoder.rewrites.forward(columns)
    shape = table.num_rows, len(encoder.encoders)
    codes, residuals, known = np.zeros(shape, np.int32), np.zeros(shape), np.zeros(shape, bool)
    unseen: dict[str, int] = {}
    for place, (name, own) in enumerate(encoder.encoders.items()):
        rows = np.flatnonzero(tied[name])
        if isinstance(own, CategoryEncoder):
            strange = own.never_seen(rewritten[name])[rows]
            if strange.any():
                unseen[name], rows = int(strange.sum()), rows[~strange]
        known[rows, place] = True
        if len(rows):
            values = rewritten[name].take(rows)
            codes[rows, place], residuals[rows, place] = own.encode(values, generator(seed, "encode", name))
    owners = {one.key: _owners(table, one) for one in _given(encoder, table)}
    return Known(EncodedTable(encoder.columns, codes, residuals), known, columns, cells, owners, unseen)


def _given(encoder: TableEncoder, table: pa.Table) -> list[Entity]:
    """The keys that rows share which a table to complete has."""
    return [one for one in encoder.ties.entities if one.key in table.column_names]


def _owners(table: pa.Table, entity: Entity) -> np.ndarray:
    """(n,) whose each row is, counted from 1, 0 where it is nobody's."""
    return numbered(table.column(entity.key).combine_chunks())


def with_held(encoder: TableEncoder, table: pa.Table) -> pa.Table:
    """Return a table to complete with what is known of a key in one of its rows in all those that lack it."""
    for entity in _given(encoder, table):
        owners = _owners(table, entity)
        for name in _held(encoder, entity):
            if name in table.column_names:
                there = ~parse(encoder.in_type(table, name), encoder.schema[name]).missing
                cells = table.column(name).combine_chunks().take(pa.array(taken_from(there, owners)))
                table = table.set_column(table.column_names.index(name), name, cells)
    return table


def _held(encoder: TableEncoder, entity: Entity) -> list[str]:
    """The table's own columns that a key holds: those rewritten, too, where all that they are written back from is held."""
    held = [*entity.holds]
    for step in encoder.rewrites.steps:
        if {*(spec.name for spec in step.specs()), *step.sources} <= {*held}:
            held += step.targets
    return held


def with_solved(encoder: TableEncoder, table: pa.Table) -> pa.Table:
    """Return a table to complete with the cells that a formula settles by its result and all its other parts."""
    steps = [step for step in encoder.rewrites.steps if isinstance(step, Computed)]
    names = {name for step in steps for name in (*step.targets, *step.sources)}
    cells = {name: encoder.in_type(table, name) for name in names}
    before = {name: parse(column, encoder.schema[name]) for name, column in cells.items()}
    found = dict(before)
    for step in steps:
        found |= step.solved(found)
    for name, values in found.items():
        new = before[name].missing & ~values.missing
        if new.any():
            spec, there = encoder.schema[name], pa.array(~before[name].missing)
            written = spelled_like(spell(values, spec), cells[name].filter(there), spec)
            column = pc.if_else(pa.array(new), written, cells[name])
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def gaps(encoder: TableEncoder, table: pa.Table) -> int:
    """How many cells of modelled columns are missing, however a column spells that."""
    there = [spec for spec in encoder.schema.modelled if spec.name in table.column_names]
    return sum(int(parse(encoder.in_type(table, spec.name), spec).missing.sum()) for spec in there)
