"""All columns of a table to an :class:`EncodedTable`, and back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike import registry
from lookalike.characters import flag
from lookalike.encode import private
from lookalike.encode.asked import cell, code_of
from lookalike.encode.base import ColumnEncoder, EncoderSettings
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.combinations import Combined
from lookalike.encode.difference import Difference
from lookalike.encode.keys import Keys
from lookalike.encode.known import Known, put_in
from lookalike.encode.numeric import NumericEncoder
from lookalike.encode.rewrites import Rewrites
from lookalike.encode.row_order import RowOrder
from lookalike.encode.stream import KeyStream
from lookalike.encode.ties.apart import columns_apart, keys_apart
from lookalike.encode.ties.derived import Derived
from lookalike.encode.ties.entities import counted, find_counts, find_entities, find_telling
from lookalike.encode.ties.orders import orders_of, put_in_order
from lookalike.encode.ties.pools import part_pools
from lookalike.encode.ties.ties import Ties
from lookalike.errors import InputError, SchemaError, SettingsError
from lookalike.ledger import Ledger
from lookalike.rng import generator
from lookalike.schema import ColumnSpec, EncodedColumn, EncodedTable, Schema, Values, parse, spell
from lookalike.schema.types import arrow_type, in_type, is_text
from lookalike.schema.values import as_kept, numbered, whose


class TableEncoder:
    """One encoder a column.

    Parameters
    ----------
    schema
        Which columns there are; dropped ones are left out, keys are made anew and not encoded.

    >>> from lookalike.schema.infer import infer_schema
    >>> table = pa.table({"colour": ["red", "blue"] * 30, "size": [1, 2, 3] * 20})
    >>> encoder = TableEncoder(infer_schema(table))
    >>> encoder.fit(table, seed=0)
    >>> encoded = encoder.encode(table, seed=0)
    >>> encoder.decode(encoded, seed=0).equals(table)
    True
    """

    def __init__(self, schema: Schema, settings: EncoderSettings | None = None) -> None:
        self.schema = schema
        self.settings = settings or EncoderSettings()
        refuse(schema.kept)
        self.rewrites = Rewrites(schema, self.settings)
        self.encoders = self._encoders(schema.modelled)
        self.ties = Ties(self.encoders)
        self.keys = Keys(schema)
        self.row_order = RowOrder()

    def refuse_idle(self) -> None:
        """Raise a :class:`SettingsError` for what was set, but changes nothing of these columns."""
        free = not self.settings.enforce_min_max_values and self.settings.intervals == "quantiles"
        if free and not any(isinstance(step, Difference) for step in self.rewrites.steps):
            raise SettingsError(
                "enforce_min_max_values=False lets numbers leave the range that was seen, however: quantiles (intervals) end with it, and no "
                "number here is kept as its distance from another. Add intervals=modes, or leave it out."
            )

    def _encoders(self, specs: Sequence[ColumnSpec]) -> dict[str, ColumnEncoder]:
        return {spec.name: registry.load(registry.ENCODERS, spec.kind, "kind")(spec, self.settings) for spec in specs}

    @property
    def columns(self) -> tuple[EncodedColumn, ...]:
        return tuple(encoder.column for encoder in self.encoders.values())

    def fit(
        self,
        table: pa.Table,
        *,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
        others: Sequence[pa.Table] = (),
    ) -> None:
        """Learn every column of ``table``; how many rows a key has, and what counts them, from all ``others`` together, where there are some:
        rows that were kept back leave gaps."""
        check_columns(table, self.schema)
        if not self.encoders:
            raise InputError(
                "there must be a column to model, however: all are keys or dropped. Declare at least one otherwise in the schema."
            )
        parsed = self._parse(table)
        self.rewrites.fit(parsed)
        columns = self.rewrites.forward(parsed)
        self.encoders = self._encoders(self.rewrites.specs())
        for name in self.rewrites.clocks:
            encoder = self.encoders[name]
            assert isinstance(encoder, NumericEncoder)
            encoder.weeks = True
        self.keys.fit(table)
        everything = self._whole(table, others)
        self.keys.count(everything)
        shared = self.keys.shared(table)
        telling = find_telling(shared, columns)
        for done, (name, encoder) in enumerate(self.encoders.items(), start=1):
            own = columns[name]
            if name in telling and isinstance(encoder, NumericEncoder):
                own = own.take(telling[name])  # a date that one person has in six rows is one person's all the same
            encoder.fit(own, generator(seed, "encoder", name))
            if progress is not None:
                progress(done, len(self.encoders))
        part_pools(self.encoders, columns, generator(seed, "pools"))
        self.ties = Ties(self.encoders)
        if self.settings.keep_rules:
            derived = self._find_derived(parsed, columns, telling, seed)
            # a date speaks for its weekday, and is held as a whole; one kept as its distance is held with what stands beside that
            whole = {name: values for name, values in columns.items() if name not in self.rewrites.beside}
            put = {name for clock in self.rewrites.clocks.values() for name in clock.parts}
            held = {name: values for name, values in columns.items() if name not in put}
            self.row_order = RowOrder.find(table, self.schema)
            counts = self._find_counts(everything)
            apart = keys_apart(self.schema, self._plain)
            self.ties = Ties.find(self.encoders, whole, held, shared, counts, apart, telling, derived)
        elif apart := keys_apart(self.schema, self._plain):
            self.ties = Ties(self.encoders, entities=find_entities(shared, {}, {}, apart, []))

    def _whole(self, table: pa.Table, others: Sequence[pa.Table]) -> pa.Table:
        """The rows learned from and those kept back, as one table: those of ``others`` that have all columns in the types of these."""
        fields = [table.schema.field(spec.name) for spec in self.schema.kept]
        alike = [one.select([field.name for field in fields]) for one in others if set(fields) <= set(one.schema)]
        return pa.concat_tables(alike) if alike else table

    @property
    def _plain(self) -> set[str]:
        """Columns that are encoded as they are."""
        return {*self.encoders} - {*self.rewrites.replaced}

    def _find_counts(self, table: pa.Table) -> dict[str, dict[str, int]]:
        """What counts the rows of each key."""
        plain = self._plain
        numbers = {
            spec.name: parse(table.column(spec.name), spec)
            for spec in self.schema.modelled
            if spec.kind == "integer" and spec.name in plain
        }
        return find_counts(self.keys.shared(table), numbers)

    def _find_derived(
        self, parsed: Mapping[str, Values], columns: Mapping[str, Values], telling: Collection[str], seed: int
    ) -> Derived:
        steps = [step for step in self.rewrites.steps if not isinstance(step, Combined)]
        derived = [name for step in steps for name in step.targets]
        if not derived:
            return Derived()
        sources = {name for step in self.rewrites.steps for name in step.sources}
        free = {name: values for name, values in columns.items() if name in parsed and name not in sources}
        encoders = self._encoders([self.schema[name] for name in derived])
        written = {name: parsed[name] for name in derived}
        return Derived.find(encoders, written, self.encoders, free, telling, generator(seed, "derived"))

    def _parse(self, table: pa.Table) -> dict[str, Values]:
        return {spec.name: parse(table.column(spec.name), spec) for spec in self.schema.modelled}

    def fit_privately(self, table: pa.Table, ledger: Ledger, *, share: float | None = None) -> int:
        """Learn every column of ``table`` within a privacy budget.

        Nothing is read off exactly: no rule between columns, no form of a key, no bound, no label (see
        :mod:`lookalike.encode.private`). How finely numbers are written is learned too, so the schema changes.

        Returns
        -------
        How many rows there are: as many as is public, or a noised count.
        """
        check_columns(table, self.schema)
        rows, deviation = private.count_rows(table.num_rows, ledger)
        share = min(share or private.default_share(ledger, rows), ledger.unspent)
        account = private.Account.open(ledger, self.encoders, share, rows, deviation)
        for name, encoder in self.encoders.items():
            private.fit_privately(encoder, parse(table.column(name), encoder.spec), account)
        self.schema = Schema([self.encoders[spec.name].spec if spec.modelled else spec for spec in self.schema])
        self.keys.make_up()
        return rows

    def encode_privately(self, table: pa.Table) -> EncodedTable:
        """(n, d) codes and residuals of any rows, those with values that were not told included."""
        check_columns(table, self.schema)
        codes = np.empty((table.num_rows, len(self.encoders)), np.int32)
        residuals = np.empty(codes.shape, np.float64)
        for place, (name, encoder) in enumerate(self.encoders.items()):
            codes[:, place], residuals[:, place] = private.encode_privately(
                encoder, parse(table.column(name), encoder.spec)
            )
        return EncodedTable(self.columns, codes, residuals)

    def encode(self, table: pa.Table, *, seed: int) -> EncodedTable:
        """(n, d) codes and residuals. The seed draws which of two overlapping modes a number is given to."""
        check_columns(table, self.schema)
        codes = np.empty((table.num_rows, len(self.encoders)), np.int32)
        residuals = np.empty((table.num_rows, len(self.encoders)), np.float64)
        columns = self.rewrites.forward(self._parse(table))
        for place, (name, encoder) in enumerate(self.encoders.items()):
            codes[:, place], residuals[:, place] = encoder.encode(columns[name], generator(seed, "encode", name))
        return EncodedTable(self.columns, codes, residuals, whose(table, self.schema.kept))

    def in_type(self, table: pa.Table, name: str) -> pa.Array:
        """Return a column in the type it was learned in: a frame turns whole numbers with gaps into floats, for instance."""
        spec = self.schema[name]
        rule = "a table to complete must hold the types that were learned"
        found: pa.Array = in_type(table.column(name).combine_chunks(), arrow_type(spec.storage), spec, rule)
        return found

    def decode(self, encoded: EncodedTable, *, seed: int, given: Known | None = None) -> pa.Table:
        """Cells of the columns' own types, in the schema's order, fresh keys included.

        What is ``given`` is what others are measured or computed from, to the last digit.
        """
        keys = self.keys.streams(seed)
        return self.keys.referred(self.keys.beside(self.cells(encoded, seed=seed, given=given), keys), keys)

    def drawn(self, encoded: EncodedTable, *, seed: int) -> dict[str, Values]:
        """The encoded columns' cells as they were drawn, dates with the weekday and the time beside them."""
        drawn = {
            name: encoder.decode(encoded.codes[:, place], encoded.residuals[:, place], generator(seed, "decode", name))
            for place, (name, encoder) in enumerate(self.encoders.items())
        }
        for name, clock in self.rewrites.clocks.items():
            encoder, place = self.encoders[name], list(self.encoders).index(name)
            assert isinstance(encoder, NumericEncoder)
            clock.put(drawn, encoder.column.interval[encoded.codes[:, place]], *encoder.limits())
        return drawn

    def cells(
        self,
        encoded: EncodedTable,
        *,
        seed: int,
        given: Known | None = None,
        where: Mapping[str, Any] = MappingProxyType({}),
        keys: Mapping[str, KeyStream] = MappingProxyType({}),
        firm: Sequence[str] = (),
    ) -> pa.Table:
        """As :meth:`decode`, but for the keys.

        Parameters
        ----------
        where
            Columns, and the one value that all their cells have.
        keys
            Where those of keys that settle other columns come from; then their cells are there, too.
        firm
            Columns whose cells are not to be exchanged between rows that a key joins.
        """
        drawn = self.drawn(encoded, seed=seed)
        known = np.zeros(encoded.codes.shape, bool)
        if given is not None:
            drawn, known = {name: given.put_in(name, values) for name, values in drawn.items()}, given.codes
        for name, value in where.items():
            asked = parse(cell(self.schema[name], value), self.encoders[name].spec).take(
                np.zeros(len(encoded), np.int64)
            )
            drawn[name] = put_in(drawn[name], asked, np.ones(len(encoded), bool))
            known[:, list(self.encoders).index(name)] = True
        orders = orders_of(self.schema, self.encoders)
        put_in_order(orders, drawn, dict(zip(self.encoders, known.T, strict=True)))
        self.ties.settle_values(encoded, drawn, known, {} if given is None else given.owners, seed)
        drawn, given_out = self.ties.group(drawn, known, keys, firm, seed)
        if given is None:
            self.ties.put_apart(columns_apart(self.schema, self._plain), drawn, known)
        if self.ties.derived.rules:
            self.ties.derived.follow(self.ties.ordered, self.encoders, drawn, self.rewrites.backward(drawn), known)
        for name, encoder in self.encoders.items():
            if isinstance(encoder, CategoryEncoder):
                drawn[name] = encoder.without_hidden(drawn[name])
        drawn = self.rewrites.backward(drawn)
        return pa.table({spec.name: spell(drawn[spec.name], spec) for spec in self.schema.modelled} | given_out)

    def finished(self, table: pa.Table, keys: Mapping[str, KeyStream], firm: Sequence[str]) -> pa.Table:
        """Return the rows that stay with the next keys, counted anew where some were turned down, and in the order of real rows; cells of
        ``firm`` columns are left alone."""
        for entity in self.ties.entities:
            for name, start in entity.counts:
                if name not in firm:
                    spec = self.schema[name]
                    numbers = counted(
                        numbered(table.column(entity.key).combine_chunks()), parse(table.column(name), spec), start
                    )
                    table = table.set_column(table.column_names.index(name), name, spell(numbers, spec))
        whole = self.row_order.sort(self.keys.beside(table, keys), self.schema)
        return self.keys.referred(whole, keys)

    @property
    def tied(self) -> dict[str, str]:
        """Columns that no engine can be asked for, as what settles them is there only once rows are written back; each with the rule
        behind it."""
        later = {name: f"{source!r} settles it" for name, source in self.ties.derived.settled.items()}
        return later | self.rewrites.tied

    def combinations(self) -> list[pa.Table]:
        """Of each group of columns that is drawn as a whole the combinations that can be drawn, as cells."""
        found = []
        for step in self.rewrites.steps:
            if isinstance(step, Combined):
                encoder = self.encoders[step.name]
                assert isinstance(encoder, CategoryEncoder)
                cells = step.backward({step.name: encoder.can_be_drawn()}, {})
                specs = {name: self.schema[name] for name in cells}
                found.append(pa.table({name: spell(as_kept(cells[name], spec), spec) for name, spec in specs.items()}))
        return found

    def codes_asked(self, name: str, value: Any) -> dict[int, int]:
        """Columns' positions, and the code of each that a condition asks for: one value's, and of a date that of its weekday.

        Raises
        ------
        SchemaError
            The column is not modelled, or never held such a value.
        """
        if name in self.tied:
            raise SchemaError(
                f"the engine is asked for a column that is modelled as it is, however: column {name!r} follows from others by a "
                f"constraint ({self.tied[name]}). Ask for another column, or fit without the "
                "constraint (keep_rules=False where it was found)."
            )
        if name not in self.encoders:
            known = ", ".join(self.encoders)
            raise SchemaError(f"a condition names a modelled column, however: {name!r} is none. Columns: {known}.")
        asked, clock = {name: value}, self.rewrites.clocks.get(name)
        encoder = self.encoders[name]
        if clock is not None and clock.weekday is not None:
            weekdays = clock.beside(parse(cell(encoder.spec, value), encoder.spec))[clock.weekday].present
            asked[clock.weekday] = int(weekdays[0]) if len(weekdays) else None
        places = list(self.encoders)
        return {places.index(one): code_of(self.encoders[one], value) for one, value in asked.items()}

    def says_empty(self, name: str) -> bool:
        """Whether the empty text is one of a column's labels."""
        encoder = self.encoders.get(name)
        return (
            isinstance(encoder, CategoryEncoder) and is_text(encoder.levels.type) and "" in encoder.levels.to_pylist()
        )

    def state(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(),
            "columns": {name: encoder.state() for name, encoder in self.encoders.items()},
            "rewrites": self.rewrites.state(),
            **self.ties.state(),
            "keys": self.keys.state(),
            "row_order": self.row_order.state(),
        }

    @classmethod
    def from_state(cls, schema: Schema, state: dict[str, Any]) -> TableEncoder:
        encoder = cls(schema, EncoderSettings.build(state["settings"]))
        encoder.rewrites.restore(state["rewrites"])
        encoder.encoders = encoder._encoders(encoder.rewrites.specs())
        for name, column in encoder.encoders.items():
            column.restore(state["columns"][name])
        written = encoder._encoders([schema[name] for name in state["derived"]["columns"]])
        encoder.ties = Ties.from_state(state, encoder.encoders, written)
        encoder.keys.restore(state["keys"])
        encoder.row_order = RowOrder.from_state(state["row_order"])
        return encoder


def refuse(specs: Iterable[ColumnSpec]) -> None:
    """Raise for columns that no encoder takes, all at once, with the two ways out."""
    texts = [spec.name for spec in specs if spec.kind == "text"]
    if texts:
        which, them, their = f"columns {', '.join(map(repr, texts))} are", "them", "their"
        if len(texts) == 1:
            which, them, their = f"column {texts[0]!r} is", "it", "its"
        drop, key = (" ".join(flag(way, name) for name in texts) for way in ("drop", "key"))
        raise InputError(
            f"free text cannot be modelled, however: {which} free text. Drop {them} ({drop}), or have texts of {their} form made up ({key})."
        )


def check_columns(table: pa.Table, schema: Schema) -> None:
    """Raise unless the table has the schema's columns."""
    there = {*table.column_names}
    lacking = [spec.name for spec in schema.kept if spec.name not in there]
    if lacking:
        raise SchemaError(
            f"the table must have the schema's columns, however: {', '.join(map(repr, lacking))} are not there. Correct the schema, or the table."
        )
