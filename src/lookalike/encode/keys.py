"""All key columns of a table: new keys beside the rows made, in keys that refer to others, and over several tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode.key import KeyEncoder
from lookalike.encode.stream import KeyStream
from lookalike.encode.ties.entities import renewed
from lookalike.rng import derive_seed
from lookalike.schema import Schema


class Keys:
    """One encoder a key column; keys are made anew, not modelled.

    Attributes
    ----------
    encoders
        By column, in the schema's order.

    >>> from lookalike.schema.infer import infer_schema
    >>> table = pa.table({"id": [f"C-{i:03}" for i in range(40)], "size": [1, 2] * 20})
    >>> keys = Keys(infer_schema(table))
    >>> keys.fit(table)
    >>> made = keys.beside(table.select(["size"]), keys.streams(seed=1))
    >>> made.column_names, set(made["id"].to_pylist()) & set(table["id"].to_pylist())
    (['id', 'size'], set())
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.encoders = {spec.name: KeyEncoder(spec) for spec in schema.kept if spec.kind == "key"}

    def fit(self, table: pa.Table) -> None:
        """Learn the form of every key."""
        for name, encoder in self.encoders.items():
            encoder.fit(table.column(name).combine_chunks())

    def count(self, table: pa.Table) -> None:
        """Learn how many rows each key has."""
        for name, encoder in self.encoders.items():
            if encoder.spec.repeated:
                encoder.count(table.column(name).combine_chunks())

    def make_up(self) -> None:
        """Settle their forms without a look at any key: see :meth:`KeyEncoder.make_up`."""
        for encoder in self.encoders.values():
            encoder.make_up()

    def avoid(self, table: pa.Table) -> None:
        """Keep the keys of rows that were not fitted (a holdout) from being given out, too."""
        for name, encoder in self.encoders.items():
            if name in table.column_names:
                encoder.avoid(table.column(name))

    def shared(self, table: pa.Table) -> dict[str, pa.Array]:
        """The cells of the keys that several rows have."""
        return {name: table.column(name).combine_chunks() for name, encoder in self.encoders.items() if encoder.times}

    def streams(self, seed: int) -> dict[str, KeyStream]:
        """Fresh keys for one sampled table."""
        return {name: encoder.stream(derive_seed(seed, "key", name)) for name, encoder in self.encoders.items()}

    def beside(self, table: pa.Table, streams: Mapping[str, KeyStream]) -> pa.Table:
        """Return the cells with keys beside them, in the schema's order; ``streams`` carry on over batches. Keys that are there stay,
        and those that refer to others are :meth:`referred` then."""
        there = table.column_names
        cells = {
            spec.name: table.column(spec.name) if spec.name in there else streams[spec.name].take(table.num_rows)
            for spec in self.schema.kept
        }
        return pa.table(cells)

    def referred(self, table: pa.Table, streams: Mapping[str, KeyStream]) -> pa.Table:
        """Return the rows with keys of other rows where they refer to such: of no row to itself, as often the same as was drawn."""
        for place, name in enumerate(table.schema.names):
            other = self.encoders[name].spec.refers if name in self.encoders else None
            if other is not None and other in table.column_names:
                own = table.column(other).combine_chunks().cast(table.schema.field(name).type)
                cells = renewed(table.column(name), partial(streams[name].among, own))
                itself = pc.fill_null(pc.equal(cells, own), False)
                following = cells.take(pa.array(np.roll(np.arange(len(cells)), -1)))
                table = table.set_column(place, name, pc.if_else(itself, following, cells))
        return table

    def joined(self, parts: Sequence[pa.Table], shared: Iterable[str], streams: Mapping[str, KeyStream]) -> pa.Table:
        """Return tables made one by one as one, with new keys throughout: what ``shared`` one of these keys shares one again."""
        whole = pa.concat_tables(parts)
        part = np.repeat(np.arange(len(parts)), [table.num_rows for table in parts])
        cells = {spec.name: whole.column(spec.name) for spec in self.schema.modelled}
        cells |= {name: renewed(whole.column(name), streams[name].distinct, part) for name in shared}
        return self.referred(self.beside(pa.table(cells), streams), streams)

    def state(self) -> dict[str, Any]:
        """What was learned, as JSON."""
        return {name: encoder.state() for name, encoder in self.encoders.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state` gave."""
        for name, encoder in self.encoders.items():
            encoder.restore(state[name])
