"""The engine that picks an engine: by size, by the time there is, and by how likely rows held out are; never by a metric
of the report."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike import registry
from lookalike.model.autoregressive import Autoregressive
from lookalike.model.base import EngineSettings, Generator, not_fitted
from lookalike.model.ensemble import Ensemble, in_words
from lookalike.model.training import device
from lookalike.model.training.task import NetSettings, held_out_rows
from lookalike.model.trees import Trees
from lookalike.rng import generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

FEW_ROWS = 3_000
"""Up to here trees may win, and both are tried; beyond it the net had the better likeness on every table we have."""
FEWEST_ROWS = 100
"""A tenth of a smaller table is too little to compare on."""
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

    Up to 3,000 rows it fits both the net and trees on nine tenths of the rows, and keeps the one that finds the last tenth
    likelier by more than chance (two standard errors of the mean difference a row); where neither does, both, and half of the
    rows come from each. Larger tables get the net, as do those of too many columns for trees in the time there is; and with hardly
    any time, the copula. What was picked and why stands in ``run.notes["engine"]``.
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
            self._fit("trees", f"{rows} rows are too few for a net", table, seed, run)
        elif rows > FEW_ROWS:
            self._fit("autoregressive", f"{rows:,} rows are enough for a net", table, seed, run)
        elif run.seconds_left * TREES_SHARE < HURRIED_TREES_SECONDS * len(table.columns) ** 2:
            why = f"{run.seconds_left:.0f} s are left, too few for trees of {len(table.columns)} columns beside a net"
            self._fit("autoregressive", why, table, seed, run)
        else:
            self._compare(table, seed, run)

    def _compare(self, table: EncodedTable, seed: int, run: Run) -> None:
        """Judge both on the rows that the net holds out to know when to stop, before it learns from them too."""
        net_settings = Autoregressive.Settings()
        assert isinstance(net_settings, NetSettings)
        training, fresh = held_out_rows(table, net_settings, generator(seed, "held out"))
        trees, net = Trees(), Autoregressive(net_settings.replace(device=self.settings.device))
        with run.within(run.seconds_left * TREES_SHARE):
            begun = time.monotonic()
            trees.fit(table.take(training), seed=seed, run=run)
        grown = time.monotonic() - begun
        with run.within(max(run.seconds_left - grown, run.seconds_left / 2)):
            net.fit_once(table, seed=seed, run=run)
        likelier = net.unseen - trees.likelihood(table.take(fresh))
        likelier = np.nan_to_num(likelier, nan=-1e3, posinf=1e3, neginf=-1e3)
        mean, error = float(likelier.mean()), float(likelier.std(ddof=1)) / math.sqrt(len(likelier))
        told = f"{len(fresh)} rows held out are {abs(mean):.2f} nats a row {'likelier' if mean > 0 else 'less likely'} by the net than by trees (± {2 * error:.2f})"
        if run.interrupted:
            told += ", though Ctrl-C cut the net's training short, and so the comparison"
        if abs(mean) <= 2 * error:
            with run.within(run.seconds_left - grown):
                net.fit_again()
            trees.fit(table, seed=seed, run=run)
            both = Ensemble.of([("autoregressive", net), ("trees", trees)], [0.5, 0.5])
            self._keep("ensemble", both, f"{told}, by no more than chance: half of the rows come from each", run)
            run.notes["ensemble"] = in_words([("autoregressive", run.notes["training"]["epochs"]), ("trees", 0)])
        elif mean > 0:
            net.fit_again()
            self._keep("autoregressive", net, told, run)
        else:
            run.forget()
            self._fit("trees", told, table, seed, run)

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
