"""A table to complete: what of it is known, and what follows from that without a draw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode.category import CategoryEncoder
from lookalike.encode.computed import Computed
from lookalike.encode.difference import Difference
from lookalike.encode.frame import TableEncoder
from lookalike.encode.known import Known
from lookalike.encode.steps import Step
from lookalike.encode.ties.backward import contradicting
from lookalike.encode.ties.entities import Entity, taken_from
from lookalike.rng import derive_seed, generator
from lookalike.schema import EncodedTable, Values, parse, spell
from lookalike.schema.types import arrow_type
from lookalike.schema.values import numbered, same_cells, spelled_like

TRIES_BESIDE_KNOWN = 8
"""How often a row is completed again that settles something else than what is known of it; then what settles it is chosen to fit."""


def with_lacking(encoder: TableEncoder, table: pa.Table) -> pa.Table:
    """Return a table to complete with the columns that it lacks, no cell of them there."""
    there = {*table.column_names}
    for spec in encoder.schema.modelled:
        if spec.name not in there:
            table = table.append_column(spec.name, pa.nulls(table.num_rows, arrow_type(spec.storage)))
    return table


def _there(
    encoder: TableEncoder, table: pa.Table, open_to: Collection[str]
) -> tuple[dict[str, Values], dict[str, np.ndarray]]:
    """The columns of a table to complete, and (n,) bool for each: which cells are known, missing ones but in those ``open_to`` draws."""
    columns = {spec.name: parse(encoder.in_type(table, spec.name), spec) for spec in encoder.schema.modelled}
    cells = {
        name: ~values.missing if name in open_to else np.ones(table.num_rows, bool) for name, values in columns.items()
    }
    return columns, cells


def unknown_cells(encoder: TableEncoder, table: pa.Table, open_to: Collection[str]) -> dict[str, np.ndarray]:
    """(n,) bool by column: which cells of a table to complete are not known."""
    return {name: ~cells for name, cells in _there(encoder, table, open_to)[1].items()}


def encode_known(
    encoder: TableEncoder, table: pa.Table, *, open_to: Collection[str], seed: int, lenient: bool = False
) -> Known:
    """Return what is there of a table to complete, which has all modelled columns.

    Missing cells of the columns ``open_to`` draws are not known, nor are the codes of labels never learned; nor, if that is ``lenient``, what
    is measured or computed from a cell that is not.
    """
    columns, cells = _there(encoder, table, open_to)
    tied, rewritten = encoder.rewrites.known(cells, columns, lenient=lenient), encoder.rewrites.forward(columns)
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


def with_solved(encoder: TableEncoder, table: pa.Table, open_to: Collection[str]) -> pa.Table:
    """Return a table to complete with the cells that a formula settles by its result and all its other parts."""
    steps = [step for step in encoder.rewrites.steps if isinstance(step, Computed)]
    names = {name for step in steps for name in (*step.targets, *step.sources)}
    found = {name: parse(encoder.in_type(table, name), encoder.schema[name]) for name in names}
    for step in steps:
        solved = step.solved(found)
        found |= {name: values for name, values in solved.items() if name in open_to}
    for name, values in found.items():
        table = _with_cells(encoder, table, name, values) if name in open_to else table
    return table


def with_told(
    encoder: TableEncoder,
    table: pa.Table,
    open_to: Collection[str],
    seed: int,
    draw: Callable[[Known, int], EncodedTable],
) -> pa.Table:
    """Return a table to complete with the cells that others tell of which are measured from them: where a bill goes to, beside where the goods do;
    when was ordered what was sent today.

    How far apart the two are, or whether they are the same, is drawn given the rest of the row by ``draw``.
    """
    columns, cells = _there(encoder, table, open_to)
    rows = np.flatnonzero(encoder.rewrites.telling(cells, columns))
    if not len(rows):
        return table
    for name in {name for step in encoder.rewrites.steps if step.tells for name in step.sources} & {*open_to}:
        # a frame's whole numbers with gaps are floats
        table = table.set_column(table.column_names.index(name), name, encoder.in_type(table, name))
    part = table.take(pa.array(rows))
    given, left = against_rules(encoder, part, open_to), np.arange(len(rows))
    for attempt in range(TRIES_BESIDE_KNOWN):
        last, strict = attempt == TRIES_BESIDE_KNOWN - 1, attempt < TRIES_BESIDE_KNOWN - 2
        # what fits as no copy is another one, drawn with all else
        steps = [step for step in reversed(encoder.rewrites.steps) if not (last and step.free)]
        told, met = _told(encoder, steps, part.take(pa.array(left)), open_to, derive_seed(seed, "try", attempt), draw)
        fits = (~against_rules(encoder, told, open_to) | given[left] | last) & (met | (not strict))
        part = with_rows(part, told.filter(pa.array(fits)), left[fits])
        left = left[~fits]
        if not len(left):
            break
    return with_rows(table, part, rows)


def _told(
    encoder: TableEncoder,
    steps: Sequence[Step],
    table: pa.Table,
    open_to: Collection[str],
    seed: int,
    draw: Callable[[Known, int], EncodedTable],
) -> tuple[pa.Table, np.ndarray]:
    """Rows with what these steps tell of what they lack; and (n,) bool: of which every copy was drawn as it is known, so that whether it is one is
    as likely as that and what it is a copy of make it."""
    columns, cells = _there(encoder, table, open_to)
    known = encode_known(encoder, table, open_to=open_to, seed=seed, lenient=True)
    encoded = draw(known, seed)
    drawn = {name: known.put_in(name, values) for name, values in encoder.drawn(encoded, seed=seed).items()}
    encoder.ties.settle_values(encoded, drawn, known.codes, known.owners, seed)
    for name, clock in encoder.rewrites.clocks.items():
        drawn |= clock.beside(drawn[name])
    written = encoder.rewrites.backward(drawn)
    met = np.ones(len(known.codes), bool)
    for step in steps:
        if step.free:
            (name,), (source,) = step.targets, step.sources
            met &= ~cells[name] | cells[source] | same_cells(columns[name], written[name])
    distances = {step.target: step for step in encoder.rewrites.steps if isinstance(step, Difference)}
    carriers = {name: step.carrier() for step in encoder.rewrites.steps for name in step.targets}
    clocks = encoder.rewrites.clocks | {name: step.clock for name, step in distances.items() if step.clock is not None}
    # the nearest bound is measured; one further off is left to what that is measured from, else to what was drawn
    for first, step in product((True, False), steps):
        for name, values in step.told_by(columns, drawn, written, clocks).items():
            if name not in open_to or values.missing.all() or (first and name != step.sources[0]):
                continue
            if name in distances:
                values = distances[name].held(values, columns)
            own = encoder.encoders.get(carriers.get(name) or name)
            strange = own.never_seen(values) if isinstance(own, CategoryEncoder) else np.zeros(len(values), bool)
            table = _with_cells(encoder, table, name, values, ~strange)
            columns[name] = parse(encoder.in_type(table, name), encoder.schema[name])
    return table, met


def against_rules(encoder: TableEncoder, table: pa.Table, open_to: Collection[str]) -> np.ndarray:
    """(n,) bool: rows whose known cells contradict each other."""
    known = encode_known(encoder, table, open_to=open_to, seed=0, lenient=True)
    values = {name: known.put_in(name, own) for name, own in encoder.drawn(known.encoded, seed=0).items()}
    return contradicting(encoder.ties.ordered, encoder.encoders, values, known.codes)


def with_rows(table: pa.Table, others: pa.Table, rows: np.ndarray) -> pa.Table:
    """Return the table, the others in the places of these rows; a frame's whole numbers are floats where some of them lack."""
    places = np.arange(table.num_rows)
    places[rows] = table.num_rows + np.arange(len(rows))
    return pa.concat_tables([table, others.cast(table.schema)]).take(pa.array(places))


def _with_cells(
    encoder: TableEncoder, table: pa.Table, name: str, values: Values, fits: np.ndarray | None = None
) -> pa.Table:
    """The table, with the values that are there and fit, (n,) bool, in the gaps of a column."""
    spec, column = encoder.schema[name], encoder.in_type(table, name)
    gaps = parse(column, spec).missing
    new = gaps & ~values.missing & (True if fits is None else fits)
    if not new.any():
        return table
    written = spelled_like(spell(values, spec), column.filter(pa.array(~gaps)), spec)
    return table.set_column(table.column_names.index(name), name, pc.if_else(pa.array(new), written, column))


def gaps(encoder: TableEncoder, table: pa.Table) -> int:
    """How many cells of modelled columns are missing, however a column spells that."""
    there = [spec for spec in encoder.schema.modelled if spec.name in table.column_names]
    return sum(int(parse(encoder.in_type(table, spec.name), spec).missing.sum()) for spec in there)
