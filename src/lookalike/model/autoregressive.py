"""The default engine: a row is drawn column by column, each given the columns before it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from lookalike.errors import LookalikeWarning
from lookalike.model.base import EngineSettings
from lookalike.model.conditionals import JUDGED_AT_ONCE, Conditionals, nets
from lookalike.model.engine import Fitted, NetEngine
from lookalike.model.nets.clipping import add_clipped
from lookalike.model.nets.flat import Weights, gradient_of
from lookalike.model.nets.masked import MaskedNet
from lookalike.model.nets.passes import collect, hide_gradients, up_and_down
from lookalike.model.training import device, private
from lookalike.model.training.adam import Adam
from lookalike.model.training.plateau import Plateau
from lookalike.model.training.task import NetSettings, Task, plan
from lookalike.rng import derive_seed, generator
from lookalike.schema.encoded import EncodedColumn, EncodedTable

JUDGED_ROWS = 5_000
"""Training rows at most on which the likelihood is taken that is held against that of the rows held out."""
DECAY_ROWS = 6_000
"""Rows up to which the weight decay is what was asked for. Decay is a prior on the weights, worth a fixed number of rows, so
beyond them it is less in proportion."""
BEARABLE_GAP, MOST_DECAY = 0.05, 2.5
"""Share of the held-out rows' surprise by which rows learned from may be likelier, beyond what chance makes of it (a standard error):
beyond it the second training decays its weights more, by the square of how often it is passed, so many times at most."""
SETTLE_SLACK = 5
"""Rows that a code may have more or fewer than it had in the table."""
WARM_UP = 50
"""Steps in which the learning rate rises to its value."""
FALLING = 0.4
"""Part of the most steps over which the rate falls to nought, where held-out rows have not ended the training before."""
FEWEST_EPOCHS = 12
"""Passes over the table that are had at least, however long it is."""
ANY_ORDER_STEPS = 3
"""How many times the steps all orders take: adult is learned in 83 epochs, in one order in 20."""


class AutoregressiveSettings(private.PrivateSettings):
    """Settings of the engine autoregressive."""

    otherwise: ClassVar[Mapping[str, Any]] = {
        "batch_size": 500,
        "learning_rate": 8e-3,
        "weight_decay": 0.0,
        "embedding_dim": 8,
        "hidden": 16,
    }
    ruled_out: ClassVar[Mapping[str, tuple[Any, str]]] = {
        **private.PrivateSettings.ruled_out,
        "orders": (1, "one net learns more from the same budget than two"),
        "dropout": (0.0, "gradients of records are taken of the whole net"),
        "most_steps": (4_000, "the steps are those that the budget pays for"),
        "precision": ("float32", "sums of clipped gradients are as exact as their bound"),
    }
    only_with: ClassVar[Mapping[str, tuple[str, Any]]] = {
        **private.PrivateSettings.only_with,
        "refit_rows": ("early_stopping", True),
    }

    epochs: int = Field(200, ge=1, description="passes over the table at most")
    batch_size: int = Field(256, ge=1, description="rows in a step; on small tables it shrinks")
    ema: float = Field(0.99, ge=0, lt=1, description="decay of the averaged weights that sample; 0: the last weights")
    early_stopping: bool = Field(
        True, description="hold a tenth of the rows back, stop when they fit no better, keep the best state"
    )
    refit_rows: int = Field(
        60_000,
        ge=0,
        description="early_stopping: up to so many rows, once it is known when to stop, learn anew from all of them; 0: never",
    )
    patience: int = Field(6, ge=1, description="early_stopping: epochs without a better fit before it stops")
    learning_rate: float = Field(4e-3, gt=0, description="learning rate; halved whenever held-out rows fit no better")
    most_steps: int = Field(
        4_000,
        ge=1,
        description="steps that end the training if nothing else does, the rate falling to nought over the last two fifths of them; "
        "three times as many in any order, and always enough for twelve passes",
    )
    weight_decay: float = Field(
        3.0, ge=0, description="weight decay in a table of up to 6,000 rows; less in a larger one, in proportion"
    )
    dropout: float = Field(0.25, ge=0, lt=1, description="share of hidden units left out of a step")
    embedding_dim: int = Field(16, ge=1, description="width of a code's embedding")
    hidden: int = Field(64, ge=1, description="hidden units a column; fewer where a table has very many columns")
    orders: int = Field(
        1, ge=1, le=16, description="nets, each with a column order of its own; a row is drawn by one of them"
    )
    first_order: Literal["cardinality", "table", "random"] = Field(
        "cardinality", description="the first net's order: few codes first, as in the table, or random"
    )
    any_order: bool = Field(
        False,
        description="learn all column orders: conditions on any columns and imputation become exact, at some likeness",
    )


class Autoregressive(NetEngine):
    """The engine autoregressive: p(row) = Π p(column | columns before it), each a softmax over the column's codes.

    Source: TabularARGN (Tiwald et al. 2025, arXiv 2501.12012). What differs in the net is marked in :mod:`lookalike.model.nets.masked`.

    NOTE[DIFF]: once it is known when to stop, a table of up to ``refit_rows`` is learned anew, the tenth held out included. The
    holdout's NLL falls on shoppers 29.85 → 29.79, housing 27.78 → 27.70, detection AUC .565 → .556, .547 → .542 (means of three and two seeds).
    Where the first one remembered more than ``BEARABLE_GAP``, the second one's weight decay is greater.
    """

    Settings: ClassVar[type[EngineSettings]] = AutoregressiveSettings
    name = "autoregressive"
    intervals = "quantiles"
    takes_ledger = True

    @classmethod
    def check(cls, settings: EngineSettings, rows: int) -> None:
        super().check(settings, rows)
        assert isinstance(settings, AutoregressiveSettings)
        most = most_epochs(plan(rows, settings)[1], settings)
        if not settings.private and (settings.asked_epochs or 0) > most:
            warnings.warn(
                f"epochs end where most_steps does, however: epochs={settings.epochs}, and most_steps={settings.most_steps} allows about {most}. "
                "Raise most_steps, or ask for fewer.",
                LookalikeWarning,
                stacklevel=3,
            )

    @classmethod
    def task(cls, table: EncodedTable, held_out: EncodedTable, settings: NetSettings, seed: int) -> Task:
        assert isinstance(settings, AutoregressiveSettings)
        return _Training(table, held_out, settings, seed)

    @classmethod
    def private_task(cls, table: EncodedTable, plan: private.Plan, settings: NetSettings, seed: int) -> Task:
        assert isinstance(settings, AutoregressiveSettings)
        return _PrivateTraining(table, plan, settings, seed)

    @classmethod
    def blank(
        cls, columns: tuple[EncodedColumn, ...], settings: NetSettings, state: dict[str, Any], where: torch.device
    ) -> Fitted:
        assert isinstance(settings, AutoregressiveSettings)
        counts = [np.ones(column.cardinality) for column in columns]
        return conditionals(columns, settings, where, counts, state["orders"])

    def complete(
        self, table: EncodedTable, known: np.ndarray, *, seed: int, barred: Mapping[int, int] | None = None
    ) -> EncodedTable:
        fitted = self._known
        assert isinstance(fitted, Conditionals)
        if not fitted.any_order:
            return super().complete(table, known, seed=seed, barred=barred)
        return fitted.complete(table, known, seed, barred or {})

    def evidence(self, table: EncodedTable, known: np.ndarray) -> np.ndarray:
        fitted = self._known
        assert isinstance(fitted, Conditionals)
        if not fitted.any_order:
            return super().evidence(table, known)
        return fitted.likelihood(
            *(torch.from_numpy(part).to(fitted.device) for part in (table.codes.astype(np.int64), known))
        )

    @property
    def unseen(self) -> np.ndarray:
        """log p of each row held out, in the table's order, by the net before it learned from them too; NaN where it was not
        trained so far. Only after :meth:`fit`: a file does not hold it."""
        fitted = self._known
        assert isinstance(fitted, Conditionals)
        assert fitted.unseen is not None
        return np.asarray(fitted.unseen.numpy())

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        fitted = self._known
        assert isinstance(fitted, Conditionals)
        return fitted.likelihood(torch.from_numpy(table.codes.astype(np.int64)).to(fitted.device))


def conditionals(
    columns: tuple[EncodedColumn, ...],
    settings: AutoregressiveSettings,
    where: torch.device,
    counts: list[np.ndarray],
    orders: list[list[int]],
    seed: int = 0,
) -> Conditionals:
    """Return untrained nets of the shape that the settings ask for."""
    return Conditionals(
        columns,
        where,
        counts,
        orders,
        embedding=settings.embedding_dim,
        hidden=settings.hidden,
        any_order=settings.any_order,
        seed=seed,
    )


def orders_of(columns: tuple[EncodedColumn, ...], settings: AutoregressiveSettings, seed: int) -> list[list[int]]:
    """Return the columns in each net's order."""
    rng = generator(seed, "orders")
    first = {
        "cardinality": np.argsort([column.cardinality for column in columns], kind="stable"),
        "table": np.arange(len(columns)),
        "random": rng.permutation(len(columns)),
    }[settings.first_order]
    orders = [first, *(rng.permutation(len(columns)) for _ in range(settings.orders - 1))]
    return [order.tolist() for order in orders]


