"""Rows out of nets that know conditional distributions: drawn column by column, completed, and how likely they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.model.engine import Fitted, to_arrays, to_tensors
from lookalike.model.intervals import with_residuals
from lookalike.model.nets.masked import MaskedNet
from lookalike.model.training.device import with_doubles
from lookalike.rng import derive_seed
from lookalike.schema.encoded import EncodedColumn, EncodedTable, concatenate
from lookalike.stats import draws_for

MOST_HIDDEN = 8192
"""Hidden units of all columns together: beyond it each column gets fewer, so that a wide table trains in bounded memory."""
FEWEST_HIDDEN = 16
BLOCK_CELLS = 2**23
"""Numbers held at once when drawing: some ten thousand rows, for each of which all columns' tables are made but once."""
MOST_TRIED, HOPELESS = 50, 50_000
"""Rows begun under a condition are no more than so many times those wanted, or than the second where that is more; nor than the second where
none of them met it."""
JUDGED_AT_ONCE = 1_000
"""Rows whose likelihood is taken at once."""
SETTLE_ROWS, SETTLE_CELLS, SETTLE_ROUNDS = 20_000, 1_000_000, 3
"""Rows, and cells, drawn at most to hold the columns' shares against those wanted, and how often."""


class Conditionals(Fitted):
    """What sampling needs: the nets and their column orders.

    Attributes
    ----------
    net
        A list of :class:`MaskedNet`; every row is drawn by one of them.
    orders
        (nets, d): the columns in each net's order.
    any_order
        Whether the nets learned all orders, and so know any cells given any others.
    unseen
        (n,) log p of the rows held out while they were, where the nets were trained just now.
    """

    unseen: Tensor | None = None

    def __init__(
        self,
        columns: tuple[EncodedColumn, ...],
        where: torch.device,
        counts: list[np.ndarray],
        orders: list[list[int]],
        *,
        embedding: int,
        hidden: int,
        any_order: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(columns, where)
        self.any_order = any_order
        self.orders = torch.tensor(orders, device=where)
        self.hidden = max(min(hidden, MOST_HIDDEN // len(columns)), min(FEWEST_HIDDEN, hidden))
        self.net = nn.ModuleList(
            MaskedNet(
                [columns[j] for j in order],
                [counts[j] for j in order],
                embedding,
                self.hidden,
                torch.Generator().manual_seed(derive_seed(seed, "net", member)),
                any_order=any_order,
            )
            for member, order in enumerate(orders)
        ).to(where)

    @property
    def nets(self) -> list[MaskedNet]:
        return nets(self.net)

    @property
    def block_rows(self) -> int:
        cells = 4 * (len(self.columns) + self.hidden + max(column.cardinality for column in self.columns))
        return max(BLOCK_CELLS // cells, 1)

    def draw(
        self, rows: int, draws: torch.Generator, conditions: Mapping[int, int], temperature: float
    ) -> EncodedTable:
        """Draw rows. A net of any order starts from conditions, one of a single order drops rows that miss them: both are exact. Where it
        meets them too seldom, rows that do not make up the number."""
        known = torch.zeros(rows, len(self.columns), dtype=torch.bool)
        codes = torch.zeros(rows, len(self.columns), dtype=torch.long)
        if self.any_order:
            for column, code in conditions.items():
                known[:, column], codes[:, column] = True, code
        elif conditions:
            met = self._meeting(rows, draws, conditions, temperature)
            known, codes = known[len(met) :], codes[len(met) :]
            others = self.fill(codes.to(self.device), known.to(self.device), draws, temperature)
            return self.table(torch.cat([met, others]), draws)
        return self.table(self.fill(codes.to(self.device), known.to(self.device), draws, temperature), draws)

    @torch.no_grad()
    def _meeting(self, rows: int, draws: torch.Generator, conditions: Mapping[int, int], temperature: float) -> Tensor:
        """Return (n, d) codes of up to so many rows that meet the conditions. A row that misses one is dropped as soon as that shows, and
        columns of few codes come first: most of it is never drawn."""
        found: list[Tensor] = [torch.zeros(0, len(self.columns), dtype=torch.long, device=self.device)]
        met, tried = 0, 0
        while met < rows and tried < (max(MOST_TRIED * rows, HOPELESS) if met else HOPELESS):
            count = max(draws_for(rows - met, met, tried, self.block_rows), min(self.block_rows, 100))
            members = torch.randint(len(self.nets), (count,), generator=draws).to(self.device)
            uniform = torch.rand(count, len(self.columns), generator=draws).to(self.device)
            kept = torch.zeros(count, dtype=torch.bool, device=self.device)
            codes = torch.zeros(count, len(self.columns), dtype=torch.long, device=self.device)
            for member, (net, order) in enumerate(zip(self.nets, self.orders, strict=True)):
                mine = (members == member).nonzero()
                wanted = {j: conditions[column] for j, column in enumerate(order.tolist()) if column in conditions}
                unknown = torch.zeros(len(mine), len(order), dtype=torch.bool, device=self.device)
                full, alive = self._fill_by(
                    net, codes[mine, order], unknown, uniform[mine, order], temperature, {}, wanted
                )
                kept[mine[alive]] = True
                codes[mine[alive], order] = full
            found.append(codes[kept])
            met, tried = met + len(found[-1]), tried + count
        return torch.cat(found)[:rows]

    @torch.no_grad()
    def complete(self, table: EncodedTable, known: np.ndarray, seed: int, barred: Mapping[int, int]) -> EncodedTable:
        """Draw the unknown cells given the known ones of the same row, block by block; those keep their residuals."""
        draws = torch.Generator().manual_seed(derive_seed(seed, "complete"))
        size = self.block_rows
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
        barred: Mapping[int, int] = MappingProxyType({}),
    ) -> Tensor:
        """Return (n, d) codes, those that are not ``known`` drawn given those that are and those drawn before.

        Every row goes to one net, at random, those before others that find what is known of it likelier. ``barred`` maps a column to a
        code that is not to be drawn.
        """
        members = torch.randint(len(self.nets), (len(codes),), generator=draws).to(self.device)
        if len(self.nets) > 1 and known.any():
            members = _pick(
                self._likelihoods(codes, known).float().to(self.device),
                torch.rand(len(codes), generator=draws).to(self.device),
            )
        uniform = torch.rand(len(codes), len(self.columns), generator=draws).to(self.device)
        filled = codes.clone()
        for member, (net, order) in enumerate(zip(self.nets, self.orders, strict=True)):
            rows = (members == member).nonzero()
            not_to_draw = {j: barred[column] for j, column in enumerate(order.tolist()) if column in barred}
            filled[rows, order], _ = self._fill_by(
                net, codes[rows, order], known[rows, order], uniform[rows, order], temperature, not_to_draw, {}
            )
        return filled

    def _fill_by(
        self,
        net: MaskedNet,
        codes: Tensor,
        known: Tensor,
        uniform: Tensor,
        temperature: float,
        barred: Mapping[int, int],
        wanted: Mapping[int, int],
        hear: Callable[[int, Tensor], object] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the codes of rows whose columns come out as ``wanted``, and which those rows are; ``hear`` is told each column's logits
        (n, K) as it is drawn.

        The first layer is linear, so what it makes of a row is a sum of what each code adds: a look into a table a known cell,
        a sixteenth of the operations of a product with the code's embedding.

        A cell is the place of its code in that table, where the bias comes first (every row has it), then a cell not yet known.
        Columns are in the net's order.
        """
        given, embeddings = known.any(0).tolist(), net.embeddings()
        # columns with known cells, then the others as they will be drawn
        laid = sorted(range(net.columns), key=lambda j: not given[j])
        places = {j: place for place, j in enumerate(laid)}
        starts = np.cumsum([2] + [net.cardinalities[j] for j in laid]).tolist()
        cells, seen = codes.new_zeros(len(codes), 1 + net.columns), sum(given)
        alive = torch.arange(len(codes), device=codes.device)
        for place, j in enumerate(laid[:seen]):
            cells[:, 1 + place] = torch.where(known[:, j], codes[:, j] + starts[place], 1)
        for j in range(net.columns):
            rows = (~known[:, j]).nonzero().squeeze(1) if given[j] else slice(None)
            h = functional.embedding_bag(cells[rows, : 1 + seen], net.added(embeddings, laid[:seen], j), mode="sum")
            h = net.through(h.relu_().unsqueeze(0), slice(j, j + 1)).squeeze(0)
            logits = net.logits(j, h).float() / temperature
            if j in barred:
                logits[:, barred[j]] = -torch.inf
            if hear is not None:
                hear(j, logits)
            codes[rows, j] = _pick(logits, uniform[rows, j])
            cells[rows, 1 + places[j]] = codes[rows, j] + starts[places[j]]
            seen += not given[j]
            if j in wanted:
                met = (codes[:, j] == wanted[j]).nonzero().squeeze(1)
                codes, cells, known, uniform, alive = (part[met] for part in (codes, cells, known, uniform, alive))
        return codes, alive

    @torch.no_grad()
    def likelihood(self, codes: Tensor, known: Tensor | None = None) -> np.ndarray:
        """Return (n,) log p of (n, d) codes under the mixture of nets, in float64; of nets of any order that of the ``known`` ones."""
        by_net = self._likelihoods(codes, torch.ones_like(codes, dtype=torch.bool) if known is None else known)
        return np.asarray((by_net.logsumexp(1) - math.log(len(self.nets))).cpu().numpy())

    def _likelihoods(self, codes: Tensor, known: Tensor) -> Tensor:
        """Return (n, nets) log p of the known codes by each net, in float64."""
        sums = with_doubles(self.device)
        blocks = zip(codes.split(JUDGED_AT_ONCE), known.split(JUDGED_AT_ONCE), strict=True)
        found = [
            torch.stack([-(part.to(sums).double() * there.to(sums)).sum(1) for part in self.surprises(rows, there)], 1)
            for rows, there in blocks
        ]
        return torch.cat(found)

    def surprises(self, codes: Tensor, known: Tensor | None = None) -> list[Tensor]:
        """Return (n, d) −log p of each code given those before it in a net's order, for every net; nets of any order are given the
        ``known`` ones alone."""
        found = []
        for net, order in zip(self.nets, self.orders, strict=True):
            own = codes[:, order]
            logits = net(own, net.sees(), known[:, order] if known is not None and self.any_order else None)
            by_column = [
                functional.cross_entropy(part.float(), own[:, j], reduction="none") for j, part in enumerate(logits)
            ]
            found.append(torch.stack(by_column, 1)[:, order.argsort()])
        return found

    @torch.no_grad()
    def settle(
        self,
        wanted: Sequence[Tensor],
        slack: Sequence[Tensor],
        draws: torch.Generator,
        hurry: Callable[[], bool],
    ) -> None:
        """Move the heads' biases until rows drawn have each column's shares as ``wanted``: d tensors (K,), and by how much a share may
        be off.

        Steps leave each conditional distribution a little off on average, and what columns drawn first are off moves those after them.
        Shares are means of the net's own probabilities over rows drawn, which vary less than counts of them.
        """
        rows = max(min(SETTLE_ROWS, SETTLE_CELLS // len(self.columns)), 1)
        for net, order in zip(self.nets, self.orders, strict=True):
            for _ in range(SETTLE_ROUNDS):
                if hurry():
                    return
                found = self._shares(net, rows, draws)
                for bias, share, j in zip(net.biases(), found, order.tolist(), strict=True):
                    bias.add_(((wanted[j] + slack[j]) / (share + slack[j])).log())

    def _shares(self, net: MaskedNet, rows: int, draws: torch.Generator) -> list[Tensor]:
        """Return (K,) the mean probability of each code, in the net's order, over rows that the net draws."""
        sums = [torch.zeros(size, device=self.device) for size in net.cardinalities]
        for start in range(0, rows, JUDGED_AT_ONCE):
            count = min(JUDGED_AT_ONCE, rows - start)
            uniform = torch.rand(count, net.columns, generator=draws).to(self.device)
            codes = torch.zeros(count, net.columns, dtype=torch.long, device=self.device)
            nothing = torch.zeros_like(codes, dtype=torch.bool)
            self._fill_by(
                net, codes, nothing, uniform, 1.0, {}, {}, lambda j, logits: sums[j].add_(logits.softmax(1).sum(0))
            )
        return [total / rows for total in sums]

    def table(self, codes: Tensor, draws: torch.Generator) -> EncodedTable:
        """Return the encoded table of (n, d) codes."""
        seed = int(torch.randint(2**62, (), generator=draws))
        return with_residuals(self.columns, codes.cpu().numpy(), np.random.default_rng(seed))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"orders": self.orders.tolist()}, to_arrays(dict(self.net.state_dict()))

    def restore(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.net.load_state_dict(to_tensors(arrays), strict=False)  # offsets are whole numbers, and known


def nets(module: nn.Module) -> list[MaskedNet]:
    """The nets in a list of them."""
    return [net for net in module.children() if isinstance(net, MaskedNet)]


def _pick(logits: Tensor, uniform: Tensor) -> Tensor:
    """Return (n,) codes drawn by (n, K) logits: the first whose running sum of weights passes a uniform number's share of the whole."""
    sums = logits.sub(logits.amax(1, keepdim=True)).exp_().cumsum(1)
    whole = sums[:, -1]
    # rounded up to the whole itself, a share would be passed by no code
    share = torch.minimum(uniform * whole, whole.nextafter(torch.zeros_like(whole)))
    return torch.searchsorted(sums, share.unsqueeze(1), right=True).squeeze(1)
