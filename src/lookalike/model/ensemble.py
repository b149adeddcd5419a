"""A mixture of fitted generators is a generator: rows come from several members, as often as each one's weight says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from lookalike import registry, scale
from lookalike.errors import SettingsError, TrainingError
from lookalike.ledger import Ledger
from lookalike.model.base import EngineSettings, Generator, not_fitted
from lookalike.model.members import budgeted, weigh
from lookalike.model.members.beside import Together
from lookalike.model.members.meeting import meeting
from lookalike.model.members.member import Plan, Trained, check_engine, label_of
from lookalike.model.members.settings import COMMON, EnsembleSettings
from lookalike.model.rejection import meets
from lookalike.model.training.train import fingerprint
from lookalike.rng import derive_seed, generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable, concatenate

PILOT_ROWS = 10_000
"""Rows drawn from each member to see how often it meets a condition."""
PILOT_BELIEF = 20
"""Rows' worth of belief that all members meet it equally often: beyond it, what the pilot rows say counts."""


class Ensemble(Generator):
    """The engine ensemble.

    All members read the same encoded table. If any reads codes alone, numbers are cut for it, into quantiles, and members
    that would rather have Gaussian modes get those too. Every member trains on one thread with a seed of its own, in a process of its own
    where there are cores for it, and is found in the cache if it was trained before.

    Conditions: what members do about them differs (some meet them always, some lean towards them, some draw as ever), so rows that were
    merely kept where they meet them would come from the wrong members. By Bayes' rule a row that meets the condition c is member k's with
    probability w(k)·p(c|k) / Σ w(j)·p(c|j); p(c|k) is counted in rows drawn from each member without the condition.
    So many rows are drawn from each until they meet it; where some member cannot give its part within bounds, all give
    less in the same proportion, and the caller draws again.
    """

    Settings: ClassVar[type[EngineSettings]] = EnsembleSettings
    tempered = None
    takes_ledger: ClassVar[bool] = True
    settings: EnsembleSettings

    def __init__(self, settings: EngineSettings | None = None) -> None:
        super().__init__(settings)
        self._members: list[tuple[str, Generator]] = []
        self._weights = np.zeros(0)
        self._pilot: tuple[float, list[np.ndarray]] | None = None

    @classmethod
    def of(cls, members: list[tuple[str, Generator]], weights: list[float]) -> Ensemble:
        """Return the mixture of (engine's name, fitted generator) pairs that learned the same columns."""
        ensemble = cls()
        ensemble._take(members, np.array(weights))
        return ensemble

    @classmethod
    def wants(cls, settings: EngineSettings) -> Literal["modes", "quantiles"]:
        assert isinstance(settings, EnsembleSettings)
        wanted = [member.kind.wants(member.engine_settings()) for member in settings.members]
        return "quantiles" if "quantiles" in wanted else "modes"

    @classmethod
    def tempers(cls, settings: EngineSettings) -> bool | None:
        assert isinstance(settings, EnsembleSettings)
        known = [member.kind.tempers(member.engine_settings()) for member in settings.members]
        return False if False in known else None if None in known else True

    @classmethod
    def check(cls, settings: EngineSettings, rows: int) -> None:
        assert isinstance(settings, EnsembleSettings)
        if settings.cluster is not None:
            scale.check_cluster()
        if settings.weights == "learned":
            if rows < weigh.FEWEST_ROWS:
                raise SettingsError(
                    f"weights are learned from {weigh.FEWEST_ROWS} rows or more, however: the table has {rows}. Use weights='equal'."
                )
            rows = len(weigh.held_out(rows, 0)[0])
        common = {name: getattr(settings, name) for name in COMMON}
        for place, (member, share) in enumerate(zip(settings.members, settings.shares, strict=True), start=1):
            part = round(share * rows)
            try:
                if part < 2:
                    raise SettingsError(
                        f"a member needs two rows to learn from, however: rows={share:g} of {rows} are {part}."
                    )
                member.kind.check(member.engine_settings(**common), part)
            except SettingsError as error:
                raise SettingsError(f"member {place} ({member.engine}): {error}") from None

    @classmethod
    def check_private(cls, settings: EngineSettings, rows_per_subject: int) -> None:
        assert isinstance(settings, EnsembleSettings)
        budgeted.check(settings, rows_per_subject)

    def fit(self, table: EncodedTable, *, seed: int, run: Run, ledger: Ledger | None = None) -> None:
        self._members, self._weights, self._pilot, self.tempered = [], np.zeros(0), None, False
        if ledger is not None:
            self._fit_within(table, seed, run, ledger)
            return
        self._mark(table, seed, run)
        rows, fresh = np.arange(len(table)), np.zeros(0, int)
        if self.settings.weights == "learned":
            rows, fresh = weigh.held_out(len(table), seed, table.groups)
        plans = plans_of(self.settings, rows, seed)
        settings = self.settings
        together = Together(
            plans, table, run, workers=settings.workers, cluster=settings.cluster, cached=settings.cache
        )
        found = [(plan, one) for plan, one in zip(plans, together.train(), strict=True) if one is not None]
        weights = np.array([1.0 if settings.weights == "equal" else plan.weight for plan, _ in found])
        figures: list[dict[str, float]] = [{} for _ in found]
        if settings.weights == "learned":
            worths = [
                weigh.worth(one.model, table.take(plan.rows), table.take(fresh), derive_seed(seed, "worth", plan.label))
                for plan, one in found
            ]
            weights = weigh.weights_of(worths)
            figures = [
                {
                    "quality": round(one.quality, 4),
                    "closer_to_learned": round(one.closer, 4),
                    "score": round(one.score, 4),
                }
                for one in worths
            ]
        self._take([(plan.engine, one.model) for plan, one in found], weights)
        run.losses[:] = _side_by_side(found)
        run.notes["ensemble"] = self._told(plans, found, figures)

    def _fit_within(self, table: EncodedTable, seed: int, run: Run, ledger: Ledger) -> None:
        """As :meth:`fit`, within a budget: no cache, no checkpoint, no process that would have to be told of the ledger."""
        settings = self.settings
        budgeted.check(settings, ledger.rows_per_subject)
        plans = plans_of(settings, np.arange(0), seed)
        found = budgeted.train_within(plans, settings.shares, settings.disjoint, table, run, ledger)
        weights = [1.0 if settings.weights == "equal" else plan.weight for plan, _ in found]
        self._take([(plan.engine, one.model) for plan, one in found], np.array(weights))
        told = self._told(plans, found, [{} for _ in found])
        for member in told["members"].values():
            member.pop("rows")  # how many rows a part has is no noised count
        run.notes["ensemble"] = told

    def _mark(self, table: EncodedTable, seed: int, run: Run) -> None:
        """Have the run know that there is something to go on with, and go on only with the same rows."""
        mark = fingerprint("ensemble", table, EngineSettings(), seed)
        checkpoint = run.load_checkpoint()
        if checkpoint is not None and checkpoint[0].get("fingerprint") != mark:
            raise TrainingError(
                "a checkpoint goes on with the same table, columns and seed, however: this one was made with others. "
                "Restore those, or start afresh without it."
            )
        run.save_checkpoint(lambda: ({"fingerprint": mark}, {}))

    def _take(self, members: list[tuple[str, Generator]], weights: np.ndarray) -> None:
        self._members, self._weights = members, weights / weights.sum()
        self.tempered = all(model.tempered for _, model in members)

    def _told(
        self, plans: list[Plan], found: list[tuple[Plan, Trained]], figures: list[dict[str, float]]
    ) -> dict[str, Any]:
        """What is worth knowing of the members, in figures and in words."""
        told = {
            plan.label: {
                "weight": round(float(weight), 4),
                **more,
                "rows": len(plan.rows),
                "seed": plan.seed,
                "origin": one.origin,
                "seconds": one.seconds,
                "epochs": len(one.losses),
                **one.notes,
            }
            for (plan, one), weight, more in zip(found, self._weights, figures, strict=True)
        }
        return {
            **in_words([(plan.engine, len(one.losses)) for plan, one in found]),
            "weights": self.settings.weights,
            "members": told,
            "left_out": [plan.label for plan in plans if plan.label not in told],
        }

    # -------------------------------------------------------------------------------------------------------- sampling

    def sample(
        self, rows: int, *, seed: int, conditions: Mapping[int, int] | None = None, temperature: float = 1.0
    ) -> EncodedTable:
        members, rng = self._known, generator(seed, "members")
        shares = self._weights if not conditions else self._shares(conditions, temperature)
        counts = rng.multinomial(rows, shares)
        seeds = [derive_seed(seed, "member", place) for place in range(len(members))]
        if conditions:
            drawn = meeting([model for _, model in members], counts, conditions, seeds, temperature, rng)
        else:
            parts = [
                model.sample(int(count), seed=one, temperature=temperature)
                for (_, model), count, one in zip(members, counts, seeds, strict=True)
                if count or not rows
            ]
            drawn = concatenate(parts)
        return drawn.take(rng.permutation(rows))

    def _shares(self, conditions: Mapping[int, int], temperature: float) -> np.ndarray:
        """Return (members,) the probability that a row which meets the conditions is each member's, by Bayes' rule.

        Where next to no pilot row meets them, nothing is known of it and the weights stay as they are.
        """
        if self._pilot is None or self._pilot[0] != temperature:
            seed = derive_seed(0, "pilot")
            drawn = [model.sample(PILOT_ROWS, seed=seed, temperature=temperature).codes for _, model in self._known]
            self._pilot = temperature, drawn
        hits = np.array([meets(codes, conditions).sum() for codes in self._pilot[1]])
        usual = max(float(self._weights @ hits), 1.0) / PILOT_ROWS
        chances = (hits + PILOT_BELIEF * usual) / (PILOT_ROWS + PILOT_BELIEF)
        shares = self._weights * chances
        return np.asarray(shares / shares.sum())

    def complete(
        self, table: EncodedTable, known: np.ndarray, *, seed: int, barred: Mapping[int, int] | None = None
    ) -> EncodedTable:
        """As :meth:`Generator.complete`, where every member can. By Bayes' rule a row is member k's with probability
        w(k)·p(known|k) / Σ w(j)·p(known|j)."""
        members, rng = self._known, generator(seed, "members")
        each = self._weighted([model.evidence(table, known) for _, model in members])
        top = each.max(axis=1, keepdims=True)
        odds = np.where(np.isfinite(top), np.exp(each - np.where(np.isfinite(top), top, 0.0)), self._weights)
        ends = odds.cumsum(axis=1)
        owner = (ends[:, :-1] <= rng.random((len(table), 1)) * ends[:, -1:]).sum(axis=1)
        codes, residuals = table.codes.copy(), table.residuals.copy()
        for place, (_, model) in enumerate(members):
            mine = np.flatnonzero(owner == place)
            done = model.complete(table.take(mine), known[mine], seed=derive_seed(seed, "member", place), barred=barred)
            codes[mine], residuals[mine] = done.codes, done.residuals
        return EncodedTable(table.columns, codes, residuals)

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        """Return (n,) log Σ w(k)·p(row|k), where every member has a likelihood."""
        each = self._weighted([model.likelihood(table) for _, model in self._known])
        return np.asarray(np.logaddexp.reduce(each, axis=1))

    def evidence(self, table: EncodedTable, known: np.ndarray) -> np.ndarray:
        each = self._weighted([model.evidence(table, known) for _, model in self._known])
        return np.asarray(np.logaddexp.reduce(each, axis=1))

    def _weighted(self, each: list[np.ndarray]) -> np.ndarray:
        """Return (n, members) log w(k)·p(k), of each member's log p(k) (n,)."""
        with np.errstate(divide="ignore"):  # a learned weight may be nought
            return np.asarray(np.stack(each, axis=1) + np.log(self._weights))

    # ----------------------------------------------------------------------------------------------------------- state

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        documents: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for place, (engine, model) in enumerate(self._known):
            state, own = model.state()
            documents.append({"engine": engine, "settings": model.settings.model_dump(), "state": state})
            arrays |= {f"member/{place}/{name}": array for name, array in own.items()}
        return {"weights": self._weights.tolist(), "members": documents}, arrays

    @classmethod
    def from_state(
        cls,
        columns: tuple[EncodedColumn, ...],
        settings: EngineSettings,
        state: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> Ensemble:
        members: list[tuple[str, Generator]] = []
        for place, document in enumerate(state["members"]):
            check_engine(document["engine"])
            kind = registry.load(registry.ENGINES, document["engine"], "engine")
            prefix = f"member/{place}/"
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            model = kind.from_state(columns, kind.Settings.build(document["settings"]), document["state"], own)
            members.append((document["engine"], model))
        ensemble = cls(settings)
        ensemble._take(members, np.array(state["weights"]))
        return ensemble

    @property
    def _known(self) -> list[tuple[str, Generator]]:
        if not self._members:
            raise not_fitted("ensemble")
        return self._members


def in_words(members: list[tuple[str, int]]) -> dict[str, str]:
    """Say what a mixture is made of, by the engine and the epochs of each member.

    >>> in_words([("tvae", 30), ("tvae", 30), ("trees", 0)])
    {'words': 'ensemble of 2 tvae + trees', 'effort': '3 members (2 × 30 epochs, one pass)'}
    """
    counted = Counter(engine for engine, _ in members)
    named = [f"{count} {engine}" if count > 1 else engine for engine, count in counted.items()]
    efforts = Counter(f"{epochs} epochs" if epochs else "one pass" for _, epochs in members)
    passes = [f"{count} × {effort}" if count > 1 else effort for effort, count in efforts.items()]
    return {
        "words": f"ensemble of {' + '.join(named)}",
        "effort": f"{len(members)} members ({', '.join(passes)})",
    }


def plans_of(settings: EnsembleSettings, rows: np.ndarray, seed: int) -> list[Plan]:
    """Return what each member is to learn from, and by which seed; ``rows`` are the numbers of the rows there are for them.

    A member's seed and rows depend on its engine and its own ``seed``, not on its place: putting another engine before it does
    not make it another member.
    """
    common = {"epochs": settings.epochs, "device": settings.device}
    order = generator(seed, "parts").permutation(rows)
    seen: Counter[str] = Counter()
    plans, start = [], 0.0
    for place, (member, share) in enumerate(zip(settings.members, settings.shares, strict=True), start=1):
        own = seen[member.engine] if member.seed is None else member.seed
        seen[member.engine] += 1
        if settings.disjoint:
            mine = order[round(start * len(rows)) : round((start + share) * len(rows))]
            start += share
        else:
            mine = generator(seed, "rows", member.engine, own).permutation(rows)[: math.ceil(share * len(rows))]
        plans.append(
            Plan(
                label_of(place, member.engine),
                member.engine,
                member.engine_settings(**common),
                derive_seed(seed, "member", member.engine, own),
                np.sort(mine),
                member.weight,
            )
        )
    return plans


def _side_by_side(found: list[tuple[Plan, Trained]]) -> list[dict[str, float]]:
    """The members' losses in one table: a row an epoch, each member's under its own name."""
    rows: dict[float, dict[str, float]] = {}
    for plan, one in found:
        for losses in one.losses:
            row = rows.setdefault(losses["epoch"], {"epoch": losses["epoch"]})
            row |= {f"{plan.label} {name}": value for name, value in losses.items() if name != "epoch"}
    return [rows[epoch] for epoch in sorted(rows)]