def most_epochs(steps: int, settings: AutoregressiveSettings) -> int:
    """Return how many epochs of so many steps ``most_steps`` allows.

    >>> most_epochs(100, AutoregressiveSettings()), most_epochs(1_000, AutoregressiveSettings())
    (40, 12)
    """
    most = settings.most_steps * (ANY_ORDER_STEPS if settings.any_order else 1)
    return max(math.ceil(most / steps), FEWEST_EPOCHS)


def undecayed(name: str) -> bool:
    """Whether a weight is left alone by the decay: biases and heads, which hold the columns' own shares."""
    return "bias" in name or "heads" in name


class Unseen(nn.Module):
    """log p of the rows held out (n,), by the net that had not seen them; NaN before it is known. A module so that checkpoints hold it."""

    likelihood: Tensor

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.register_buffer("likelihood", torch.full((rows,), torch.nan, dtype=torch.float64))


class _Training(Task):
    """One step: the likelihood of a batch, up."""

    def __init__(
        self, table: EncodedTable, held_out: EncodedTable, settings: AutoregressiveSettings, seed: int
    ) -> None:
        self.settings, self.seed = settings, seed
        self.repeatable = settings.early_stopping and len(table) + len(held_out) <= settings.refit_rows
        where = device.choose(settings.device)
        self.precision = device.Precision(where, settings.precision)
        self.counts = [np.bincount(table.codes[:, j], minlength=c.cardinality) for j, c in enumerate(table.columns)]
        orders = orders_of(table.columns, settings, seed)
        self.fitted = conditionals(table.columns, settings, where, self.counts, orders, seed)
        self.net = self.fitted.net
        # 16 bits a code: a long table stays small, and only a batch of it is widened
        self.codes, self.held_out_codes = (_narrow(part.codes).to(where) for part in (table, held_out))
        self.weights = Weights(self.net, self.precision.dtype)
        self.averaged = self.weights.master
        self.plateau, self.unseen = Plateau(), Unseen(len(held_out))
        self.fitted.unseen = self.unseen.likelihood
        self.more_decay = 1.0
        self.networks = {"net": self.net, "plateau": self.plateau, "unseen": self.unseen}
        self.draws = torch.Generator().manual_seed(derive_seed(seed, "draws"))
        self.noise = torch.Generator(where).manual_seed(derive_seed(seed, "noise"))
        self.generators = {"draws": self.draws, "noise": self.noise}
        self._prepare()
        self.most_epochs = most_epochs(self.steps, settings)  # of a second training, too

    def _prepare(self) -> None:
        """Steps and their sizes, for as many rows as there are now."""
        settings, rows = self.settings, len(self.codes)
        self.batch, self.steps = plan(rows, settings)
        self.rate = settings.learning_rate * math.sqrt(min(self.batch / settings.batch_size, 1.0))
        # a prior on the weights weighs as much as so many rows: the more rows there are, the less of a step is its share
        decay = settings.weight_decay * self.more_decay * min(DECAY_ROWS / rows, 1.0)
        apart = self.weights.figures(lambda name: 0.0 if undecayed(name) else decay)
        self.optimizers = {"net": Adam(self.weights.master, self.rate, (0.9, 0.99), apart=apart)}
        self.take_step = settings.replayed(self._step, self.generators.values())

    @torch.no_grad()
    def begin_again(self, noted: Mapping[str, float]) -> dict[str, float]:
        before, columns = self.steps, self.fitted.columns
        bearable, sure = BEARABLE_GAP * noted["surprise_held_out_rows"], noted["memory_gap"] - noted["memory_gap_error"]
        self.more_decay = min(max(sure / max(bearable, 1e-9), 1.0) ** 2, MOST_DECAY)
        self.first_codes = self.codes
        self.codes, self.held_out_codes = torch.cat([self.codes, self.held_out_codes]), self.held_out_codes[:0]
        fresh = conditionals(
            columns, self.settings, self.codes.device, self.counts, self.fitted.orders.tolist(), self.seed
        )
        self.net.load_state_dict(fresh.net.state_dict())
        self._prepare()
        self.plateau.begin_again(self.steps / before)
        return {"more_decay": round(self.more_decay, 4)}

    def as_before(self) -> None:
        self.codes = self.first_codes

    def begin_epoch(self) -> None:
        self.weights.spread()
        self.parts = self.shuffled(len(self.codes))

    def step(self, position: int) -> dict[str, Tensor]:
        self.optimizers["net"].rate = self._rate(self.plateau.count())
        seen = [net.sees_in_a_step(self.draws) for net in nets(self.weights.net)]
        return self.take_step(self.parts[position], *seen)

    @torch.no_grad()
    def _step(self, rows: Tensor, *seen: Tensor) -> dict[str, Tensor]:
        codes = self.codes[rows].long()
        self.weights.clear()
        surprise = [
            self._learn(net, codes[:, order], sees)
            for net, order, sees in zip(nets(self.weights.net), self.fitted.orders, seen, strict=True)
        ]
        self.precision.step(self.weights, self.optimizers["net"])
        return {"loss": torch.stack(surprise).mean()}

    def _learn(self, net: MaskedNet, codes: Tensor, seen: Tensor) -> Tensor:
        """Add a net's gradient by a batch, codes (n, d) in its own order; return the mean surprise of a row."""
        passes = up_and_down(
            net,
            codes,
            net.layers(seen),
            weight=self.precision.scale / len(codes),
            dropout=self.settings.dropout,
            draws=self.noise if self.settings.dropout else None,
        )
        collect(net, passes, seen)
        return passes.surprise.sum() / len(codes)

    def _rate(self, taken: float) -> float:
        """The learning rate after so many steps: it rises, falls by what held-out rows say, and falls to nought at last."""
        left = 1 - taken / (self.most_epochs * self.steps)
        return self.rate * self.plateau.factor * min((taken + 1) / WARM_UP, left / FALLING, 1.0)

    @torch.no_grad()
    def _likelihood(self, codes: Tensor) -> float:
        """Return −log p of a row (nats), a mean over rows and nets."""
        sums = [part.sum() for rows in codes.split(JUDGED_AT_ONCE) for part in self.fitted.surprises(rows.long())]
        return float(torch.stack(sums).sum()) / (len(codes) * len(self.fitted.nets))

    def held_out(self) -> float:
        score = self._likelihood(self.held_out_codes)
        self.plateau.hear(score)
        return score

    def settle(self, hurry: Callable[[], bool]) -> dict[str, float]:
        """Give the columns the shares they have in the table; then say how much more likely the rows learned from are than those held out."""
        rows = len(self.codes)
        counts = [
            torch.bincount(own.long(), minlength=c.cardinality)
            for own, c in zip(self.codes.T, self.fitted.columns, strict=True)
        ]
        slack = [torch.tensor(SETTLE_SLACK / rows, device=self.codes.device)] * len(counts)
        draws = torch.Generator().manual_seed(derive_seed(self.seed, "settle"))
        self.fitted.settle([own / rows for own in counts], slack, draws, hurry)
        if not len(self.held_out_codes):
            return {}
        some = self.codes[:: math.ceil(len(self.codes) / JUDGED_ROWS)]  # from all over a table that may be sorted
        learned, fresh = (-self.fitted.likelihood(part.long()) for part in (some, self.held_out_codes))
        self.unseen.likelihood.copy_(torch.from_numpy(-fresh))
        return {
            "surprise_training_rows": round(float(learned.mean()), 4),
            "surprise_held_out_rows": round(float(fresh.mean()), 4),
            "memory_gap": round(float(fresh.mean() - learned.mean()), 4),
            "memory_gap_error": round(math.hypot(*(part.std() / math.sqrt(len(part)) for part in (learned, fresh))), 4),
        }


