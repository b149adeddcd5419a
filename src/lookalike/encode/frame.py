"""All columns of a table to an :class:`EncodedTable`, and back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike import registry
from lookalike.encode import private
from lookalike.encode.asked import cell, code_of
from lookalike.encode.base import ColumnEncoder, EncoderSettings
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.difference import Difference
from lookalike.encode.key import KeyEncoder, KeyStream
from lookalike.encode.known import Known, put_in
from lookalike.encode.numeric import NumericEncoder
from lookalike.encode.rewrites import Rewrites
from lookalike.encode.steps import Computed, Joint
from lookalike.encode.ties.absence import Absence, find_absences, settle_absences
from lookalike.encode.ties.backward import at_odds, contradicted, give_way
from lookalike.encode.ties.derived import Derived
from lookalike.encode.ties.entities import Entity, find_entities, find_telling, group, held_alike, renewed, taken_from
from lookalike.encode.ties.joint import JointRule, find_joints
from lookalike.encode.ties.orders import orders_of, put_in_order
from lookalike.encode.ties.pools import part_pools
from lookalike.encode.ties.rules import Rule, find_rules, rules_from, rules_state
from lookalike.encode.ties.settle import Due, follow, in_order, settle, settle_values
from lookalike.errors import InputError, SamplingError, SchemaError, SettingsError
from lookalike.ledger import Ledger
from lookalike.rng import derive_seed, generator
from lookalike.schema import ColumnSpec, EncodedColumn, EncodedTable, Schema, Values, parse, spell
from lookalike.schema.types import arrow_type, in_type, is_text
from lookalike.schema.values import as_kept, numbered, spelled_like, whose


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
        for spec in schema.kept:
            refuse(spec)
        self.rewrites = Rewrites(schema, self.settings)
        self.encoders = self._encoders(schema.modelled)
        self.rules: list[Rule] = []
        self.joints: list[JointRule] = []
        self.absences: list[Absence] = []
        self.entities: list[Entity] = []
        self.derived = Derived()
        self._dues: list[Due] | None = None
        self.keys: dict[str, KeyEncoder] = {spec.name: KeyEncoder(spec) for spec in schema.kept if spec.kind == "key"}

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

    def fit(self, table: pa.Table, *, seed: int, progress: Callable[[int, int], None] | None = None) -> None:
        """Learn every column of ``table``."""
        check_columns(table, self.schema)
        if not self.encoders:
            raise InputError(
                "there must be a column to model, however: all are keys or dropped. Declare at least one otherwise in the schema."
            )
        parsed = self._parse(table)
        self.rewrites.fit(parsed)
        self._dues = None
        columns = self.rewrites.forward(parsed)
        self.encoders = self._encoders(self.rewrites.specs())
        for name in self.rewrites.clocks:
            encoder = self.encoders[name]
            assert isinstance(encoder, NumericEncoder)
            encoder.weeks = True
        for name, key in self.keys.items():
            key.fit(_one_array(table, name))
        shared = {name: _one_array(table, name) for name, key in self.keys.items() if key.times}
        telling = find_telling(shared, columns)
        for done, (name, encoder) in enumerate(self.encoders.items(), start=1):
            own = columns[name]
            if name in telling and isinstance(encoder, NumericEncoder):
                own = own.take(telling[name])  # a date that one person has in six rows is one person's all the same
            encoder.fit(own, generator(seed, "encoder", name))
            if progress is not None:
                progress(done, len(self.encoders))
        part_pools(self.encoders, columns, generator(seed, "pools"))
        if self.settings.keep_rules:
            whole = {name: values for name, values in columns.items() if name not in self.rewrites.beside}
            encoders = {name: self.encoders[name] for name in whole}  # a date speaks for its weekday
            self.rules = find_rules(encoders, whole, telling)
            self.joints = find_joints(encoders, whole, self.rules, telling)
            self.absences = find_absences(encoders, whole, self.rules)
            # a date is held as a whole, one kept as its distance with what stands beside that
            put = {name for clock in self.rewrites.clocks.values() for name in clock.parts}
            held = {name: values for name, values in columns.items() if name not in put}
            self.entities = find_entities(shared, held, self.rules, self.joints)
            self.derived = self._find_derived(parsed, columns, telling, seed)

    def _find_derived(
        self, parsed: Mapping[str, Values], columns: Mapping[str, Values], telling: Collection[str], seed: int
    ) -> Derived:
        steps = [step for step in self.rewrites.steps if not isinstance(step, Joint)]
        derived = [name for step in steps for name in step.targets if self.schema[name].numeric]
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
        for key in self.keys.values():
            key.make_up()
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

    def avoid_keys(self, table: pa.Table) -> None:
        """Keep the keys of rows that were not fitted (a holdout) from being given out, too."""
        for name, key in self.keys.items():
            if name in table.column_names:
                key.avoid(table.column(name))

    def encode(self, table: pa.Table, *, seed: int) -> EncodedTable:
        """(n, d) codes and residuals. The seed draws which of two overlapping modes a number is given to."""
        check_columns(table, self.schema)
        codes = np.empty((table.num_rows, len(self.encoders)), np.int32)
        residuals = np.empty((table.num_rows, len(self.encoders)), np.float64)
        columns = self.rewrites.forward(self._parse(table))
        for place, (name, encoder) in enumerate(self.encoders.items()):
            codes[:, place], residuals[:, place] = encoder.encode(columns[name], generator(seed, "encode", name))
        return EncodedTable(self.columns, codes, residuals, whose(table, self.schema.kept))

    def encode_known(self, table: pa.Table, *, fill: bool, seed: int) -> Known:
        """Return what is there of a table to complete.

        Columns that the table lacks are not known; nor are missing cells, if they are to be filled, nor the codes of labels never learned.
        """
        columns, cells = {}, {}
        for spec in self.schema.modelled:
            there = spec.name in table.column_names
            column = self.in_type(table, spec.name) if there else pa.nulls(table.num_rows, arrow_type(spec.storage))
            columns[spec.name] = parse(column, spec)
            cells[spec.name] = ~columns[spec.name].missing if fill else np.full(table.num_rows, there)
        tied, rewritten = self.rewrites.known(cells), self.rewrites.forward(columns)
        shape = table.num_rows, len(self.encoders)
        codes, residuals, known = np.zeros(shape, np.int32), np.zeros(shape), np.zeros(shape, bool)
        unseen: dict[str, int] = {}
        for place, (name, encoder) in enumerate(self.encoders.items()):
            rows = np.flatnonzero(tied[name])
            if isinstance(encoder, CategoryEncoder):
                strange = encoder.never_seen(rewritten[name])[rows]
                if strange.any():
                    unseen[name], rows = int(strange.sum()), rows[~strange]
            known[rows, place] = True
            if len(rows):
                values = rewritten[name].take(rows)
                codes[rows, place], residuals[rows, place] = encoder.encode(values, generator(seed, "encode", name))
        owners = {one.key: numbered(_one_array(table, one.key)) for one in self._given(table)}
        return Known(EncodedTable(self.columns, codes, residuals), known, columns, cells, owners, unseen)

    def _given(self, table: pa.Table) -> list[Entity]:
        """The keys that rows share which a table to complete has."""
        return [one for one in self.entities if one.key in table.column_names]

    def with_held(self, table: pa.Table) -> pa.Table:
        """Return a table to complete with what is known of a key in one of its rows in all those that lack it."""
        for entity in self._given(table):
            owners = numbered(_one_array(table, entity.key))
            for name in self._held(entity):
                if name in table.column_names:
                    there = ~parse(self.in_type(table, name), self.schema[name]).missing
                    cells = _one_array(table, name).take(pa.array(taken_from(there, owners)))
                    table = table.set_column(table.column_names.index(name), name, cells)
        return table

    def with_solved(self, table: pa.Table) -> pa.Table:
        """Return a table to complete with the cells that a formula settles by its result and all its other parts."""
        steps = [step for step in self.rewrites.steps if isinstance(step, Computed)]
        names = {name for step in steps for name in (*step.targets, *step.sources)}
        cells = {name: self.in_type(table, name) for name in names}
        before = {name: parse(column, self.schema[name]) for name, column in cells.items()}
        found = dict(before)
        for step in steps:
            found |= step.solved(found)
        for name, values in found.items():
            new = before[name].missing & ~values.missing
            if new.any():
                spec, there = self.schema[name], pa.array(~before[name].missing)
                written = spelled_like(spell(values, spec), cells[name].filter(there), spec)
                column = pc.if_else(pa.array(new), written, cells[name])
                table = table.set_column(table.column_names.index(name), name, column)
        return table

    def _held(self, entity: Entity) -> list[str]:
        """The table's own columns that a key holds: those rewritten, too, where all that they are written back from is held."""
        held = [*entity.holds]
        for step in self.rewrites.steps:
            if {*(spec.name for spec in step.specs()), *step.sources} <= {*held}:
                held += step.targets
        return held

    def in_type(self, table: pa.Table, name: str) -> pa.Array:
        """Return a column in the type it was learned in: a frame turns whole numbers with gaps into floats, for instance."""
        spec = self.schema[name]
        rule = "a table to complete must hold the types that were learned"
        found: pa.Array = in_type(_one_array(table, name), arrow_type(spec.storage), spec, rule)
        return found

    def gaps(self, table: pa.Table) -> int:
        """How many cells of modelled columns are missing, however a column spells that."""
        there = [spec for spec in self.schema.modelled if spec.name in table.column_names]
        return sum(int(parse(self.in_type(table, spec.name), spec).missing.sum()) for spec in there)

    def key_streams(self, seed: int) -> dict[str, KeyStream]:
        """Fresh keys for one sampled table."""
        return {name: key.stream(derive_seed(seed, "key", name)) for name, key in self.keys.items()}

    def decode(self, encoded: EncodedTable, *, seed: int, given: Known | None = None) -> pa.Table:
        """Cells of the columns' own types, in the schema's order, fresh keys included.

        What is ``given`` is what others are measured or computed from, to the last digit.
        """
        return self.with_keys(self.cells(encoded, seed=seed, given=given), self.key_streams(seed))

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
        drawn = {
            name: encoder.decode(encoded.codes[:, place], encoded.residuals[:, place], generator(seed, "decode", name))
            for place, (name, encoder) in enumerate(self.encoders.items())
        }
        for name, clock in self.rewrites.clocks.items():
            encoder, place = self.encoders[name], list(self.encoders).index(name)
            assert isinstance(encoder, NumericEncoder)
            clock.put(drawn, encoder.column.interval[encoded.codes[:, place]], *encoder.limits())
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
        ties = self.ties
        settle_values(ties, self.encoders, encoded, drawn, known, generator(seed, "rules"))
        if known.any():
            give_way(ties, self.encoders, drawn, known, generator(seed, "given"))
        if given is not None and given.owners:
            held_alike(self.entities, drawn, given.owners, dict(zip(self.encoders, known.T, strict=True)))
            follow(ties, self.encoders, drawn, known)
        given_out: dict[str, pa.Array] = {}
        if keys and self.entities:
            drawn, given_out = group(self.entities, drawn, keys, generator(seed, "entities"), firm)
            follow(ties, self.encoders, drawn, known)
        if self.derived.rules:
            self.derived.follow(ties, self.encoders, drawn, self.rewrites.backward(drawn), known)
        for name, encoder in self.encoders.items():
            if isinstance(encoder, CategoryEncoder):
                drawn[name] = encoder.without_hidden(drawn[name])
        drawn = self.rewrites.backward(drawn)
        return pa.table({spec.name: spell(drawn[spec.name], spec) for spec in self.schema.modelled} | given_out)

    def with_keys(self, table: pa.Table, keys: dict[str, KeyStream]) -> pa.Table:
        """Return the cells with keys beside them, in the schema's order; ``keys`` carries on over batches. Keys that are there stay."""
        there = table.column_names
        cells = {
            spec.name: table.column(spec.name) if spec.name in there else keys[spec.name].take(table.num_rows)
            for spec in self.schema.kept
        }
        return self.referred(pa.table(cells), keys)

    def referred(self, table: pa.Table, keys: Mapping[str, KeyStream]) -> pa.Table:
        """Return the rows with keys of other rows where they refer to such: of no row to itself, as often the same as was drawn."""
        for place, name in enumerate(table.schema.names):
            other = self.keys[name].spec.refers if name in self.keys else None
            if other is not None and other in table.column_names:
                own = _one_array(table, other).cast(table.schema.field(name).type)
                cells = renewed(table.column(name), partial(keys[name].among, own))
                itself = pc.fill_null(pc.equal(cells, own), False)
                following = cells.take(pa.array(np.roll(np.arange(len(cells)), -1)))
                table = table.set_column(place, name, pc.if_else(itself, following, cells))
        return table

    def joined(self, parts: Sequence[pa.Table], keys: dict[str, KeyStream]) -> pa.Table:
        """Return tables made one by one as one, with new keys throughout: what shared a key shares one again."""
        whole = pa.concat_tables(parts)
        part = np.repeat(np.arange(len(parts)), [table.num_rows for table in parts])
        cells = {spec.name: whole.column(spec.name) for spec in self.schema.modelled}
        for entity in self.entities:
            cells[entity.key] = renewed(whole.column(entity.key), keys[entity.key].distinct, part)
        return self.with_keys(pa.table(cells), keys)

    @property
    def tied(self) -> dict[str, str]:
        """Columns that no engine can be asked for, as what settles them is there only once rows are written back; each with the rule
        behind it."""
        later = {name: f"{source!r} settles it" for name, source in self.derived.settled.items()}
        return later | self.rewrites.tied

    @property
    def ties(self) -> list[Rule | JointRule]:
        """What columns settle, alone and together, in the order in which it is to be applied."""
        return in_order([*self.rules, *self.joints])

    def settle(self, encoded: EncodedTable, known: np.ndarray | None = None, *, gaps: bool = True) -> EncodedTable:
        """Return the rows with every code that another column settles as it does, and cells missing where others say so, unless all
        are to be filled (``gaps`` False); ``known`` (n, d) cells are left alone."""
        dues = self._known_dues()
        settled = settle(dues, encoded, known)
        if not gaps or not self.absences:
            return settled
        return settle(dues, settle_absences(self.absences, self.encoders, settled, known), known)

    def at_odds(self, encoded: EncodedTable, known: np.ndarray) -> np.ndarray:
        """Return the rows of which a ``known`` (n, d) code is another than what was drawn beside it settles."""
        return at_odds(self._known_dues(), encoded, known)

    def _known_dues(self) -> list[Due]:
        """What :attr:`ties` settle, looked up; made for the first rows that are drawn, and kept for all others."""
        if self._dues is None:
            self._dues = [Due(rule, self.encoders) for rule in self.ties]
        return self._dues

    def check_together(self, codes: Mapping[int, int]) -> None:
        """Raise a SamplingError where ``codes`` (columns' positions to what they should be) contradict a rule that every row keeps."""
        asked, known = np.zeros(len(self.encoders), np.int32), np.zeros(len(self.encoders), bool)
        asked[list(codes)], known[list(codes)] = list(codes.values()), True
        broken = contradicted(self._known_dues(), asked, known)
        if broken is not None:
            names = list(self.encoders)
            settling = " and ".join(repr(names[source]) for source in broken.sources)
            raise SamplingError(
                f"conditions hold together in some row, however: what is asked of {settling} settles {names[broken.place]!r}, as it did in every row "
                "learned from, and another value is asked of that. Leave one out, or fit without such rules (keep_rules=False)."
            )

    def combinations(self) -> list[pa.Table]:
        """Of each group of columns that is drawn as a whole the combinations that can be drawn, as cells."""
        found = []
        for step in self.rewrites.steps:
            if isinstance(step, Joint):
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
            "rules": rules_state(self.rules),
            "joints": [joint.state() for joint in self.joints],
            "absences": [absence.state() for absence in self.absences],
            "entities": [entity.state() for entity in self.entities],
            "derived": self.derived.state(),
            "keys": {name: key.state() for name, key in self.keys.items()},
        }

    @classmethod
    def from_state(cls, schema: Schema, state: dict[str, Any]) -> TableEncoder:
        encoder = cls(schema, EncoderSettings.build(state["settings"]))
        encoder.rewrites.restore(state["rewrites"])
        encoder.encoders = encoder._encoders(encoder.rewrites.specs())
        for name, column in encoder.encoders.items():
            column.restore(state["columns"][name])
        encoder.rules = rules_from(state["rules"], encoder.encoders)
        encoder.joints = [JointRule.from_state(joint, encoder.encoders) for joint in state["joints"]]
        encoder.absences = [Absence.from_state(absence) for absence in state["absences"]]
        encoder.entities = [Entity.from_state(entity) for entity in state["entities"]]
        written = encoder._encoders([schema[name] for name in state["derived"]["columns"]])
        encoder.derived = Derived.from_state(state["derived"], written, encoder.encoders)
        for name, key in encoder.keys.items():
            key.restore(state["keys"][name])
        return encoder


def refuse(spec: ColumnSpec) -> None:
    """Raise for a column that no encoder takes, with the two ways out."""
    if spec.kind == "text":
        raise InputError(
            f"free text cannot be modelled, however: column {spec.name!r} is free text. Drop it (--drop {spec.name}), or have texts "
            f"of its form made up (--key {spec.name})."
        )


def check_columns(table: pa.Table, schema: Schema) -> None:
    """Raise unless the table has the schema's columns."""
    lacking = [spec.name for spec in schema.kept if spec.name not in table.column_names]
    if lacking:
        raise SchemaError(
            f"the table must have the schema's columns, however: {', '.join(map(repr, lacking))} are not there. Correct the schema, or the table."
        )


def _one_array(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()
