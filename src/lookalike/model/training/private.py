"""Training under differential privacy (DP-SGD, Abadi et al. 2016, arXiv 1607.00133): settings, a plan that is paid for before the
first step, rows drawn as the accountant assumes, and noise that no seed repeats.

What a private training looks at, and nothing else: the counts of every column's codes, noised, and sums of clipped gradients of records,
noised. Both stand in the ledger before a row is touched. No rows are held out, no state is chosen, no loss on rows is told.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from lookalike import noise, stats
from lookalike.accountant import Mechanism, gaussian, poisson_gaussian
from lookalike.errors import PrivacyError, SettingsError
from lookalike.ledger import DELTA, Budget, Ledger
from lookalike.model.counts.noised import noised_counts
from lookalike.model.training.task import NetSettings
from lookalike.schema.encoded import EncodedTable

PRESETS = {
    "default": {"target_epsilon": 8.0, "noise_multiplier": 1.1, "max_grad_norm": 1.0},
    "balanced": {"target_epsilon": 10.0, "noise_multiplier": 0.8, "max_grad_norm": 1.5},
    "high-privacy": {"target_epsilon": 4.0, "noise_multiplier": 1.5, "max_grad_norm": 0.5},
}
COUNTS_SHARE = 0.1
"""Part of the budget (of its μ²) for the noised counts of all columns' codes."""
MOST_EPOCHS = 10_000
MICROBATCH = 1_000
"""Records whose gradients are taken at once: a Poisson sample of any size needs the memory of so many."""

FEWEST_STEPS = 400
"""Steps where nobody says how many epochs: a small table is gone through more often."""
SettingsType = TypeVar("SettingsType", bound="PrivateSettings")


class PrivateSettings(NetSettings):
    """What engines that train under differential privacy understand besides.

    Of ε, the noise multiplier and the epochs any two give the third; ε alone takes the engine's own number of epochs.

    Class attributes
    ----------------
    otherwise
        Defaults that are others under differential privacy.
    ruled_out
        Settings that have to be as they stand there under differential privacy, with the reason.
    private_epochs
        Epochs where nobody says how many.
    """

    otherwise: ClassVar[Mapping[str, Any]] = {}
    ruled_out: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "early_stopping": (False, "rows held out would have to be paid for"),
        "cuda_graph": (False, "a recorded step repeats its noise"),
    }
    private_epochs: ClassVar[int] = 20

    privacy: Literal["off", "default", "balanced", "high-privacy"] = Field(
        "off", description="differential privacy by name: ε 8, noise 1.1, clip 1 · ε 10, .8, 1.5 · ε 4, 1.5, .5"
    )
    target_epsilon: float | None = Field(None, gt=0, description="differential privacy: the ε to stay within")
    target_delta: float | None = Field(None, gt=0, lt=1, description="differential privacy: its δ; 1e-5 if unset")
    noise_multiplier: float | None = Field(
        None, gt=0, description="differential privacy: standard deviation of the noise, in clipping norms"
    )
    max_grad_norm: float | None = Field(
        None, gt=0, description="differential privacy: norm to which a record's gradient is clipped; 1 if unset"
    )

    @property
    def private(self) -> bool:
        """Whether differential privacy was asked for."""
        return self.privacy != "off" or self.target_epsilon is not None or self.noise_multiplier is not None

    def demanded(self, name: str) -> float | None:
        """A figure as it was set, else the preset's."""
        value = getattr(self, name)
        found = PRESETS.get(self.privacy, {}).get(name) if value is None else value
        return None if found is None else float(found)

    @property
    def asked_epsilon(self) -> float:
        """The ε that a whole run must stay within.

        Raises
        ------
        SettingsError
            It is left open: noise and epochs settle what training costs, not what learning the codes does.
        """
        epsilon = self.demanded("target_epsilon")
        if epsilon is None:
            raise SettingsError(
                f"a run from table to rows needs a budget, however: noise_multiplier={self.noise_multiplier} names none. "
                "Set target_epsilon, or --epsilon."
            )
        return epsilon

    @property
    def bound(self) -> float:
        """The clipping norm."""
        return self.demanded("max_grad_norm") or PRESETS["default"]["max_grad_norm"]

    @property
    def asked_epochs(self) -> int | None:
        """The epochs, where they were asked for."""
        return self.epochs if "epochs" in self.model_fields_set else None

    def privately(self: SettingsType) -> SettingsType:
        """Return the settings with what differential privacy asks for in place of what was not set.

        Raises
        ------
        SettingsError
            Something that cannot be private was set.
        """
        fixed = {name: value for name, (value, _) in self.ruled_out.items()}
        for name, value in fixed.items():
            if name in self.model_fields_set and getattr(self, name) != value:
                raise SettingsError(
                    f"under differential privacy {name} must be {value}, however: {name}={getattr(self, name)!r} ({self.ruled_out[name][1]}). "
                    "Leave it out."
                )
        changes = {
            name: value for name, value in {**self.otherwise, **fixed}.items() if name not in self.model_fields_set
        }
        return self.replace(**changes)

    def check_privacy(self) -> None:
        """Raise a SettingsError where ε, noise and epochs say too much or too little, or where what they need is not asked for."""
        for name in ("max_grad_norm", "target_delta"):
            if not self.private and getattr(self, name) is not None:
                raise SettingsError(
                    f"{name} goes with differential privacy, however: it stands without a budget. Set target_epsilon, or --epsilon."
                )
        if not self.private:
            return
        given = self.target_epsilon, self.noise_multiplier, self.asked_epochs
        if None not in given:
            raise SettingsError(
                "two of target_epsilon, noise_multiplier and epochs give the third, however: all three are set "
                f"({self.target_epsilon:g}, {self.noise_multiplier:g}, {self.epochs}). Leave one out."
            )
        if self.demanded("target_epsilon") is None and self.asked_epochs is None:
            raise SettingsError(
                "two of target_epsilon, noise_multiplier and epochs give the third, however: "
                f"noise_multiplier={self.noise_multiplier} stands alone. Set target_epsilon or epochs."
            )

    def ledger(self) -> Ledger:
        """A ledger of this training's own, for an encoded table whose columns (codes, edges) are public."""
        self.check_privacy()
        settled = self.noise_multiplier is not None and self.asked_epochs is not None
        epsilon = math.inf if settled else self.demanded("target_epsilon")
        assert epsilon is not None
        budget = Budget(epsilon=epsilon, delta=self.target_delta or DELTA)
        return Ledger(budget, public=["the columns' codes and what they stand for"])


