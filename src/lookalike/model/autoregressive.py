"""The default engine: a row is drawn column by column, each given the columns before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from lookalike.model import device
from lookalike.model.base import EngineSettings
from lookalike.model.engine import BLOCK_CELLS, Fitted, NetEngine, to_arrays, to_tensors
from lookalike.model.flat import Weights
from lookalike.model.intervals import with_residuals
from lookalike.model.masked import MaskedNet
from lookalike.model.train import NetSettings, Plateau, Task, plan
from lookalike.rng import derive_seed, generator
from lookalike.schema.encoded import EncodedColumn, EncodedTable, concatenate

MOST_HIDDEN = 8192
"""Hidden units of all columns together: beyond it each column gets fewer, so that a wide table trains in bounded memory."""
FEWEST_HIDDEN = 16
JUDGED_ROWS = 5_000
"""Training rows at most on which the likelihood is taken that is held against that of the rows held out."""
DECAY_ROWS = 6_000
JUDGED_AT_ONCE = 1_000
WARM_UP = 50
"""Steps in which the learning rate rises to its value."""


class AutoregressiveSettings(NetSettings):
    """Settings of the engine autoregressive."""

    epochs: int = Field(200, ge=1, description="passes over the table at most")
    batch_size: int = Field(256, ge=1, description="rows in a step; on small tables it shrinks")
    ema: float = Field(0.99, ge=0, lt=1, description="decay of the averaged weights that sample; 0: the last weights")
    early_stopping: bool = Field(
        True, description="hold a tenth of the rows back, stop when they fit no better, keep the best state"
    )
    patience: int = Field(6, ge=1, description="early_stopping: epochs without a better fit before it stops")
    learning_rate: float = Field(2e-3, gt=0, description="learning rate; halved whenever held-out rows fit no better")
    weight_decay: float = Field(
        1.0, ge=0, description="weight decay in a table of up to 6,000 rows; less in a larger one, in proportion"
    )
    dropout: float = Field(0.25, ge=0, lt=1, description="share of hidden units left out of a step")
    embedding_dim: int = Field(16, ge=1, description="width of a code's embedding")
    hidden: int = Field(64, ge=1, description="hidden units a column; fewer where a table has very many columns")
    logistics: int = Field(
        0, ge=0, description="logistic distributions mixed into the head of a column of ordered codes"
    )
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


class Conditionals(Fitted):
    """What sampling needs: the nets and their column orders."""

    def __init__(
        self,
        columns: tuple[EncodedColumn, ...],
        settings: AutoregressiveSettings,
        where: torch.device,
        counts: list[np.ndarray],
        ranks: list[list[int]],
        seed: int = 0,
    ) -> None:
        super().__init__(columns, where)
        self.any_order = settings.any_order
        self.ranks = torch.tensor(ranks, device=where)
        self.hidden = max(min(settings.hidden, MOST_HIDDEN // len(columns)), min(FEWEST_HIDDEN, settings.hidden))
        self.net = nn.ModuleList(
            MaskedNet(
                columns,
                counts,
                settings.embedding_dim,
                self.hidden,
                settings.logistics,
                torch.Generator().manual_seed(derive_seed(seed, "net", member)),
            )
            for member in range(len(ranks))
        ).to(where)

    @property
    def nets(self) -> list[MaskedNet]:
        return nets(self.net)

    @property
    def cells_a_row(self) -> int:
        return len(self.columns) * self.hidden + 4 * max(column.cardinality for column in self.columns)

    def draw(
        self, rows: int, draws: torch.Generator, conditions: Mapping[int, int], temperature: float
    ) -> EncodedTable:
        """Draw rows. A net of one order ignores conditions (``sample.py`` meets them by rejection); one of any order starts
        from them, which is exact."""
        known = torch.zeros(rows, len(self.columns), dtype=torch.bool)
        codes = torch.zeros(rows, len(self.columns), dtype=torch.long)
        if self.any_order:
            for column, code in conditions.items():
                known[:, column], codes[:, column] = True, code
        return self.table(self.fill(codes.to(self.device), known.to(self.device), draws, temperature), draws)

    @torch.no_grad()
    def complete(self, table: EncodedTable, known: np.ndarray, seed: int, barred: Mapping[int, int]) -> EncodedTable:
        """Draw the unknown cells given the known ones of the same row, block by block; those keep their residuals."""
        draws = torch.Generator().manual_seed(derive_seed(seed, "complete"))
        size = max(BLOCK_CELLS // self.cells_a_row, 1)
        blocks = []
        for start in range(0, max(len(table), 1), size):
            part, given = table.take(np.arange(len(table))[start : start + size]), known[start : start + size]
            codes = torch.from_numpy(part.codes.astype(np.int64)).to(self.device)
            drawn = self.table(self.fill(codes, torch.from_numpy(given).to(self.device), draws, barred=barred), draws)
            blocks.append(EncodedTable(self.columns, drawn.codes, np.where(given, part.residuals, drawn.residuals)))
        return concatenate(blocks)

    def fill(
        self,
        codes: Tensor,
        known: Tensor,
        draws: torch.Generator,
        temperature: float = 1.0,
        barred: Mapping[int, int] | None = None,
    ) -> Tensor:
        """Return (n, d) codes, those that are not ``known`` drawn given those that are and those drawn before.

        Every row goes to one net, at random. ``barred`` maps a column to a code that is not to be drawn.
        """
        members = torch.randint(len(self.nets), (len(codes),), generator=draws).to(self.device)
        uniform = torch.rand(len(codes), len(self.columns), generator=draws).to(self.device)
        filled = codes.clone()
        for member, net in enumerate(self.nets):
            rows = (members == member).nonzero().squeeze(1)
            filled[rows] = self._fill_by(
                net, self.ranks[member], codes[rows], known[rows], uniform[rows], temperature, barred or {}
            )
        return filled

    def _fill_by(
        self,
        net: MaskedNet,
        ranks: Tensor,
        codes: Tensor,
        known: Tensor,
        uniform: Tensor,
        temperature: float,
        barred: Mapping[int, int],
    ) -> Tensor:
        """The first layer is linear, so what a column adds to it is added once its code is known: a row costs one pass.

        Its blocks are laid in the order of drawing, so that what is still to be drawn lies together.
        """
        order = ranks.argsort()
        table = net.embeddings()
        first = net.first[:, :, order].flatten(2)  # (d, embedding, d · hidden)
        sums = net.first_bias[order].flatten().repeat(len(codes), 1)

        def add(j: int, rows: Tensor | slice, start: int) -> None:
            sums[rows, start:] += table[codes[rows, j] + net.offsets[j]] @ first[j, :, start:]

        given = known.any(0).tolist()
        for j in range(len(self.columns)):
            if given[j]:
                add(j, known[:, j].nonzero().squeeze(1), 0)
        for place, j in enumerate(order.tolist()):
            rows = (~known[:, j]).nonzero().squeeze(1) if given[j] else slice(None)
            start, end = place * self.hidden, (place + 1) * self.hidden
            h = net.through(sums[rows, start:end].relu().unsqueeze(0), slice(j, j + 1)).squeeze(0)
            logits = net.heads[j](h).float() / temperature
            if j in barred:
                logits[:, barred[j]] = -torch.inf
            codes[rows, j] = _pick(logits.softmax(1), uniform[rows, j])
            add(j, rows, end)
        return codes

    @torch.no_grad()
    def likelihood(self, codes: Tensor) -> np.ndarray:
        """Return (n,) log p of (n, d) codes under the mixture of nets, in float64."""
        found = [
            torch.stack([self._by(net, ranks, part) for net, ranks in zip(self.nets, self.ranks, strict=True)])
            for part in codes.split(JUDGED_AT_ONCE)
        ]
        return np.asarray((torch.cat(found, dim=1).logsumexp(0) - math.log(len(self.nets))).cpu().numpy())

    @staticmethod
    def _by(net: MaskedNet, ranks: Tensor, codes: Tensor) -> Tensor:
        surprises = [
            functional.cross_entropy(logits.float(), codes[:, j], reduction="none")
            for j, logits in enumerate(net(codes, ranks))
        ]
        return -torch.stack(surprises).double().sum(0)

    def table(self, codes: Tensor, draws: torch.Generator) -> EncodedTable:
        """Return the encoded table of (n, d) codes."""
        seed = int(torch.randint(2**62, (), generator=draws))
        return with_residuals(self.columns, codes.cpu().numpy(), np.random.default_rng(seed))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"ranks": self.ranks.tolist()}, to_arrays(dict(self.net.state_dict()))

    def restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.net.load_state_dict(to_tensors(arrays), strict=False)  # offsets are whole numbers, and known


def nets(module: nn.Module) -> list[MaskedNet]:
    """The nets in a list of them."""
    return [net for net in module.children() if isinstance(net, MaskedNet)]


def _pick(shares: Tensor, uniform: Tensor) -> Tensor:
    """Return (n,) codes drawn from (n, K) shares: the first whose cumulated share passes a uniform number."""
    cumulated = shares.cumsum(1)
    return (
        torch.searchsorted(cumulated, (uniform * cumulated[:, -1]).unsqueeze(1), right=True)
        .squeeze(1)
        .clamp(max=shares.shape[1] - 1)
    )


class Autoregressive(NetEngine):
    """The engine autoregressive: p(row) = Π p(column | columns before it), each a softmax over the column's codes.

    Source: TabularARGN (Tiwald et al. 2025, arXiv 2501.12012). What differs is marked in :mod:`lookalike.model.masked`.
    """

    Settings: ClassVar[type[EngineSettings]] = AutoregressiveSettings
    name = "autoregressive"
    intervals = "quantiles"

    @classmethod
    def task(cls, table: EncodedTable, held_out: EncodedTable, settings: NetSettings, seed: int) -> tuple[Task, Fitted]:
        assert isinstance(settings, AutoregressiveSettings)
        training = _Training(table, held_out, settings, seed)
        return training, training.fitted

    @classmethod
    def blank(
        cls, columns: tuple[EncodedColumn, ...], settings: NetSettings, state: dict[str, Any], where: torch.device
    ) -> Fitted:
        assert isinstance(settings, AutoregressiveSettings)
        counts = [np.ones(column.cardinality) for column in columns]
        return Conditionals(columns, settings, where, counts, state["ranks"])

    def complete(
        self, table: EncodedTable, known: np.ndarray, *, seed: int, barred: Mapping[int, int] | None = None
    ) -> EncodedTable:
        fitted = self._known
        assert isinstance(fitted, Conditionals)
        if not fitted.any_order:
            return super().complete(table, known, seed=seed, barred=barred)
        return fitted.complete(table, known, seed, barred or {})

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        fitted = self._known
        assert isinstance(fitted, Conditionals)
        return fitted.likelihood(torch.from_numpy(table.codes.astype(np.int64)).to(fitted.device))


def ranks_of(columns: tuple[EncodedColumn, ...], settings: AutoregressiveSettings, seed: int) -> list[list[int]]:
    """Return the rank of every column in each net's order."""
    rng = generator(seed, "orders")
    first = {
        "cardinality": np.argsort([column.cardinality for column in columns], kind="stable"),
        "table": np.arange(len(columns)),
        "random": rng.permutation(len(columns)),
    }[settings.first_order]
    orders = [first, *(rng.permutation(len(columns)) for _ in range(settings.orders - 1))]
    return [np.argsort(order).tolist() for order in orders]


