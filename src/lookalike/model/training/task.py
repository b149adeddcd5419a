"""What a net trains, cut into steps: its settings, its batches, the rows held out, and the :class:`Task` that an engine writes."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from lookalike.errors import LookalikeWarning, SettingsError
from lookalike.model.base import EngineSettings
from lookalike.model.training.adam import Adam
from lookalike.model.training.device import Precision, Replay, choose
from lookalike.model.training.heldout import held_out_count
from lookalike.schema.encoded import EncodedTable
from lookalike.stats import hold_out

Sizes = tuple[Annotated[int, Field(ge=1)], ...]
"""Widths of a net's layers."""
MINIMUM_STEPS = 10
"""Steps in an epoch, however small the table: 300 epochs of a table of 400 rows would otherwise be 300 steps."""
SMALL_BATCH = 100
"""The default batch shrinks no further than this."""


class NetSettings(EngineSettings):
    """What every net trained by the common loop understands."""

    only_with: ClassVar[Mapping[str, tuple[str, Any]]] = {"patience": ("early_stopping", True)}

    epochs: int = Field(300, ge=1, description="passes over the table")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto, cpu, cuda or mps")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="of matrix products; weights stay float32. auto: bfloat16 where the machine multiplies it faster",
    )
    cuda_graph: bool | None = Field(
        None,
        description="on CUDA: record a step once and replay it; where nobody says, wherever a step can be recorded",
    )
    batch_size: int = Field(
        500, ge=1, description="rows in a step; on small tables it shrinks, and learning rates with it"
    )
    ema: float = Field(
        0.999, ge=0, lt=1, description="decay of the averaged weights that sample; 0 samples from the last weights"
    )
    early_stopping: bool = Field(
        False, description="hold a tenth of the rows back, stop when they fit no better, keep the best state"
    )
    patience: int = Field(50, ge=1, description="early_stopping: epochs without a better fit before it stops")

    @property
    def batch_multiple(self) -> int:
        """What a batch must be a multiple of."""
        return 1

    @property
    def hurdle(self) -> str | None:
        """The setting whose steps look at figures, so that they cannot be recorded."""
        return "precision='float16'" if self.precision == "float16" else None

    @model_validator(mode="after")
    def _graph_can_be_recorded(self) -> NetSettings:
        if self.cuda_graph and self.hurdle:
            raise SettingsError(
                f"cuda_graph records steps that never look at a figure, however: {self.hurdle} does. Turn one of the two off."
            )
        return self

    def replayed(
        self, step: Callable[..., dict[str, Tensor]], generators: Iterable[torch.Generator]
    ) -> Callable[..., dict[str, Tensor]]:
        """Return a step as these settings have it taken: recorded and replayed, or as it is."""
        on_cuda = choose(self.device).type == "cuda"
        wanted = on_cuda and self.hurdle is None if self.cuda_graph is None else self.cuda_graph
        return Replay(step, generators) if wanted else step


class FrugalSettings(NetSettings):
    """What nets with deep stacks of layers understand besides."""

    gradient_checkpointing: bool = Field(
        False, description="recompute hidden layers going backward: less memory, more time"
    )


