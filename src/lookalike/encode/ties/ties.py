"""All ties of a table at once: found in the rows learned from, kept in all that are made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.stream import KeyStream
from lookalike.encode.ties.absence import Absence, against_absences, find_absences, settle_absences
from lookalike.encode.ties.apart import put_apart
from lookalike.encode.ties.backward import at_odds, contradicted, give_way
from lookalike.encode.ties.choose import choose_values
from lookalike.encode.ties.derived import Derived
from lookalike.encode.ties.entities import Entity, find_entities, group, held_alike
from lookalike.encode.ties.joint import JointRule, find_joints
from lookalike.encode.ties.rules import Rule, find_rules, rules_from, rules_state
from lookalike.encode.ties.settle import Due, follow, in_order, settle
from lookalike.errors import SamplingError
from lookalike.rng import generator
from lookalike.schema import EncodedTable, Values


@dataclass(frozen=True)
class Ties:
    """What columns settle about each other, and what rows of one key have in common.

    Attributes
    ----------
    encoders
        The fitted encoder of each column, in the order of the codes.
    rules, joints
        What a column settles alone, and what two or three settle together.
    absences
        Cells missing where another column says so.
    entities
        Keys of several rows each, and what they hold.
    derived
        What is settled by columns that are there only once rows are written back.
    """

    encoders: Mapping[str, ColumnEncoder]
    rules: list[Rule] = field(default_factory=list)
    joints: list[JointRule] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    derived: Derived = field(default_factory=Derived)

    @classmethod
    def find(
        cls,
        encoders: Mapping[str, ColumnEncoder],
        columns: Mapping[str, Values],
        held: Mapping[str, Values],
        shared: Mapping[str, pa.Array],
        counts: Mapping[str, Mapping[str, int]],
        apart: Mapping[str, Sequence[str]],
        telling: Collection[str],
        derived: Derived,
    ) -> Ties:
        """Return what holds in every row of the encoded ``columns``, and which of those ``held`` are the same in all rows of a key that they
        ``shared``; ``counts`` and ``apart`` as in :func:`find_entities`, ``telling`` as in :func:`find_rules`."""
        looked_at = {name: encoders[name] for name in columns}
        rules = find_rules(looked_at, columns, telling)
        joints = find_joints(looked_at, columns, rules, telling)
        absences = find_absences(looked_at, columns, rules)
        return cls(
            encoders, rules, joints, absences, find_entities(shared, held, counts, apart, rules, joints), derived
        )

    @cached_property
    def ordered(self) -> list[Rule | JointRule]:
        """What columns settle, alone and together, in the order in which it is to be applied."""
        return in_order([*self.rules, *self.joints])

    @cached_property
    def _dues(self) -> list[Due]:
        """The same, looked up for the first rows that are drawn, and kept for all others."""
        return [Due(rule, self.encoders) for rule in self.ordered]

    def settle(self, encoded: EncodedTable, known: np.ndarray | None = None, *, gaps: bool = True) -> EncodedTable:
        """Return the rows with every code that another column settles as it does, and cells missing where others say so, unless all
        are to be filled (``gaps`` False); ``known`` (n, d) cells are left alone."""
        settled = settle(self._dues, encoded, known)
        if not gaps or not self.absences:
            return settled
        return settle(self._dues, settle_absences(self.absences, self.encoders, settled, known), known)

    def at_odds(self, encoded: EncodedTable, known: np.ndarray, *, gaps: bool = True) -> np.ndarray:
        """Return the rows of which a ``known`` (n, d) code is another than what was drawn beside it settles; or missing, or not, against what
        that says, unless all are to be filled (``gaps`` False)."""
        absences = self.absences if gaps else []
        return np.union1d(
            at_odds(self._dues, encoded, known), against_absences(absences, self.encoders, encoded, known)
        )

    def check_together(self, codes: Mapping[int, int]) -> None:
        """Raise a SamplingError where ``codes`` (columns' positions to what they should be) contradict a rule that every row keeps."""
        asked, known = np.zeros(len(self.encoders), np.int32), np.zeros(len(self.encoders), bool)
        asked[list(codes)], known[list(codes)] = list(codes.values()), True
        broken = contradicted(self._dues, asked, known)
        if broken is not None:
            names = list(self.encoders)
            settling = " and ".join(repr(names[source]) for source in broken.sources)
            raise SamplingError(
                f"conditions hold together in some row, however: what is asked of {settling} settles {names[broken.place]!r}, as it did in every row "
                "learned from, and another value is asked of that. Leave one out, or fit without such rules (keep_rules=False)."
            )

    def settle_values(
        self,
        encoded: EncodedTable,
        drawn: dict[str, Values],
        known: np.ndarray,
        owners: Mapping[str, np.ndarray],
        seed: int,
    ) -> None:
        """Make what the ``encoded`` rows were decoded to, ``drawn``, keep what columns settle, ``known`` (n, d) cells included: those stay, and
        what settles something else gives way. ``owners`` (n,) say by key whose each row is, counted from 1, where keys are given.
        """
        choose_values(
            [rule for rule in self.ordered if isinstance(rule, Rule)],
            self.encoders,
            encoded,
            drawn,
            known,
            generator(seed, "rules"),
        )
        self._follow(drawn, known)
        if known.any():
            give_way(self.ordered, self.encoders, drawn, known, generator(seed, "given"))
        if owners:
            held_alike(self.entities, drawn, owners, dict(zip(self.encoders, known.T, strict=True)))
            self._follow(drawn, known)

    def group(
        self, drawn: dict[str, Values], known: np.ndarray, keys: Mapping[str, KeyStream], firm: Sequence[str], seed: int
    ) -> tuple[dict[str, Values], dict[str, pa.Array]]:
        """Return the ``drawn`` columns with rows that are alike given to one key, and those ``keys``' cells: see
        :func:`lookalike.encode.ties.entities.group`."""
        if not keys or not self.entities:
            return drawn, {}
        drawn, given_out = group(self.entities, drawn, keys, generator(seed, "entities"), firm)
        self._follow(drawn, known)
        return drawn, given_out

    def put_apart(self, pairs: Sequence[Sequence[str]], drawn: dict[str, Values], known: np.ndarray) -> None:
        """Keep rows apart that ``pairs`` of columns tell apart: see :func:`lookalike.encode.ties.apart.put_apart`."""
        if pairs:
            fixed = {rule.dependent for rule in self.ordered}
            fixed |= {name for entity in self.entities for name in (*entity.holds, *entity.rises)}
            put_apart(pairs, drawn, dict(zip(self.encoders, known.T, strict=True)), fixed)
            self._follow(drawn, known)

    def _follow(self, drawn: dict[str, Values], known: np.ndarray) -> None:
        follow(self.ordered, self.encoders, drawn, known)

    def state(self) -> dict[str, Any]:
        """What was found, as JSON."""
        return {
            "rules": rules_state(self.rules),
            "joints": [joint.state() for joint in self.joints],
            "absences": [absence.state() for absence in self.absences],
            "entities": [entity.state() for entity in self.entities],
            "derived": self.derived.state(),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], encoders: Mapping[str, ColumnEncoder], written: Mapping[str, ColumnEncoder]
    ) -> Ties:
        """Take up what :meth:`state` gave, with encoders of the ``written`` columns that it names (``derived``), not fitted yet."""
        return cls(
            encoders,
            rules_from(state["rules"], encoders),
            [JointRule.from_state(joint, encoders) for joint in state["joints"]],
            [Absence.from_state(absence) for absence in state["absences"]],
            [Entity.from_state(entity) for entity in state["entities"]],
            Derived.from_state(state["derived"], written, encoders),
        )