class _PrivateTraining(Task):
    """One step: the likelihood of a Poisson sample, up, by the noised sum of its clipped gradients.

    The average of the steps' weights is what samples, and it is free: the noise of single steps cancels in it.
    """

    def __init__(self, table: EncodedTable, plan: private.Plan, settings: AutoregressiveSettings, seed: int) -> None:
        self.plan, self.settings = plan, settings
        where = device.choose(settings.device)
        self.precision = device.Precision(where, settings.precision)
        self.fitted = conditionals(
            table.columns, settings, where, plan.counts, orders_of(table.columns, settings, seed), seed
        )
        self.codes = _narrow(table.codes).to(where)
        self.weights = Weights(self.fitted.net, torch.float32)
        self.averaged = self.weights.master
        self.progress = Plateau()
        self.networks = {"net": self.fitted.net, "progress": self.progress}
        self.optimizers = {"net": Adam(self.weights.master, settings.learning_rate, (0.9, 0.99))}
        self.draws = torch.Generator().manual_seed(derive_seed(seed, "draws"))
        self.generators = {"draws": self.draws}
        self.settle_seed = derive_seed(seed, "settle")
        self.batch, self.steps = round(plan.batch), plan.steps

    def begin_epoch(self) -> None:
        """Nothing is shuffled: every step draws its rows anew."""

    def step(self, position: int) -> dict[str, Tensor]:
        self.optimizers["net"].rate = rate = self._rate(self.progress.count())
        (net,), (order,) = self.fitted.nets, self.fitted.orders
        seen = net.sees_in_a_step(self.draws)
        self.weights.clear()
        for rows in private.microbatches(private.poisson_sample(len(self.codes), self.plan.rate)):
            add_clipped(net, self.codes[torch.from_numpy(rows)][:, order].long(), seen, self.plan.bound)
        total = gradient_of(self.weights.master)
        private.add_noise(total, self.plan.deviation)
        if not net.any_order:
            hide_gradients(net, seen)
        total.div_(self.plan.batch)
        self.weights.master.data.mul_(1 - rate * self.settings.weight_decay)
        self.optimizers["net"].step()
        return {}

    def _rate(self, taken: float) -> float:
        """The learning rate after so many steps: it rises, then falls to nought along half a cosine."""
        whole = self.plan.steps * self.plan.epochs
        return (
            self.settings.learning_rate * min((taken + 1) / WARM_UP, 1.0) * (1 + math.cos(math.pi * taken / whole)) / 2
        )

    def held_out(self) -> float:
        raise AssertionError("no rows are held out under differential privacy")

    @torch.no_grad()
    def settle(self, hurry: Callable[[], bool]) -> dict[str, float]:
        """Move the heads' biases until rows drawn have the shares of the noised counts. Only what was paid for is looked at."""
        shares, noise = (
            [torch.from_numpy(part / self.plan.rows).float().to(self.codes.device) for part in parts]
            for parts in (self.plan.counts, self.plan.deviations)
        )
        draws = torch.Generator().manual_seed(self.settle_seed)
        self.fitted.settle(shares, [part + 1e-9 for part in noise], draws, hurry)
        return {}


def _narrow(codes: np.ndarray) -> Tensor:
    """Codes in 16 bits where they fit (torch reads them signed)."""
    return torch.from_numpy(codes.astype(np.int16 if codes.max(initial=0) < 2**15 else np.int32))
