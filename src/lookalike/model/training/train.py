"""One training loop for all nets: epochs, averaged weights, early stopping, time budget, interruption, checkpoints.

An engine describes its training as a :class:`Task`; :class:`Trainer` does everything that is the same for all. However
training ends (all epochs, early stop, out of time, Ctrl-C, a loss that is not finite), the task's ``averaged`` net ends with
the best weights there were.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lookalike.errors import TrainingError
from lookalike.model.base import EngineSettings
from lookalike.model.training.average import Average
from lookalike.model.training.task import MINIMUM_STEPS, NetSettings, Task
from lookalike.run import Run
from lookalike.schema.encoded import EncodedTable

Checkpoint = tuple[dict[str, Any], dict[str, np.ndarray]]
FORMAT = 3
"""Of checkpoints: one of another cannot be gone on from."""
SLOWER_AGAIN = 1.2
"""How much longer an epoch of all rows takes at most than one without those held out."""


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
        What was worth noting about the first, whose held-out rows were still unseen, and about how this one starts.
    """

    after: int
    last_epoch: int
    noted: dict[str, float]


def fingerprint(engine: str, table: EncodedTable, settings: EngineSettings, seed: int) -> str:
    """Return a digest of all that a checkpoint must agree with: data, columns, seed, and all settings but epochs.

    One may go on for longer than was meant at first.
    """
    kept = settings.model_dump(mode="json", exclude={"epochs"})
    columns = [[c.name, c.cardinality, c.interval.astype(int).tolist()] for c in table.columns]
    digest = hashlib.sha256(json.dumps([FORMAT, engine, seed, kept, columns]).encode())
    digest.update(np.ascontiguousarray(table.codes, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(table.residuals, dtype=np.float64).tobytes())
    if table.groups is not None:
        digest.update(np.ascontiguousarray(table.groups, dtype=np.int64).tobytes())
    return digest.hexdigest()


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
                else:  # a part of an epoch cannot be gone on from, its start can
                    self._save(snapshot)
                    snapshot = None
                self.run.epoch(self.epoch, self.last_epoch, losses)
                if whole and self.run.checkpoint_due:
                    self._save(snapshot)
            # out of time: in a short training, what was learned since the last score is most of it
            if self._unfinished and self.again is None and self.settings.early_stopping and not self._due:
                self._score()
        except KeyboardInterrupt:
            self.run.interrupted = True
        finally:
            self._finish()
            # however it ended: drawing and judging are still to come, and a run that is cut there goes on from here
            self._save(snapshot)

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
        if self._due:
            self._score()
        return {"held_out": self.score}

    @property
    def _due(self) -> bool:
        """Whether the rows held out are looked at after this epoch."""
        return self.epoch % self.score_every == 0 or self.epoch in (1, self.last_epoch)

    def _score(self) -> None:
        with self.average.in_place():
            self.score = self.task.held_out()
        if self.score < self.best:
            self.best = self.score
            self._remember()

    def _remember(self) -> None:
        self.best_epoch = self.epoch
        self.good.copy_(self.average.values)

    @property
    def last_epoch(self) -> int:
        """The epoch that ends the training, unless something else does before."""
        if self.again is not None:
            return self.again.last_epoch
        return int(min(self.settings.epochs, self.task.most_epochs))

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
        self._renew(self.again)
        return True

    def _renew(self, again: Again) -> None:
        self.again = replace(again, noted=again.noted | self.task.begin_again(again.noted))
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
            if name == "learning_rate" or name.endswith("_lr")
        )
        return TrainingError(
            f"losses must stay finite, however: in epoch {self.epoch + 1} they did not; {kept}. Lower the learning rate ({rates})."
        )

    def _finish(self) -> None:
        if self.best_epoch:
            self.average.values.copy_(self.good)
        self.average.impose()
        learned = self.again is not None and self.best_epoch == self.last_epoch
        if self.again is not None and not learned:
            self.task.as_before()
        noted = self.task.settle(lambda: self.run.out_of_time)
        self.noted = noted if self.again is None else self.again.noted
        cut = "epochs" in self.settings.model_fields_set and self.settings.epochs > self.task.most_epochs
        self.run.notes["training"] = {
            "epochs": self.epoch,
            "kept_epoch": self.best_epoch,
            **({"most_epochs": self.task.most_epochs} if cut else {}),
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
            arrays |= {f"optimizer/{name}/{key}": value for key, value in optimizer.moments.items()}
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

    @property
    def _settled(self) -> bool:
        """Whether no epoch can follow, however many are asked for: the second training came to its end."""
        return self.again is not None and self.epoch == self.last_epoch

    def _save(self, snapshot: Checkpoint | None) -> None:
        if snapshot is not None:
            if self._settled:  # the weights that were kept are a fifth of what training needs
                state, arrays = snapshot
                snapshot = state, {"good": arrays["good"]}
            with self.run.sparing():
                self.run.save_checkpoint(lambda: snapshot)

    def _resume(self) -> None:
        """Go on from the run's checkpoint, if it has one."""
        found = self.run.load_checkpoint()
        if found is None:
            return
        state, stored = found
        if state.get("fingerprint") != self.mark:
            raise TrainingError(
                "a checkpoint goes on with the same table, columns, settings, seed and version, however: this one was made with others. "
                "Restore those, or delete the checkpoint to start afresh."
            )
        # of a second training the epochs before it, which are what is asked for
        had = state["epoch"] if state["again"] is None else state["again"]["after"]
        if had > self.settings.epochs:
            raise TrainingError(
                f"a run goes on for as many epochs as it has had, or more, however: epochs={self.settings.epochs} and {had} have run. "
                f"Ask for {had} or more (--epochs), or start without --resume."
            )
        if state["again"] is not None:
            self._renew(Again(**state["again"]))
        arrays = {name: torch.from_numpy(np.array(value)) for name, value in stored.items()}
        self.good.copy_(arrays.pop("good"))
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.best, self.score = (math.inf if value is None else value for value in state["scores"])
        if arrays:
            self._take_up(arrays, state["scale"])

    def _take_up(self, arrays: dict[str, Tensor], scale: dict[str, Any]) -> None:
        """What training needs to go on, beside the weights that were kept."""
        for name, net in self.task.networks.items():
            net.load_state_dict(
                {key: arrays[f"network/{name}/{key}"].view_as(value) for key, value in net.state_dict().items()}
            )
        for name, optimizer in self.task.optimizers.items():
            for key, value in optimizer.moments.items():
                value.copy_(arrays[f"optimizer/{name}/{key}"].view_as(value))
        for name, generator in self.task.generators.items():
            generator.set_state(arrays[f"generator/{name}"])
        self.average.values.copy_(arrays["average"])
        self.task.precision.scaler.load_state_dict(scale)
