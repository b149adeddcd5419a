"""The engine marginals: all tables of one and two columns, noised where there is a budget, and a mixture that fits them.

The rows are looked at once, to count; all else is post-processing. Selecting few tables and fitting a graphical model to them
(McKenna, Miklau and Sheldon 2021, "Winning the NIST contest"; 2022, "AIM", arXiv 2201.12677) is the usual way. Here *every* pair
is counted, on codes joined to groups so coarse that the noise allows it, and a mixture of products of independent columns is
fitted to all of them at once by least squares (as Liu, Vietri and Wu 2021, "Iterative methods for private synthetic data",
fit theirs), stopped where the misfit is what the noise alone would leave.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lookalike import noise
from lookalike.accountant import gaussian
from lookalike.ledger import Ledger
from lookalike.model.base import EngineSettings, Generator, not_fitted
from lookalike.model.counts.groups import Groups, group_columns
from lookalike.model.counts.mixture import Counts, Mixture, fit_mixture
from lookalike.model.counts.noised import noised_counts
from lookalike.model.intervals import with_residuals
from lookalike.rng import generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

BLOCK_CELLS = 2**24
SINGLES_SHARE = 0.2
"""Part of what is left of the budget that goes to tables of one column, where none were paid for when codes were made."""


class MarginalsSettings(EngineSettings):
    """Settings of the engine marginals."""

    components: int = Field(800, ge=1, le=10_000, description="products of independent columns that are mixed")
    groups: int | None = Field(
        None,
        ge=2,
        le=200,
        description="groups a column's codes are joined to at most; chosen by rows and noise when unset",
    )
    iterations: int = Field(1_500, ge=1, description="steps of the fit to the counts at most")
    misfit: float = Field(
        0.85, gt=0, description="the fit stops where its squared error is so many times what the counts' noise explains"
    )


class Marginals(Generator):
    """All pairs of columns counted once, and a mixture of products fitted to the counts.

    Fitted with a ledger, the counts are noised and paid for; without one they are exact, and the mixture stops where it
    would begin to fit what another sample of the same population would not show.
    """

    name: ClassVar[str] = "marginals"
    Settings: ClassVar[type[EngineSettings]] = MarginalsSettings
    intervals: ClassVar[Literal["modes", "quantiles"]] = "quantiles"
    takes_ledger: ClassVar[bool] = True
    settings: MarginalsSettings

    def __init__(self, settings: EngineSettings | None = None) -> None:
        super().__init__(settings)
        self._columns: tuple[EncodedColumn, ...] = ()
        self._groups = Groups.none()
        self._mixture = Mixture.none()

    # --------------------------------------------------------------------------------------------------------- fitting

    def fit(self, table: EncodedTable, *, seed: int, run: Run, ledger: Ledger | None = None) -> None:
        """The seed draws where the fit starts; no seed draws the noise."""
        pairs = list(combinations(range(len(table.columns)), 2))
        singles, deviations = self._count_singles(table, pairs, ledger)
        sigma = self._sigma_of_pairs(ledger, len(pairs))
        rows = max(float(np.mean([np.maximum(counts, 0).sum() for counts in singles])), 1.0)
        deviation = math.sqrt(rows) / 10 if ledger is None else sigma * ledger.rows_per_subject
        most = self.settings.groups or default_groups(rows, deviation)
        groups = group_columns(table.columns, singles, most)
        counts = self._count_pairs(table, groups, pairs, sigma, ledger)
        known = Counts.of(groups, singles, deviations, counts, pairs, deviation, ledger is None)
        mixture = fit_mixture(
            known,
            self.settings.components,
            iterations=self.settings.iterations,
            misfit=self.settings.misfit,
            rng=generator(seed, "marginals"),
            run=run,
        )
        self._columns, self._groups, self._mixture = table.columns, groups, mixture

    def _count_singles(
        self, table: EncodedTable, pairs: list[tuple[int, int]], ledger: Ledger | None
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Each column's counts of codes (K,), and the deviations of their noise (K,)."""
        if ledger is None:
            exact = [
                np.bincount(table.codes[:, j], minlength=column.cardinality).astype(np.float64)
                for j, column in enumerate(table.columns)
            ]
            return exact, [np.sqrt(np.maximum(counts, 1.0)) / 2 for counts in exact]
        unpaid = [column.name for column in table.columns if column.measured is None]
        sigma = 0.0
        if unpaid:
            share = (SINGLES_SHARE if pairs else 1.0) * ledger.unspent
            sigma = ledger.sigma(share, len(unpaid), thresholds=ledger.thresholds)
        for name in unpaid:
            ledger.spend("marginals", gaussian(sigma), name)
        return noised_counts(table, sigma * ledger.rows_per_subject)

    def _sigma_of_pairs(self, ledger: Ledger | None, pairs: int) -> float:
        """The noise of each pair, in sensitivities: what is left of the budget, spent evenly, and written down."""
        if ledger is None or not pairs:
            return 0.0
        sigma = ledger.sigma(ledger.unspent, pairs, thresholds=ledger.thresholds)
        ledger.spend("marginals", gaussian(sigma, pairs), "every pair of columns")
        return sigma

    def _count_pairs(
        self, table: EncodedTable, groups: Groups, pairs: list[tuple[int, int]], sigma: float, ledger: Ledger | None
    ) -> list[np.ndarray]:
        coarse = groups.of(table.codes)
        counted = []
        for i, j in pairs:
            shape = groups.sizes[i], groups.sizes[j]
            counts = np.bincount(coarse[:, i] * shape[1] + coarse[:, j], minlength=shape[0] * shape[1]).reshape(shape)
            if ledger is not None:
                counts = counts + noise.integers(shape, sigma * ledger.rows_per_subject)
            counted.append(counts.astype(np.float64))
        return counted

    # -------------------------------------------------------------------------------------------------------- sampling

    def sample(
        self, rows: int, *, seed: int, conditions: Mapping[int, int] | None = None, temperature: float = 1.0
    ) -> EncodedTable:
        """Rows are spread evenly over the mixture, so that they lie nearer to it than independent draws would; conditions
        are met exactly, from the conditional distribution."""
        columns, rng = self._known, generator(seed, "sample")
        fixed = {j: int(self._groups.groups[j][code]) for j, code in (conditions or {}).items()}
        coarse = self._mixture.given(fixed).sample(rows, rng)
        codes = self._groups.finer(coarse, rng)
        for j, code in (conditions or {}).items():
            codes[:, j] = code
        return with_residuals(columns, codes, rng)

    def complete(
        self, table: EncodedTable, known: np.ndarray, *, seed: int, barred: Mapping[int, int] | None = None
    ) -> EncodedTable:
        """Exactly from the conditional distribution of the unknown cells given the known ones."""
        columns, rng = self._known, generator(seed, "complete")
        groups, allowed = self._groups.without(barred or {})
        codes = table.codes.copy()
        for block in self._blocks(len(table)):
            coarse = self._mixture.complete(self._groups.of(codes[block]), known[block], allowed, rng)
            codes[block] = np.where(known[block], codes[block], groups.finer(coarse, rng))
        drawn = with_residuals(columns, codes, rng)
        return EncodedTable(columns, codes, np.where(known, table.residuals, drawn.residuals))

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        return self.evidence(table, np.ones(table.codes.shape, bool))

    def evidence(self, table: EncodedTable, known: np.ndarray) -> np.ndarray:
        coarse = self._groups.of(table.codes)
        parts = [self._mixture.likelihood(coarse[block], known[block]) for block in self._blocks(len(table))]
        within = self._groups.likelihood(table.codes, known)
        return np.asarray((np.concatenate(parts) if parts else np.zeros(0)) + within)

    def _blocks(self, rows: int) -> list[slice]:
        """Rows that are looked at together, as many as memory has room for beside the mixture."""
        size = max(BLOCK_CELLS // (len(self._mixture.weights) * 4), 1)
        return [slice(start, start + size) for start in range(0, rows, size)]

    # ----------------------------------------------------------------------------------------------------------- state

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        _ = self._known
        arrays = {
            "weights": self._mixture.weights,
            "shares": self._mixture.shares,
            "groups": np.concatenate(self._groups.groups),
            "within": np.concatenate(self._groups.within),
        }
        return {}, {name: array.astype(np.float32) for name, array in arrays.items()}

    @classmethod
    def from_state(
        cls,
        columns: tuple[EncodedColumn, ...],
        settings: EngineSettings,
        state: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> Marginals:
        engine = cls(settings)
        engine._columns = columns
        ends = np.cumsum([column.cardinality for column in columns])[:-1]
        engine._groups = Groups(
            [part.astype(np.int64) for part in np.split(arrays["groups"], ends)],
            [part.astype(np.float64) for part in np.split(arrays["within"], ends)],
        )
        engine._mixture = Mixture(
            arrays["weights"].astype(np.float64), arrays["shares"].astype(np.float64), engine._groups.starts
        )
        return engine

    @property
    def _known(self) -> tuple[EncodedColumn, ...]:
        if not self._columns:
            raise not_fitted(self.name)
        return self._columns


def default_groups(rows: float, deviation: float) -> int:
    """Groups a column: as many as keep a pair's cells, evenly filled, some deviations above the noise.

    Measured on Adult: 12 at ε = 1 and 30 at ε = 8 were best.

    >>> default_groups(24_000, 43.0), default_groups(24_000, 7.0), default_groups(500, 43.0)
    (11, 29, 2)
    """
    return int(np.clip(math.sqrt(rows / max(deviation, 1.0)) / 2, 2, 48))