class _Training(Task):
    """One step: the likelihood of a batch, up."""

    def __init__(
        self, table: EncodedTable, held_out: EncodedTable, settings: AutoregressiveSettings, seed: int
    ) -> None:
        self.settings = settings
        where = device.choose(settings.device)
        self.precision = device.Precision(where, settings.precision)
        counts = [np.bincount(table.codes[:, j], minlength=c.cardinality) for j, c in enumerate(table.columns)]
        ranks = ranks_of(table.columns, settings, seed)
        self.fitted = Conditionals(table.columns, settings, where, counts, ranks, seed)
        self.net = self.fitted.net
        # 16 bits a code: a long table stays small, and only a batch of it is widened
        self.codes, self.held_out_codes = (_narrow(part.codes).to(where) for part in (table, held_out))
        self.batch, self.steps = plan(len(table), settings)
        self.weights = Weights(self.net, self.precision.dtype)
        self.rate = settings.learning_rate * math.sqrt(min(self.batch / settings.batch_size, 1.0))
        # a prior on the weights weighs as much as so many rows: the more rows there are, the less of a step is its share
        decay = settings.weight_decay * min(DECAY_ROWS / len(table), 1.0)
        optimizer = torch.optim.AdamW([self.weights.master], self.rate, (0.9, 0.99), weight_decay=decay, fused=True)
        self.plateau = Plateau()
        self.averaged = self.weights.master
        self.networks = {"net": self.net, "plateau": self.plateau}
        self.optimizers = {"net": optimizer}
        self.draws = torch.Generator().manual_seed(derive_seed(seed, "draws"))
        self.noise = torch.Generator(where).manual_seed(derive_seed(seed, "noise"))
        self.generators = {"draws": self.draws, "noise": self.noise}

    def begin_epoch(self) -> None:
        self.weights.spread()
        self.parts = self.shuffled(len(self.codes))

    def step(self, position: int) -> dict[str, Tensor]:
        self.optimizers["net"].param_groups[0]["lr"] = self._rate(self.plateau.count())
        codes = self.codes[self.parts[position].to(self.codes.device)].long()
        losses = [
            self._surprise(net, codes, ranks, self.settings.dropout).sum() / len(codes)
            for net, ranks in zip(nets(self.weights.net), self._ranks(), strict=True)
        ]
        loss = torch.stack(losses).sum()
        self.precision.descend(self.weights, self.optimizers["net"], (loss, None))
        return {"loss": loss.detach() / len(losses)}

    def _rate(self, taken: float) -> float:
        """The learning rate after so many steps: it rises, then falls by what held-out rows say, or else evenly to nothing."""
        rate = self.rate * min((taken + 1) / WARM_UP, 1.0)
        if self.settings.early_stopping:
            return rate * self.plateau.factor
        return rate * max(1 - taken / (self.settings.epochs * self.steps), 0.0)

    def _ranks(self) -> Tensor:
        """Each net's own order, or any."""
        if not self.settings.any_order:
            return self.fitted.ranks
        orders = [torch.randperm(len(self.fitted.columns), generator=self.draws) for _ in self.fitted.ranks]
        return torch.stack(orders).to(self.codes.device)

    def _surprise(self, net: MaskedNet, codes: Tensor, ranks: Tensor, dropout: float = 0.0) -> Tensor:
        """Return (d,) −log p of each column's codes, summed over rows."""
        logits = net(codes, ranks, dropout, self.noise)
        found = [functional.cross_entropy(part.float(), codes[:, j], reduction="sum") for j, part in enumerate(logits)]
        return torch.stack(found)

    @torch.no_grad()
    def _likelihood(self, codes: Tensor) -> float:
        """Return −log p of a row (nats), a mean over rows and nets."""
        members = list(zip(self.fitted.nets, self.fitted.ranks, strict=True))
        sums = [
            self._surprise(net, part.long(), ranks).sum()
            for part in codes.split(JUDGED_AT_ONCE)
            for net, ranks in members
        ]
        return float(torch.stack(sums).sum()) / (len(codes) * len(members))

    def held_out(self) -> float:
        score = self._likelihood(self.held_out_codes)
        self.plateau.hear(score)
        return score

    def settle(self, hurry: Callable[[], bool]) -> dict[str, float]:
        """Nothing is left to do but to say how much more likely the rows learned from are than those held out."""
        if not len(self.held_out_codes):
            return {}
        learned, fresh = self._likelihood(self.codes[:JUDGED_ROWS]), self._likelihood(self.held_out_codes)
        return {
            "surprise_training_rows": round(learned, 4),
            "surprise_held_out_rows": round(fresh, 4),
            "memory_gap": round(fresh - learned, 4),
        }


def _narrow(codes: np.ndarray) -> Tensor:
    """Codes in 16 bits where they fit (torch reads them signed)."""
    return torch.from_numpy(codes.astype(np.int16 if codes.max(initial=0) < 2**15 else np.int32))
