"""What a column settles that is computed from others, kept as its distance from one, or often a copy of one: it is there only once it is
written back, so what it settles follows then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.ties.joint import JointRule
from lookalike.encode.ties.rules import Rule, find_rules, rules_from, rules_state
from lookalike.encode.ties.settle import follow
from lookalike.schema import Values


@dataclass(frozen=True)
class Derived:
    """The columns that are computed, kept as a distance or often copies, and what each settles: a parcel's weekday, the day that it was sent;
    an order's size, its total.

    Attributes
    ----------
    encoders
        Encoders of those that settle something, as if they were encoded as they are.
    rules
        What they settle of columns that are encoded as they are.
    """

    encoders: dict[str, ColumnEncoder] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)

    @classmethod
    def find(
        cls,
        own: Mapping[str, ColumnEncoder],
        written: Mapping[str, Values],
        encoders: Mapping[str, ColumnEncoder],
        columns: Mapping[str, Values],
        telling: Collection[str],
        rng: np.random.Generator,
    ) -> Derived:
        """Return what the ``written`` columns, by encoders of their ``own`` that are fitted here, settle of ``columns``, which the
        ``encoders`` encode; ``telling`` as in :func:`find_rules`."""
        for name, encoder in own.items():
            encoder.fit(written[name], rng)
        found = find_rules({**encoders, **own}, {**written, **columns}, telling, determinants=written)
        rules = [rule for rule in found if rule.dependent in columns]
        return cls({name: own[name] for name in dict.fromkeys(rule.determinant for rule in rules)}, rules)

    @property
    def settled(self) -> dict[str, str]:
        """Columns that are settled so, each with what settles it."""
        return {rule.dependent: rule.determinant for rule in self.rules}

    def follow(
        self,
        ties: Sequence[Rule | JointRule],
        encoders: Mapping[str, ColumnEncoder],
        drawn: dict[str, Values],
        written: Mapping[str, Values],
        known: np.ndarray,
    ) -> None:
        """Give what is ``drawn`` the values that the ``written`` columns settle, and what those settle by the other ``ties`` in turn;
        ``known`` (n, d) cells are left alone."""
        moved = {rule.dependent for rule in self.rules}
        theirs = [rule for rule in ties if not moved.isdisjoint(rule.determinants) and rule.dependent not in moved]
        counted = {name: self._counted(name, values) for name, values in written.items()}
        follow([*self.rules, *theirs], encoders, {**counted, **drawn}, known)

    def _counted(self, name: str, values: Values) -> Values:
        """Labels as the column's encoder counts them; all else as it is."""
        encoder = self.encoders.get(name)
        if not isinstance(encoder, CategoryEncoder):
            return values
        return Values(values.missing, codes=values.codes_in(encoder.levels), levels=encoder.levels)

    def state(self) -> dict[str, Any]:
        """What was learned, as JSON."""
        return {
            "columns": {name: encoder.state() for name, encoder in self.encoders.items()},
            "rules": rules_state(self.rules),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], own: Mapping[str, ColumnEncoder], encoders: Mapping[str, ColumnEncoder]
    ) -> Derived:
        """Take up what :meth:`state` gave, with encoders of its columns' ``own`` that were not fitted."""
        for name, encoder in own.items():
            encoder.restore(state["columns"][name])
        return cls({**own}, rules_from(state["rules"], {**encoders, **own}))
