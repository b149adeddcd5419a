"""What the engines with a net share: fit with the common loop, sample in blocks, state without pickle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.errors import NotFittedError, SamplingError, SettingsError, TrainingError
from lookalike.ledger import Ledger
from lookalike.model.base import EngineSettings, Generator, not_fitted
from lookalike.model.nets.layout import Layout
from lookalike.model.training import device
from lookalike.model.training.private import Plan, PrivateSettings, make_plan, pay, pay_counts
from lookalike.model.training.task import NetSettings, Task, held_out_rows, warn_small
from lookalike.model.training.train import Trainer, fingerprint
from lookalike.rng import derive_seed, generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable, concatenate, no_rows

BLOCK_CELLS, FEWEST_ROWS = 2**20, 500
"""Cells of raw output made at once when sampling, and rows at least: memory stays bounded however many rows are asked for, and what one
layer leaves is still in the processor's cache for the next."""


class Fitted(ABC):
    """A net that makes rows, and what else sampling needs. It is on ``device``; its noise is drawn on the CPU, so that the
    same seed gives the same noise everywhere.
    """

    net: nn.Module

    def __init__(self, columns: tuple[EncodedColumn, ...], where: torch.device) -> None:
        self.columns, self.device = columns, where

    @property
    @abstractmethod
    def block_rows(self) -> int:
        """How many rows are made at once."""

    @abstractmethod
    def draw(
        self, rows: int, draws: torch.Generator, conditions: Mapping[int, int], temperature: float
    ) -> EncodedTable:
        """Draw a block of rows."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return JSON and float32 arrays from which :meth:`restore` makes this again."""

    @abstractmethod
    def restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take over what :meth:`state` returned."""

    @torch.no_grad()
    def sample(self, rows: int, seed: int, conditions: Mapping[int, int], temperature: float = 1.0) -> EncodedTable:
        """Draw exactly ``rows`` rows, a block at a time."""
        for column, code in conditions.items():
            if not (0 <= column < len(self.columns) and 0 <= code < self.columns[column].cardinality):
                raise SamplingError(
                    f"a condition names a column and one of its codes, however: column {column} has no code {code}."
                )
        draws = torch.Generator().manual_seed(derive_seed(seed, "sample"))
        size = self.block_rows
        blocks = [self.draw(min(size, rows - start), draws, conditions, temperature) for start in range(0, rows, size)]
        return concatenate(blocks) if blocks else no_rows(self.columns)


class AllAtOnce(Fitted):
    """A :class:`Fitted` that gives the logits of all columns of a row together, as decoders and generators do."""

    def __init__(self, columns: tuple[EncodedColumn, ...], where: torch.device) -> None:
        super().__init__(columns, where)
        self.layout = Layout(columns, where)

    @property
    def block_rows(self) -> int:
        return max(BLOCK_CELLS // self.layout.width, FEWEST_ROWS)

    @abstractmethod
    def raw(self, rows: int, draws: torch.Generator, conditions: Mapping[int, int]) -> tuple[Tensor, Tensor]:
        """Return (rows, C) logits of codes and (rows, R) residuals."""

    def draw(
        self, rows: int, draws: torch.Generator, conditions: Mapping[int, int], temperature: float
    ) -> EncodedTable:
        """Draw rows; their codes from the softmax of the logits in each column."""
        logits, residuals = self.raw(rows, draws, conditions)
        return self.layout.table(self.layout.drawn(logits / temperature, draws), residuals)


class NetEngine(Generator):
    """A :class:`Generator` around a :class:`Fitted` and the :class:`Task` that trains it."""

    name: ClassVar[str]
    tempered = True
    settings: NetSettings

    def __init__(self, settings: EngineSettings | None = None) -> None:
        super().__init__(settings)
        if isinstance(self.settings, PrivateSettings) and self.settings.private:
            self.settings = self.settings.privately()
        self._fitted: Fitted | None = None
        self._trainer: Trainer | None = None

    @classmethod
    def private_task(cls, table: EncodedTable, plan: Plan, settings: NetSettings, seed: int) -> Task:
        """Return the training of these rows under differential privacy, as planned; only of engines whose settings are :class:`PrivateSettings`."""
        raise NotImplementedError  # not abstract: engines with other settings have no private training, and are never asked

    @classmethod
    @abstractmethod
    def task(cls, table: EncodedTable, held_out: EncodedTable, settings: NetSettings, seed: int) -> Task:
        """Return the training of these rows, which makes the :class:`Fitted` that it trains."""

    @classmethod
    @abstractmethod
    def blank(
        cls, columns: tuple[EncodedColumn, ...], settings: NetSettings, state: dict[str, Any], where: torch.device
    ) -> Fitted:
        """Return an untrained :class:`Fitted` of the shape that ``state`` needs."""

    @classmethod
    def check(cls, settings: EngineSettings, rows: int) -> None:
        assert isinstance(settings, NetSettings)
        where = device.choose(settings.device).type
        if settings.cuda_graph and where != "cuda":
            raise SettingsError(f"cuda_graph needs a CUDA device, however: training is on {where}. Turn it off.")
        if isinstance(settings, PrivateSettings):
            settings.check_privacy()
        if isinstance(settings, PrivateSettings) and settings.private:
            settings.privately().refuse_idle()
        else:
            warn_small(rows, settings)

    def fit(self, table: EncodedTable, *, seed: int, run: Run, ledger: Ledger | None = None) -> None:
        self.fit_once(table, seed=seed, run=run, ledger=ledger)
        self.fit_again()

    def fit_once(self, table: EncodedTable, *, seed: int, run: Run, ledger: Ledger | None = None) -> None:
        """The first half of :meth:`fit`: the rows held out to know when to stop are not learned from."""
        self._fitted = self._trainer = None
        if ledger is not None or (isinstance(self.settings, PrivateSettings) and self.settings.private):
            trainer = self._private_trainer(table, seed, run, ledger)
        else:
            training, held_out = held_out_rows(table, self.settings, generator(seed, "held out"))
            task = self.task(table.take(training), table.take(held_out), self.settings, seed)
            trainer = Trainer(task, self.settings, run, fingerprint(self.name, table, self.settings, seed))
        # before training: whatever ends it, the best state so far can be sampled from
        self._fitted = trainer.task.fitted
        device.keep_freed_memory()
        with device.tensor_cores(self._known.device):
            trainer.train()
        self._trainer = trainer  # only now: it holds the rows, and a training that failed is not gone on with

    def fit_again(self) -> None:
        """The second half of :meth:`fit`: those rows are learned from too, by engines and tables for which that is worth its time."""
        trainer, self._trainer = self._trainer, None
        if trainer is None:
            raise NotFittedError(f"{self.name} learns from all rows after fit_once. Call that first.")
        with device.tensor_cores(self._known.device):
            trainer.train_again()

    def _private_trainer(self, table: EncodedTable, seed: int, run: Run, ledger: Ledger | None) -> Trainer:
        """Pay for the whole training, then set it up. A checkpoint that is gone on from has its plan, counts included, and pays
        the same again into this ledger, without looking at them again."""
        settings = self.settings
        if not isinstance(settings, PrivateSettings):
            raise SettingsError(
                f"differential privacy needs an engine that trains under it, however: {self.name} does not. Use autoregressive or ctgan."
            )
        if ledger is not None and settings.demanded("target_epsilon") is None:
            settings = settings.replace(target_epsilon=ledger.budget.epsilon).privately()
        ledger = ledger if ledger is not None else settings.ledger()
        # no row goes into the mark: a checkpoint with a digest of exact rows would tell whether a guess at them is right
        mark = fingerprint(self.name, table.take(np.arange(0)), settings, seed)
        known = run.load_checkpoint()
        if known is not None and known[0].get("fingerprint") == mark and "plan" in known[0].get("task", {}):
            plan = Plan.from_dict(known[0]["task"]["plan"])
            if settings.asked_epochs not in (None, plan.epochs):
                raise TrainingError(
                    f"a private training goes on as it was paid for, however: epochs={settings.asked_epochs} and {plan.epochs} were planned. "
                    "Leave epochs out, or start without --resume."
                )
            pay_counts(plan.counted, plan.counts_noise, ledger)
            pay(plan, ledger)
        else:
            plan = make_plan(table, settings, ledger)
        run.notes["privacy"] = plan.summary
        self.settings, self.ledger = settings, ledger
        task = self.private_task(table, plan, settings, seed)
        task.divisible, task.kept = False, {"plan": plan.to_dict()}
        return Trainer(task, settings.replace(epochs=plan.epochs), run, mark)

    def sample(
        self, rows: int, *, seed: int, conditions: Mapping[int, int] | None = None, temperature: float = 1.0
    ) -> EncodedTable:
        return self._known.sample(rows, seed, conditions or {}, temperature)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return self._known.state()

    @classmethod
    def from_state(
        cls,
        columns: tuple[EncodedColumn, ...],
        settings: EngineSettings,
        state: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> NetEngine:
        assert isinstance(settings, NetSettings)
        engine = cls(settings)
        engine._fitted = cls.blank(columns, settings, state, device.choose_or_cpu(settings.device))
        engine._fitted.restore(state, arrays)
        engine._fitted.net.eval()
        return engine

    @property
    def _known(self) -> Fitted:
        if self._fitted is None:
            raise not_fitted(self.name)
        return self._fitted


def to_arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return float32 arrays of all tensors of floats."""
    return {name: value.float().cpu().numpy() for name, value in tensors.items() if value.is_floating_point()}


def to_tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return tensors of arrays, which may be read-only."""
    return {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