@dataclass(frozen=True)
class Plan:
    """A private training, settled and paid for before its first step.

    Attributes
    ----------
    counts, deviations
        Per column (K,) each: noised counts of its codes, none negative, and the standard deviation of their noise.
    counted, counts_noise
        How many columns were counted for this training, and with how much noise in sensitivities; the others' counts came with them.
    rows
        Their noised number, or the public one.
    rate
        Probability with which each row takes part in a step.
    steps, epochs
        Steps in an epoch, and epochs.
    noise_multiplier, bound
        Standard deviation of the noise is their product (times the rows a subject may have); a record's gradient is clipped to the second.
    per_subject
        Rows a subject may have.
    """

    counts: list[np.ndarray]
    deviations: list[np.ndarray]
    counted: int
    counts_noise: float
    rows: float
    rate: float
    steps: int
    epochs: int
    noise_multiplier: float
    bound: float
    per_subject: int = 1

    @property
    def batch(self) -> float:
        """Rows expected in a step: what sums are divided by, whatever the sample's size."""
        return self.rate * self.rows

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise added to the sum of clipped gradients."""
        return self.noise_multiplier * self.bound * self.per_subject

    @property
    def mechanism(self) -> Mechanism:
        """Of all steps, as the ledger knows it."""
        return training(self.rate, self.noise_multiplier, self.steps * self.epochs, self.per_subject)

    @property
    def summary(self) -> dict[str, float]:
        """What may be told of it."""
        told = {name: value for name, value in asdict(self).items() if name not in ("counts", "deviations")}
        return told | {"batch": round(self.batch), "deviation": self.deviation}

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        arrays = {name: [part.tolist() for part in getattr(self, name)] for name in ("counts", "deviations")}
        return asdict(self) | arrays

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Plan:
        arrays = {name: [np.array(part) for part in document[name]] for name in ("counts", "deviations")}
        return cls(**{**document, **arrays})


def training(rate: float, sigma: float, steps: int, per_subject: int = 1) -> Mechanism:
    """DP-SGD as the ledger knows it.

    A subject's rows are drawn one by one, and the noise is in units of what all of them may move the sum by. The sample without the subject is
    met with probability (1 − rate)^rows; else it moves by at most that unit, and the divergence of a mixture is at most that of its worst part
    (joint convexity), so one row with rate 1 − (1 − rate)^rows is the worst case.
    """
    return poisson_gaussian(1 - (1 - rate) ** per_subject, sigma, steps)


def make_plan(table: EncodedTable, settings: PrivateSettings, ledger: Ledger) -> Plan:
    """Settle a training and write all it spends in the ledger.

    The rate follows from the number of rows, which is noised where it is not public, and the noise from the rate: the ledger composes
    them as if they had been fixed beforehand.

    Raises
    ------
    PrivacyError
        Not even the first epoch is within the budget. The noised counts are spent by then, the training is not begun.
    """
    settings.check_privacy()
    wanted, budget = settings.demanded("target_epsilon"), ledger.budget.epsilon
    if wanted is not None and wanted > budget:
        raise PrivacyError(
            f"target_epsilon is a part of the budget, however: {wanted:g} is more than ε = {budget:g}. Raise --epsilon."
        )
    share = 1.0 if wanted is None else wanted / budget
    counted = sum(column.measured is None for column in table.columns)
    counts_noise = _counts_noise(ledger, counted) if counted else 0.0
    pay_counts(counted, counts_noise, ledger)
    counts, deviations = noised_counts(table, counts_noise * ledger.rows_per_subject)
    rows = float(len(table)) if ledger.rows_are_public else max(float(np.median([part.sum() for part in counts])), 1.0)
    counts = [stats.onto_total(part, rows) for part in counts]
    steps = max(round(rows / settings.batch_size), 1)
    rate, each = 1 / steps, ledger.rows_per_subject
    sigma, epochs = settings.demanded("noise_multiplier"), settings.asked_epochs
    if sigma is not None and epochs is not None and settings.noise_multiplier is None and math.isfinite(budget):
        sigma = None  # a preset's noise gives way to epochs that were asked for
    if sigma is None:
        epochs = epochs or max(settings.private_epochs, math.ceil(FEWEST_STEPS / steps))
        in_all = steps * epochs
        sigma = ledger.calibrate(lambda sigma: training(rate, sigma, in_all, each), share=share).noise
    elif epochs is None:
        epochs = affordable(ledger, lambda epochs: training(rate, sigma, steps * epochs, each), share)
    plan = Plan(counts, deviations, counted, counts_noise, rows, rate, steps, epochs, sigma, settings.bound, each)
    pay(plan, ledger)
    return plan


def _counts_noise(ledger: Ledger, columns: int) -> float:
    """The noise of the counts, in sensitivities, that uses up its share of what is left (of the default budget, where ε is yet to be settled)."""
    if math.isinf(ledger.budget.epsilon):
        ledger = Ledger(Budget(epsilon=PRESETS["default"]["target_epsilon"], delta=ledger.budget.delta))
    return ledger.sigma(COUNTS_SHARE * ledger.unspent, columns, thresholds=ledger.thresholds)


def pay_counts(columns: int, sigma: float, ledger: Ledger) -> None:
    """Write the noised counts of some columns' codes in the ledger."""
    if columns:
        ledger.spend("marginals", gaussian(sigma, columns), f"the codes of {columns} columns")


