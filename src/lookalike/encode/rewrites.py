"""Constraints kept by construction: columns are rewritten before they are encoded, and written back after decoding.

An inequality becomes a distance, a formula's column is computed (and what it is the quotient of may be kept in proportion), of a share
which one it is is kept, of a copy whether it is one, fixed combinations become one column, and of columns that are missing together the
first decides. Dates have their weekday and time of day beside them. Which rules can be kept so is settled from the schema alone (:func:`plan`); the
others are for a check after decoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np

from lookalike.dependence import follows
from lookalike.encode.base import EncoderSettings
from lookalike.encode.clock import Clock, find_clock
from lookalike.encode.combinations import Combined
from lookalike.encode.computed import Computed, Shared
from lookalike.encode.copied import Copied
from lookalike.encode.difference import Difference
from lookalike.encode.proportion import Proportion
from lookalike.encode.steps import Columns, Step
from lookalike.errors import SchemaError
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.axis import unit_of
from lookalike.schema.breaches import limits
from lookalike.schema.constraints import Combinations, Constraint, Copy, Formula, Inequality, NullTogether, Range, Share
from lookalike.schema.values import as_kept
from lookalike.stats import middle

Declared = TypeVar("Declared", bound=Constraint)


@dataclass
class Plan:
    """What is to be rewritten: ``steps`` so that each comes after those that give its sources; ``groups`` of columns
    missing together; ``bounds`` that ranges declare, by column, in its own unit."""

    steps: list[Step] = field(default_factory=list)
    groups: list[tuple[str, ...]] = field(default_factory=list)
    bounds: dict[str, tuple[Any, Any]] = field(default_factory=dict)


class Rewrites:
    """All rewrites of one schema.

    >>> from lookalike.schema import ColumnSpec
    >>> columns = [ColumnSpec(name=name, kind="integer", storage="int64") for name in ("low", "high")]
    >>> rewrites = Rewrites(Schema(columns, [Inequality(columns=("low", "high"))]), EncoderSettings())
    >>> real = {"low": Values(np.zeros(2, bool), np.array([1, 5])), "high": Values(np.zeros(2, bool), np.array([2, 5]))}
    >>> rewrites.fit(real)
    >>> {name: values.numbers.tolist() for name, values in rewrites.forward(real).items()}
    {'low': [1, 5], 'high minus low': [1, 0]}
    """

    def __init__(self, schema: Schema, settings: EncoderSettings) -> None:
        self.schema = schema
        found = plan(schema, settings)
        self.steps, self.groups, self.bounds = found.steps, found.groups, found.bounds
        self._fills: dict[str, Any] = {}
        self.settings = settings
        self.clocks: dict[str, Clock] = {}

    @property
    def replaced(self) -> dict[str, str]:
        """Columns that are not encoded as themselves, each with the rule behind it."""
        return {name: step.words for step in self.steps for name in step.targets}

    @property
    def tied(self) -> dict[str, str]:
        """Columns that no engine can be asked for, each with the rule behind it: the above, and those missing where another is."""
        followers = {name: group for group in self.groups for name in group[1:]}
        return {name: f"{', '.join(group)} missing together" for name, group in followers.items()} | self.replaced

    def fit(self, columns: Mapping[str, Values]) -> None:
        """Learn what the ways back need: extremes, vocabularies, one typical value a column."""
        for step in self.steps:
            step.fit(columns)
        forward = self._stepped(columns)
        self.clocks = self._find_clocks(forward)
        self._fills = {name: _typical(forward[name]) for group in self._carriers() for name in group[1:]}

    def _find_clocks(self, columns: Columns) -> dict[str, Clock]:
        found: dict[str, Clock] = {}
        limit = max(self.settings.max_discrete, self.settings.max_bins if self.settings.intervals == "quantiles" else 0)
        for spec in self._specs():
            if spec.kind == "datetime":
                others = [values for name, values in columns.items() if name != spec.name]
                clock = find_clock(columns[spec.name], spec, limit, others, taken={*self.schema.names, *columns})
                found |= {} if clock is None else {spec.name: clock}
        return found

    @property
    def beside(self) -> set[str]:
        """The encoded columns that stand beside dates, and for no cell of their own."""
        measured = [step.clock for step in self.steps if isinstance(step, Difference) and step.clock is not None]
        return {name for clock in (*self.clocks.values(), *measured) for name in clock.parts}

    def specs(self) -> list[ColumnSpec]:
        """The columns that are encoded, a rewritten one where the first of those it stands for was."""
        found: list[ColumnSpec] = []
        for spec in self._specs():
            clock = self.clocks.get(spec.name)
            # the weekday is drawn, and none is to be moved to another week before it is known
            found += [spec] if clock is None else [spec.replace(falls_on=None), *clock.specs(spec)]
        return found

    def _specs(self) -> list[ColumnSpec]:
        of = {step.targets[0]: step for step in self.steps}
        gone = self.replaced
        found: list[ColumnSpec] = []
        for spec in self.schema.modelled:
            if spec.name in of:
                found += of[spec.name].specs()
            elif spec.name not in gone:
                found.append(self._bounded(spec))
        return found

    def _bounded(self, spec: ColumnSpec) -> ColumnSpec:
        """With the bounds that ranges declare, as far as a spec can say them."""
        own = unit_of(spec) if spec.name in self.bounds else None
        # a decimal's spec counts in ones, all others in their own units
        scale = own.denominator if own is not None and spec.kind == "float" else 1
        for edge, outer, pick in zip(
            self.bounds.get(spec.name, (None, None)), ("minimum", "maximum"), (max, min), strict=True
        ):
            if edge is not None:
                declared = getattr(spec, outer)
                spec = spec.replace(**{outer: edge / scale if declared is None else pick(declared, edge / scale)})
        return spec

    def forward(self, columns: Mapping[str, Values]) -> dict[str, Values]:
        """The encoded columns' cells, from the real ones."""
        found = self._stepped(columns)
        for group in self._carriers():
            for name in group[1:]:
                found[name] = _filled(found[name], self._fills[name])
        for name, clock in self.clocks.items():
            found |= clock.beside(found[name])
        return {spec.name: found[spec.name] for spec in self.specs()}

    def telling(self, cells: Mapping[str, np.ndarray], columns: Columns) -> np.ndarray:
        """(n,) bool: where a rewritten cell is there that tells of a source which is not known (:meth:`Step.told_by`)."""
        found = np.zeros(len(next(iter(cells.values()))), bool)
        for step in self.steps:
            for name in step.targets if step.tells else ():
                there = cells[name] & ~columns[name].missing
                found |= there & ~np.all([cells[source] for source in step.sources], axis=0)
        return found

    def known(
        self, cells: Mapping[str, np.ndarray], columns: Columns, *, lenient: bool = False
    ) -> dict[str, np.ndarray]:
        """(n,) bool by encoded column: where its cell is known, given where those of the real ``columns`` are.

        A rewritten column can be drawn given its sources, but not they given it: where a source is not known, it is not, either, if that is
        ``lenient``. Where it is missing, as a copy and as what it is otherwise, it is known by itself.

        Raises
        ------
        SchemaError
            A rewritten cell is known in a row where one that it is measured or computed from is not.
        """
        found = dict(cells)
        for step in self.steps:
            some = np.any([cells[name] for name in step.targets], axis=0)
            all_known = np.all([cells[name] for name in (*step.targets, *step.sources)], axis=0)
            if step.sources:
                (target,) = step.targets
                all_known |= cells[target] & (columns[target].missing | (step.free and not lenient))
            if (some & ~all_known).any() and not lenient:
                needed = ", ".join(map(repr, step.sources or step.targets))
                raise SchemaError(
                    f"a cell is drawn given others in its row, however: {int((some & ~all_known).sum()):,} rows have {step.targets[0]!r} "
                    f"without all of {needed}, which it follows from ({step.words}). Give those, or leave {step.targets[0]!r} out "
                    "(to impute: empty its cells there); what was not declared but found is let go by fitting with keep_rules=False."
                )
            found |= {spec.name: all_known for spec in step.specs()}
        for group in self._carriers():
            for name in group[1:]:
                lacking = found[name] & ~found[group[0]]
                if lenient:
                    found[name] = found[name] & ~lacking
                elif lacking.any():
                    raise SchemaError(
                        f"a cell is drawn given others in its row, however: {int(lacking.sum()):,} rows have {name!r} without {group[0]!r}, "
                        "with which it is missing. Give both, or neither."
                    )
        for name, clock in self.clocks.items():
            found |= dict.fromkeys(clock.parts, found[name])
        return {spec.name: found[spec.name] for spec in self.specs()}

    def _stepped(self, columns: Mapping[str, Values]) -> dict[str, Values]:
        gone = self.replaced
        found = {name: values for name, values in columns.items() if name not in gone}
        for step in self.steps:
            found |= step.forward(columns)
        return found

    def _carriers(self) -> list[list[str]]:
        """The groups' columns, as they are encoded; those whose gaps no single encoded column carries are left out."""
        of = {name: step for step in self.steps for name in step.targets}
        found = [[of[name].carrier() if name in of else name for name in group] for group in self.groups]
        told = [[name for name in group if name is not None] for group in found if group[0] is not None]
        return [group for group in told if len(group) > 1]

    def backward(self, drawn: Mapping[str, Values]) -> dict[str, Values]:
        """The real columns' cells, from drawn ones."""
        told = dict(drawn)
        for group in self._carriers():
            for name in group[1:]:
                told[name] = _missing_where(told[name], told[group[0]].missing)
        gone = self.replaced
        done = {spec.name: as_kept(told[spec.name], spec) for spec in self.schema.modelled if spec.name not in gone}
        for step in self.steps:
            done |= {name: as_kept(values, self.schema[name]) for name, values in step.backward(told, done).items()}
        return done

    def state(self) -> dict[str, Any]:
        """What was learned, as JSON."""
        clocks = [asdict(clock) for clock in self.clocks.values()]
        return {"steps": [step.state() for step in self.steps], "fills": self._fills, "clocks": clocks}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state` gave."""
        for step, kept in zip(self.steps, state["steps"], strict=True):
            step.restore(kept)
        self._fills = dict(state["fills"])
        self.clocks = {clock["column"]: Clock(**clock) for clock in state["clocks"]}


def _typical(values: Values) -> Any:
    """What stands in for a missing cell while it is encoded: a number from the middle, or the commonest label."""
    if values.numbers is not None:
        return middle(values.present).item()
    assert values.codes is not None and values.levels is not None
    counts = np.bincount(values.codes[~values.missing], minlength=1)
    return str(values.levels[int(counts.argmax())]) if counts.any() else None


def _filled(values: Values, fill: Any) -> Values:
    """Missing cells hold the fill instead, where there is one."""
    if values.numbers is not None:
        numbers = np.where(values.missing, values.numbers.dtype.type(fill), values.numbers)
        return Values(np.zeros(len(values), bool), numbers=numbers)
    assert values.codes is not None and values.levels is not None
    texts = [str(level) for level in values.levels]
    if fill not in texts:
        return values
    codes = np.where(values.missing, np.int32(texts.index(fill)), values.codes)
    return Values(np.zeros(len(values), bool), codes=codes, levels=values.levels)


def _missing_where(values: Values, missing: np.ndarray) -> Values:
    numbers, codes = values.numbers, values.codes
    if numbers is not None:
        numbers = np.where(missing, numbers.dtype.type(0), numbers)
    if codes is not None:
        codes = np.where(missing, np.int32(-1), codes)
    return Values(missing.copy(), numbers=numbers, codes=codes, levels=values.levels)


# --------------------------------------------------------------------------------------------------------------- plan


class _Planner:
    """Which column is rewritten how, so that each is rewritten once and none needs itself."""

    def __init__(self, schema: Schema, settings: EncoderSettings) -> None:
        self.schema, self.settings = schema, settings
        self.taken = set(schema.names)
        self.needs: dict[str, set[str]] = {}
        self.joint_of: dict[str, int] = {}
        self.settled: set[str] = set()  # in a combination, or computed
        self.edges: dict[tuple[str, int], list[tuple[str, bool]]] = {}
        self.words: dict[str, str] = {}

    def name(self, wanted: str) -> str:
        """An encoded column's name that no other has."""
        while wanted in self.taken:
            wanted += "'"
        self.taken.add(wanted)
        return wanted

    def allow(self, target: str, sources: Iterable[str]) -> bool:
        """Note that a target is decoded from sources, unless one of them is decoded from it."""
        if any(follows(source, target, self.needs) for source in sources):
            return False
        self.needs.setdefault(target, set()).update(sources)
        return True

    def order(self, low: str, high: str, strict: bool, words: str) -> None:
        """The higher column is rewritten if it may be, else the lower one, else neither."""
        if low in self.joint_of and self.joint_of.get(high) == self.joint_of[low]:
            return  # combinations that occur keep it as they are
        for target, source, sign in ((high, low, 1), (low, high, -1)):
            if target in self.settled or (target, -sign) in self.edges:
                continue
            if self.allow(target, [source]):
                bounds = self.edges.setdefault((target, sign), [])
                if (source, strict) not in bounds:
                    bounds.append((source, strict))
                self.words.setdefault(target, words)
                return


def plan(schema: Schema, settings: EncoderSettings) -> Plan:
    """Settle what is rewritten, from the declarations alone.

    A column that two inequalities bound on the same side is measured from the nearer bound; one that a combination or a
    formula settles is left to it, and the other column is measured instead; what is left over is for a check.
    """
    planner, found = _Planner(schema, settings), Plan()
    found.groups = merged([rule.columns for rule in _declared(schema, NullTogether)])
    for place, columns in enumerate(merged([rule.columns for rule in _declared(schema, Combinations)])):
        found.steps.append(Combined(columns, planner.name(" × ".join(columns))))
        planner.joint_of |= dict.fromkeys(columns, place)
        planner.settled |= set(columns)
    for formula in _declared(schema, Formula):
        if formula.column not in planner.settled and planner.allow(formula.column, formula.expression.names):
            names = planner.name(f"{formula.column} known"), planner.name(f"{formula.column} alone")
            found.steps.append(Computed(formula, *names, schema))
            planner.settled.add(formula.column)
    for formula in _declared(schema, Formula):
        part, whole = formula.names[1:] if formula.in_proportion else ("", "")
        if formula.in_proportion and part not in planner.settled and planner.allow(part, [whole]):
            names = planner.name(f"{part} per {whole}"), planner.name(f"{part} alone")
            found.steps.append(Proportion(formula, *names, schema))
            planner.settled.add(part)
    for share in _declared(schema, Share):
        if share.column not in planner.settled and planner.allow(share.column, [share.of]):
            which = planner.name(f"{share.column} share of {share.of}")
            names = planner.name(f"{share.column} known"), planner.name(f"{share.column} alone")
            found.steps.append(Shared(share, which, *names, schema))
            planner.settled.add(share.column)
    for copy in _declared(schema, Copy):
        if copy.column not in planner.settled and planner.allow(copy.column, [copy.of]):
            names = planner.name(f"{copy.column} same as {copy.of}"), planner.name(f"{copy.column} otherwise")
            found.steps.append(Copied(copy, *names, schema))
            planner.settled.add(copy.column)
    for order in _declared(schema, Inequality):
        if order.kept_by == "choice":
            continue
        for place, high in enumerate(order.columns):
            for low in reversed(order.columns[:place]):
                planner.order(low, high, order.strict, order.words)
    for span in _declared(schema, Range):
        if span.kept_by == "choice":
            continue
        if isinstance(span.low, str) and span.low in span.names:
            planner.order(span.low, span.column, span.strict, span.words)
        if isinstance(span.high, str) and span.high in span.names:
            planner.order(span.column, span.high, span.strict, span.words)
        own = limits(span, unit_of(schema[span.column]))
        found.bounds[span.column] = _inner(found.bounds.get(span.column, (None, None)), own)
    for (target, sign), bounds in planner.edges.items():
        nearest = bounds[0][0]
        pair = (target, nearest) if sign > 0 else (nearest, target)
        names = planner.name(f"{pair[0]} minus {pair[1]}"), planner.name(f"{target} alone")
        edges = found.bounds.get(target, (None, None))
        words = planner.words[target]
        found.steps.append(Difference(target, bounds, sign, names, schema, settings, edges, words))
    found.steps = _in_order(found.steps)
    return found


def _declared(schema: Schema, kind: type[Declared]) -> list[Declared]:
    """The rules of one kind over modelled columns."""
    modelled = {spec.name for spec in schema.modelled}
    return [rule for rule in schema.constraints if isinstance(rule, kind) and set(rule.names) <= modelled]


def _inner(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    lows, highs = ([edge for edge in pair if edge is not None] for pair in zip(one, other, strict=True))
    return max(lows, default=None), min(highs, default=None)


def merged(groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Groups that share a column are one.

    >>> merged([("a", "b"), ("c", "d"), ("b", "e")])
    [('a', 'b', 'e'), ('c', 'd')]
    """
    found: list[list[str]] = []
    for group in groups:
        touched = [other for other in found if set(other) & set(group)]
        names = [name for other in touched for name in other] + list(group)
        place = min((found.index(other) for other in touched), default=len(found))
        found = [other for other in found if other not in touched]
        found.insert(place, list(dict.fromkeys(names)))
    return [tuple(group) for group in found]


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """Each step after those that give its sources."""
    waiting, found = list(steps), []
    while waiting:
        gone = {name for step in waiting for name in step.targets}
        ready = [step for step in waiting if not gone & set(step.sources)]
        assert ready, "a plan has no circle"
        found += ready
        waiting = [step for step in waiting if step not in ready]
    return found
