"""One training loop for all nets: epochs, averaged weights, early stopping, time budget, interruption, checkpoints.

An engine describes its training as a :class:`Task`; :class:`Trainer` does everything that is the same for all. However
training ends (all epochs, early stop, out of time, Ctrl-C, a loss that is not finite), the task's ``kept`` net ends with
the best weights there were.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from lookalike.errors import LookalikeWarning, SettingsError, TrainingError
from lookalike.model.average import Average
from lookalike.model.base import EngineSettings
from lookalike.model.device import Precision
from lookalike.run import Run
from lookalike.schema.encoded import EncodedTable

Sizes = tuple[Annotated[int, Field(ge=1)], ...]
"""Widths of a net's layers."""
Checkpoint = tuple[dict[str, Any], dict[str, np.ndarray]]
MINIMUM_STEPS = 10
"""Steps in an epoch, however small the table: 300 epochs of a table of 400 rows would otherwise be 300 steps."""
SMALL_BATCH = 100
"""The default batch shrinks no further than this."""
SLOWER_AGAIN = 1.2
"""How much longer an epoch of all rows takes at most than one without those held out."""
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 5_000
"""Part of the rows that early stopping keeps back, and the most it needs."""


class NetSettings(EngineSettings):
    """What every net trained by the common loop understands."""

    epochs: int = Field(300, ge=1, description="passes over the table")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto, cpu, cuda or mps")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="of matrix products; weights stay float32. auto: bfloat16 where the machine multiplies it in hardware",
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
    networks, optimizers, generators
        Everything that changes while training, by name; a checkpoint holds all of it.
    averaged
        The weights of the network that will sample: they are averaged, and the best of them kept.
    precision
        Its loss scale is part of a checkpoint.
    batch, steps
        Rows in a step, about, and steps in an epoch.
    draws
        What the order of rows is drawn from.
    divisible
        Whether a part of an epoch may be kept when time is up. Not under differential privacy: a resumed run would take its steps
        again, and both models could be published for the price of one.
    kept
        What else a checkpoint must hold, as JSON.
    """

    divisible = True
    kept: Mapping[str, Any] = {}

    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    generators: dict[str, torch.Generator]
    averaged: Tensor
    precision: Precision
    batch: int
    steps: int
    draws: torch.Generator

    repeatable = False
    """Whether :meth:`begin_again` is something for this task, as large as its table is."""

    def begin_again(self) -> None:
        """Start anew on all rows, held-out ones included, with fresh weights, at the rates of the first time."""
        raise NotImplementedError

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
        """Cut the rows, shuffled, into steps of equal size: none is left out; a small table is gone through several times."""
        passes = max(round(self.batch * self.steps / rows), 1)
        order = torch.cat([torch.randperm(rows, generator=self.draws) for _ in range(passes)])
        return order.tensor_split(self.steps)


def fingerprint(engine: str, table: EncodedTable, settings: EngineSettings, seed: int) -> str:
    """Return a digest of all that a checkpoint must agree with: data, columns, seed, and all settings but epochs.

    One may go on for longer than was meant at first.
    """
    kept = settings.model_dump(mode="json", exclude={"epochs"})
    columns = [[c.name, c.cardinality, c.interval.astype(int).tolist()] for c in table.columns]
    digest = hashlib.sha256(json.dumps([engine, seed, kept, columns]).encode())
    digest.update(np.ascontiguousarray(table.codes, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(table.residuals, dtype=np.float64).tobytes())
    return digest.hexdigest()


def held_out_rows(rows: int, settings: NetSettings, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers to train on and those held out (none without early stopping)."""
    if not settings.early_stopping:
        return np.arange(rows), np.arange(0)
    if rows < 2:
        raise SettingsError(f"early_stopping needs two rows at least, however: the table has {rows}. Turn it off.")
    order = rng.permutation(rows)
    count = min(max(int(rows * HELD_OUT_SHARE), 1), HELD_OUT_MOST)
    return np.sort(order[count:]), np.sort(order[:count])


@dataclass(frozen=True)
class Again:
    """A second training, on all rows.

    Attributes
    ----------
    after
        Epochs of the first.
    last_epoch
        The epoch that ends it.
    noted
        What was worth noting about the first, whose held-out rows were still unseen.
    """

    after: int
    last_epoch: int
    noted: dict[str, float]