def pay(plan: Plan, ledger: Ledger) -> None:
    """Write a training in the ledger, which refuses what is beyond the budget."""
    ledger.spend("training", plan.mechanism, "sums of clipped gradients of records")
    if math.isinf(ledger.budget.epsilon):  # noise and epochs were given, and they settle ε
        ledger.budget = ledger.budget.replace(epsilon=ledger.epsilon())


def affordable(ledger: Ledger, mechanism: Callable[[int], Mechanism], share: float = 1.0) -> int:
    """Return the most epochs that what is left of a share of the budget pays for.

    Raises
    ------
    PrivacyError
        Not even one.
    """
    ledger = copy.deepcopy(ledger)
    ledger.budget = ledger.budget.replace(epsilon=ledger.budget.epsilon * share)
    low, high = 0, 1
    while high <= MOST_EPOCHS and _fits(ledger, mechanism(high)):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fits(ledger, mechanism(middle)) else (low, middle)
    if not low:
        raise PrivacyError(
            f"at least one epoch must be within ε = {ledger.budget.epsilon:g} at δ = {ledger.budget.delta:g}, however: the first one with "
            f"noise_multiplier={mechanism(1).noise:g} is not. Raise the noise or ε, or lower batch_size. Nothing was trained."
        )
    return low


def _fits(ledger: Ledger, mechanism: Mechanism) -> bool:
    trial = copy.deepcopy(ledger)
    try:
        trial.spend("training", mechanism)
    except PrivacyError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------ mechanisms


def poisson_sample(rows: int, rate: float) -> np.ndarray:
    """Return the rows that take part: each on its own with probability ``rate``, by fresh entropy. It may be none.

    >>> poisson_sample(5, 1.0).tolist()
    [0, 1, 2, 3, 4]
    """
    return np.flatnonzero(noise.uniform(rows) < rate)


def add_noise(total: Tensor, deviation: float) -> None:
    """Add normal noise to a sum, in place, a number for each of its cells, by fresh entropy."""
    drawn = torch.from_numpy(noise.normal(total.numel()).reshape(total.shape))
    total.add_(drawn.to(total.device, total.dtype), alpha=deviation)


def microbatches(rows: np.ndarray) -> Sequence[np.ndarray]:
    """Cut a sample into parts whose gradients are taken at once; an empty sample has none."""
    return [rows[start : start + MICROBATCH] for start in range(0, len(rows), MICROBATCH)]
