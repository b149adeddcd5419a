"""The engine that picks an engine: by size, by the time there is, and by how likely rows held out are; never by a metric
of the report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike import registry
from lookalike.model.autoregressive import Autoregressive
from lookalike.model.base import EngineSettings, Generator, not_fitted
from lookalike.model.copula import Copula
from lookalike.model.ensemble import Ensemble, in_words
from lookalike.model.members.stacking import stacked
from lookalike.model.training import device
from lookalike.model.training.task import NetSettings, held_out_rows
from lookalike.model.trees import Trees
from lookalike.rng import generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

FEW_ROWS = 3_000
"""Up to here trees or the copula may win, and all are tried; beyond it the net had the better likeness on every table we have."""
FEWEST_ROWS = 100
"""A tenth of a smaller table is too little to weigh them by, and a net has too little to learn from."""
HURRY_SECONDS = 4.0
"""With less time than this only the copula is ready."""
TREES_SHARE = 1 / 3
"""Of a time budget, for the trees that are compared. Those kept learn anew from all rows, in as long: on 400 columns trees took all
of a minute, and a net without one step was mixed with them."""
HURRIED_TREES_SECONDS = 8.5e-5
"""What the quickest trees take, times the columns squared: 100, 200 and 400 columns .9, 3.3 and 13.6 s."""


class AutoSettings(EngineSettings):
    """Settings of the engine auto."""

    any_order: bool = Field(
        False,
        description="pick the engine that conditions on any columns exactly, imputation included, at some likeness",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto, cpu, cuda or mps, for a net")


class Auto(Generator):
    """The engine auto.

    Up to 3,000 rows it fits the net, the copula and trees on nine tenths of the rows and mixes them as makes the last tenth likeliest
    (:mod:`lookalike.model.members.stacking`). Tables of less than 100 rows get copula and trees, half of the rows by each. Larger ones get the
    net, as do those of too many columns for trees in the time there is; and with hardly any time, the copula. What was picked and why stands
    in ``run.notes["engine"]``.
    """

    Settings: ClassVar[type[EngineSettings]] = AutoSettings
    tempered = None
    intervals: ClassVar[Literal["modes", "quantiles"]] = "quantiles"
    settings: AutoSettings

    def __init__(self, settings: EngineSettings | None = None) -> None:
        super().__init__(settings)
        self.picked: tuple[str, Generator] | None = None

    @classmethod
    def check(cls, settings: EngineSettings, rows: int) -> None:
        assert isinstance(settings, AutoSettings)
        device.choose(settings.device)

    def fit(self, table: EncodedTable, *, seed: int, run: Run) -> None:
        self.picked = None
        rows = len(table)
        if self.settings.any_order:
            self._fit("autoregressive", "any_order was asked for", table, seed, run)
        elif run.seconds_left < HURRY_SECONDS:
            self._fit("copula", f"{max(run.seconds_left, 0):.0f} s are left, too few to train a net", table, seed, run)
        elif rows < FEWEST_ROWS:
            few: list[tuple[str, Generator]] = [("copula", Copula()), ("trees", Trees())]
            for _, engine in few:
                engine.fit(table, seed=seed, run=run)
            self._mix(few, [0.5, 0.5], f"{rows} rows are too few for a net: half of the rows come from each", run)
        elif rows > FEW_ROWS:
            self._fit("autoregressive", f"{rows:,} rows are enough for a net", table, seed, run)
        elif run.seconds_left * TREES_SHARE < HURRIED_TREES_SECONDS * len(table.columns) ** 2:
            why = f"{run.seconds_left:.0f} s are left, too few for trees of {len(table.columns)} columns beside a net"
            self._fit("autoregressive", why, table, seed, run)
        else:
            self._weigh(table, seed, run)

    def _weigh(self, table: EncodedTable, seed: int, run: Run) -> None:
        """Weigh them by the rows that the net holds out to know when to stop, before they learn from those too."""
        settings = Autoregressive.Settings()
        assert isinstance(settings, NetSettings)
        net = Autoregressive(settings.replace(device=self.settings.device))
        others: dict[str, Generator] = {"copula": Copula(), "trees": Trees()}
        learned, fresh = (table.take(rows) for rows in held_out_rows(table, settings, generator(seed, "held out")))
        begun = time.monotonic()
        with run.within(run.seconds_left * TREES_SHARE):
            for engine in others.values():
                engine.fit(learned, seed=seed, run=run)
        grown = time.monotonic() - begun
        with run.within(max(run.seconds_left - grown, run.seconds_left / 2)):
            net.fit_once(table, seed=seed, run=run)
        engines = {"autoregressive": net, **others}
        each = [net.unseen, *(engine.likelihood(fresh) for engine in others.values())]
        weights = stacked(np.nan_to_num(np.stack(each, axis=1), nan=-np.inf))
        kept = {name: float(weight) for name, weight in zip(engines, weights, strict=True) if weight}
        told = ", ".join(f"{100 * kept.get(name, 0):.0f} % {name}" for name in engines)
        why = f"{len(fresh)} rows held out are likeliest by {told}"
        if run.interrupted:
            why += ", though Ctrl-C cut the net's training short, and so the comparison"
        if "autoregressive" in kept:
            with run.within(run.seconds_left - grown):
                net.fit_again()
        else:
            run.forget()
        for name, engine in others.items():
            if name in kept:
                engine.fit(table, seed=seed, run=run)
        self._mix([(name, engines[name]) for name in kept], list(kept.values()), why, run)

    def _mix(self, engines: list[tuple[str, Generator]], weights: list[float], why: str, run: Run) -> None:
        """Keep engines that have learned from all rows, each for its share of those made."""
        if len(engines) == 1:
            self._keep(*engines[0], why, run)
            return
        self._keep("ensemble", Ensemble.of(engines, weights), why, run)
        epochs = run.notes.get("training", {}).get("epochs", 0)
        run.notes["ensemble"] = in_words([(name, epochs if name == "autoregressive" else 0) for name, _ in engines])

    def _fit(self, name: str, why: str, table: EncodedTable, seed: int, run: Run) -> None:
        kind = registry.load(registry.ENGINES, name, "engine")
        known = {
            field: value for field, value in self.settings.model_dump().items() if field in kind.Settings.model_fields
        }
        engine = kind(kind.Settings.build(known))
        self._keep(name, engine, why, run)
        engine.fit(table, seed=seed, run=run)

    def _keep(self, name: str, engine: Generator, why: str, run: Run) -> None:
        self.picked, self.tempered = (name, engine), engine.tempered
        run.notes["engine"] = {"picked": name, "why": why}

    def sample(
        self, rows: int, *, seed: int, conditions: Mapping[int, int] | None = None, temperature: float = 1.0
    ) -> EncodedTable:
        return self._engine.sample(rows, seed=seed, conditions=conditions, temperature=temperature)

    def complete(
        self, table: EncodedTable, known: np.ndarray, *, seed: int, barred: Mapping[int, int] | None = None
    ) -> EncodedTable:
        return self._engine.complete(table, known, seed=seed, barred=barred)

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        return self._engine.likelihood(table)

    def evidence(self, table: EncodedTable, known: np.ndarray) -> np.ndarray:
        return self._engine.evidence(table, known)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        engine = self._engine
        assert self.picked is not None
        state, arrays = engine.state()
        return {"picked": self.picked[0], "settings": engine.settings.model_dump(), "state": state}, arrays

    @classmethod
    def from_state(
        cls,
        columns: tuple[EncodedColumn, ...],
        settings: EngineSettings,
        state: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> Auto:
        kind = registry.load(registry.ENGINES, state["picked"], "engine")
        engine = cls(settings)
        inner = kind.from_state(columns, kind.Settings.build(state["settings"]), state["state"], arrays)
        engine.picked, engine.tempered = (state["picked"], inner), inner.tempered
        return engine

    @property
    def _engine(self) -> Generator:
        if self.picked is None:
            raise not_fitted("auto")
        return self.picked[1]