class Trainer:
    """Runs a :class:`Task` for ``settings.epochs`` epochs, telling ``run``.

    Parameters
    ----------
    mark
        The :func:`fingerprint` that a checkpoint must carry to be gone on from.
    """

    def __init__(self, task: Task, settings: NetSettings, run: Run, mark: str) -> None:
        self.task, self.settings, self.run, self.mark = task, settings, run, mark
        self.average = Average(task.averaged, settings.ema)
        self.epoch, self.best_epoch, self.best, self.score = 0, 0, math.inf, math.inf
        self.good = self.average.values.clone()
        self.score_every = math.ceil(5 * MINIMUM_STEPS / task.steps)
        self.again: Again | None = None
        self.noted: dict[str, float] = {}
        self.started = time.monotonic(), 0
        """When, and after how many epochs."""

    def train(self) -> None:
        """Train until one of the ends; leave the best weights in ``task.averaged``, settled. From a checkpoint of :meth:`train_again`
        that is gone on with."""
        self._resume()
        self.started = time.monotonic(), self.epoch
        self._go_on()

    def train_again(self) -> None:
        """Now that it is known when to stop: train anew, on all rows, to just there. Until that is done, what was learned first is
        what is kept. Nothing happens where it is nothing for the task, was done, or would take longer than there is time."""
        if self._begin_again():
            self._go_on()

    def _go_on(self) -> None:
        snapshot = self._snapshot()
        try:
            while self._unfinished and not self.run.out_of_time:
                losses, whole = self._one_epoch()
                if whole:
                    snapshot = self._snapshot()
                else:
                    self._save(snapshot)  # a part of an epoch cannot be gone on from, its start can
                self.run.epoch(self.epoch, self.last_epoch, losses)
                if whole and (self.run.checkpoint_due or self.run.out_of_time):
                    self._save(snapshot)
        except KeyboardInterrupt:
            self.run.interrupted = True
            self._save(snapshot)
        finally:
            self._finish()

    # ------------------------------------------------------------------------------------------------- one epoch

    def _one_epoch(self) -> tuple[dict[str, float], bool]:
        """Train one epoch, or the part of it there is time for; return the mean losses and whether it is whole."""
        self.task.begin_epoch()
        rows: list[Tensor] = []
        names: list[str] = []
        for position in range(self.task.steps):
            losses = self.task.step(position)
            names = list(losses)
            rows.append(torch.stack([loss.float() for loss in losses.values()]) if losses else torch.zeros(0))
            self.average.update((self.epoch - self._first_epoch) * self.task.steps + position)
            if self.run.out_of_time and self.task.divisible:
                break
        means = torch.stack(rows).mean(0).tolist()
        if not all(map(math.isfinite, means)) or not self.average.usable():
            self.average.values.copy_(self.good)
            raise self._not_finite()
        self.epoch += 1
        return dict(zip(names, means, strict=True)) | self._judge(), len(rows) == self.task.steps

    def _judge(self) -> dict[str, float]:
        """Remember the averaged weights, under early stopping only if none fitted the held-out rows better."""
        if self.again is not None:
            if self.epoch == self.last_epoch:
                self._remember()
            return {}
        if not self.settings.early_stopping:
            self._remember()
            return {}
        if self.epoch % self.score_every == 0 or self.epoch == 1:
            with self.average.in_place():
                self.score = self.task.held_out()
            if self.score < self.best:
                self.best = self.score
                self._remember()
        return {"held_out": self.score}

    def _remember(self) -> None:
        self.best_epoch = self.epoch
        self.good.copy_(self.average.values)

    @property
    def last_epoch(self) -> int:
        """The epoch that ends the training, unless something else does before."""
        return self.settings.epochs if self.again is None else self.again.last_epoch

    @property
    def _first_epoch(self) -> int:
        """Epochs before the weights were last fresh."""
        return 0 if self.again is None else self.again.after

    @property
    def _unfinished(self) -> bool:
        if self.again is not None or not self.settings.early_stopping:
            return self.epoch < self.last_epoch
        stalled = self.epoch - self.best_epoch >= max(self.settings.patience, self.score_every)
        return self.epoch < self.last_epoch and not stalled

    def _begin_again(self) -> bool:
        stopped = self.again is not None or self._unfinished or self.run.interrupted
        if stopped or not (self.task.repeatable and self.best_epoch):
            return False
        began, epochs_before = self.started
        pace = (time.monotonic() - began) / max(self.epoch - epochs_before, 1)
        if self.run.seconds_left < pace * self.best_epoch * SLOWER_AGAIN:
            return False
        self.again = Again(self.epoch, self.epoch + self.best_epoch, self.noted)
        self._renew()
        return True

    def _renew(self) -> None:
        self.task.begin_again()
        self.average = Average(self.task.averaged, self.settings.ema)

    def _not_finite(self) -> TrainingError:
        kept = (
            f"the state after epoch {self.best_epoch} is kept"
            if self.best_epoch
            else "the untrained initial state is all there is"
        )
        rates = " or ".join(
            f"{name}={getattr(self.settings, name):g}"
            for name in type(self.settings).model_fields
            if name.endswith("lr")
        )
        return TrainingError(
            f"losses must stay finite, however: in epoch {self.epoch + 1} they did not; {kept}. Lower the learning rate ({rates})."
        )

    def _finish(self) -> None:
        if self.best_epoch:
            self.average.values.copy_(self.good)
        self.average.impose()
        self.noted = self.task.settle(lambda: self.run.out_of_time) if self.again is None else self.again.noted
        learned = self.again is not None and self.best_epoch == self.last_epoch
        self.run.notes["training"] = {
            "epochs": self.epoch,
            "kept_epoch": self.best_epoch,
            "steps_per_epoch": self.task.steps,
            "precision": str(self.task.precision.dtype).removeprefix("torch."),
            **({"held_out_rows_learned": learned} if self.settings.early_stopping else {}),
            **self.noted,
        }

    # ----------------------------------------------------------------------------------------------- checkpoints

    def _snapshot(self) -> Checkpoint | None:
        """Return copies of everything that changes while training, as JSON and arrays; None where nobody saves it."""
        if self.run.folder is None:
            return None
        arrays: dict[str, Tensor] = {}
        for name, net in self.task.networks.items():
            arrays |= {f"network/{name}/{key}": value for key, value in net.state_dict().items()}
        for name, optimizer in self.task.optimizers.items():
            for i, moments in optimizer.state_dict()["state"].items():
                arrays |= {f"optimizer/{name}/{i}/{key}": value for key, value in moments.items()}
        arrays |= {"average": self.average.values, "good": self.good}
        arrays |= {f"generator/{name}": generator.get_state() for name, generator in self.task.generators.items()}
        state = {
            "fingerprint": self.mark,
            "task": dict(self.task.kept),
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "again": None if self.again is None else asdict(self.again),
            "scores": [value if math.isfinite(value) else None for value in (self.best, self.score)],
            "scale": self.task.precision.scaler.state_dict(),
        }
        return state, {name: value.detach().cpu().numpy().copy() for name, value in arrays.items()}

    def _save(self, snapshot: Checkpoint | None) -> None:
        if snapshot is not None:
            self.run.save_checkpoint(lambda: snapshot)

    def _resume(self) -> None:
        """Go on from the run's checkpoint, if it has one."""
        found = self.run.load_checkpoint()
        if found is None:
            return
        state, stored = found
        if state.get("fingerprint") != self.mark:
            raise TrainingError(
                "a checkpoint goes on with the same table, columns, settings and seed, however: this one was made with others. "
                "Restore those, or delete the checkpoint to start afresh."
            )
        if state["again"] is not None:
            self.again = Again(**state["again"])
            self._renew()
        arrays = {name: torch.from_numpy(np.array(value)) for name, value in stored.items()}
        for name, net in self.task.networks.items():
            net.load_state_dict(
                {key: arrays[f"network/{name}/{key}"].view_as(value) for key, value in net.state_dict().items()}
            )
        for name, optimizer in self.task.optimizers.items():
            _restore_moments(optimizer, f"optimizer/{name}/", arrays)
        for name, generator in self.task.generators.items():
            generator.set_state(arrays[f"generator/{name}"])
        self.average.values.copy_(arrays["average"])
        self.good.copy_(arrays["good"])
        self.task.precision.scaler.load_state_dict(state["scale"])
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.best, self.score = (math.inf if value is None else value for value in state["scores"])


def _restore_moments(optimizer: Optimizer, prefix: str, arrays: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in arrays.items():
        if name.startswith(prefix):
            i, key = name.removeprefix(prefix).split("/")
            moments.setdefault(int(i), {})[key] = value.reshape(()) if key == "step" else value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