def plan(rows: int, settings: NetSettings) -> tuple[int, int]:
    """Return rows a step and steps an epoch, such that every table gets enough steps and no row is left out.

    A batch larger than the table shrinks; so does the default one where it would leave fewer than ``MINIMUM_STEPS``.

    >>> plan(24_395, NetSettings()), plan(400, NetSettings()), plan(400, NetSettings(batch_size=200))
    ((500, 49), (100, 10), (200, 10))
    """
    batch = settings.batch_size
    if batch > rows or batch == type(settings).model_fields["batch_size"].default:
        batch = min(batch, max(SMALL_BATCH, rows // MINIMUM_STEPS))
    batch = max(batch // settings.batch_multiple, 1) * settings.batch_multiple
    return batch, max(math.ceil(rows / batch), MINIMUM_STEPS)


def scaled(rate: float, batch: int, settings: NetSettings) -> float:
    """Return the learning rate for a batch that shrank: in proportion (Goyal et al. 2017, arXiv 1706.02677).

    A small table is gone through many times; at the full rate both nets learn it by heart (customers.csv, half of it held
    out: 60 % of the rows made were nearer to a training row than to a held-out one, 54 % with the rate in proportion).

    >>> scaled(1e-3, 100, NetSettings(batch_size=500))
    0.0002
    """
    return rate * min(batch / settings.batch_size, 1.0)


def warn_small(rows: int, settings: NetSettings) -> None:
    """Say so where a batch size was asked for and the table is smaller; a default one just follows the table."""
    if rows < settings.batch_size and "batch_size" in settings.model_fields_set:
        batch, steps = plan(rows, settings)
        warnings.warn(
            f"batch_size is at most the number of rows, however: batch_size={settings.batch_size} and rows={rows}. "
            f"Steps of {batch} rows are taken instead, {steps} in an epoch.",
            LookalikeWarning,
            stacklevel=3,
        )


class Task(ABC):
    """What one engine trains, cut into steps.

    Attributes
    ----------
    fitted
        What it trains, and what else sampling needs (:class:`lookalike.model.engine.Fitted`).
    networks, optimizers, generators
        Everything that changes while training, by name; a checkpoint holds all of it.
    averaged
        The weights of the network that will sample: they are averaged, and the best of them kept.
    precision
        Its loss scale is part of a checkpoint.
    batch, steps
        Rows in a step, about, and steps in an epoch.
    most_epochs
        After how many epochs nothing is left to learn, whatever the settings say.
    draws
        What the order of rows is drawn from.
    divisible
        Whether a part of an epoch may be kept when time is up. Not under differential privacy: a resumed run would take its steps
        again, and both models could be published for the price of one.
    kept
        What else a checkpoint must hold, as JSON.
    """

    divisible = True
    most_epochs: float = math.inf
    kept: Mapping[str, Any] = {}

    fitted: Any
    networks: dict[str, nn.Module]
    optimizers: dict[str, Adam]
    generators: dict[str, torch.Generator]
    averaged: Tensor
    precision: Precision
    batch: int
    steps: int
    draws: torch.Generator

    repeatable = False
    """Whether :meth:`begin_again` is something for this task, as large as its table is."""

    def begin_again(self, noted: Mapping[str, float]) -> dict[str, float]:
        """Start anew on all rows, held-out ones included, with fresh weights, at the rates of the first time. Return what is worth
        noting beside what was ``noted`` about that, as :meth:`settle` returned it."""
        raise AssertionError("only tasks that say they are repeatable are begun again")

    def as_before(self) -> None:
        """Take the rows of the first training again: the second one was cut short, and what was learned first is what is kept."""
        raise AssertionError("only tasks that say they are repeatable are begun again")

    @abstractmethod
    def begin_epoch(self) -> None:
        """Prepare the epoch's steps: shuffle, for instance."""

    @abstractmethod
    def step(self, position: int) -> dict[str, Tensor]:
        """Take step ``position`` of the epoch; return its losses, detached (none where they would give rows away)."""

    @abstractmethod
    def held_out(self) -> float:
        """Return how badly ``averaged`` fits the rows held out; less is better."""

    @abstractmethod
    def settle(self, hurry: Callable[[], bool]) -> dict[str, float]:
        """Make the network, whose weights are final now, ready to sample; ``hurry`` says when time is up. Return what is
        worth noting about it."""

    def shuffled(self, rows: int) -> tuple[Tensor, ...]:
        """Cut the rows, shuffled, into steps of about equal size, on the device: none is left out; a small table is gone through several times."""
        passes = max(round(self.batch * self.steps / rows), 1)
        order = torch.cat([torch.randperm(rows, generator=self.draws) for _ in range(passes)])
        return order.to(self.averaged.device).tensor_split(self.steps)


def held_out_rows(
    table: EncodedTable, settings: NetSettings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers to train on and those held out (none without early stopping)."""
    rows = len(table)
    if not settings.early_stopping:
        return np.arange(rows), np.arange(0)
    if rows < 2:
        raise SettingsError(f"early_stopping needs two rows at least, however: the table has {rows}. Turn it off.")
    return hold_out(rows, max(held_out_count(rows), 1), rng, table.groups)
