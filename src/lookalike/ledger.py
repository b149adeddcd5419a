"""Who spent how much ε and δ, on what. Whatever looks at rows under differential privacy writes it here first, or does not run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import Field

from lookalike.accountant import Accountant, Mechanism, compose, gaussian_sigma
from lookalike.config import Settings
from lookalike.errors import PrivacyError

ROUNDING = 1e-6
"""An ε above the budget by no more than this relative share is the arithmetic of the accountant."""
EXACT = 5e-3
"""How near a calibrated noise multiplier is to the smallest one that will do."""
DELTA = 1e-5
"""δ where none is named, and how many rows there are may not be told: else see :func:`default_delta`."""


class Budget(Settings):
    """What may be spent in all.

    >>> Budget(epsilon=1, delta=1e-5)
    Budget(epsilon=1.0, delta=1e-05)
    """

    epsilon: float = Field(
        gt=0, description="ε: e^ε bounds how much likelier any outcome may be with a person than without"
    )
    delta: float = Field(gt=0, lt=1, description="δ: the probability with which that bound may fail")


class PrivacySettings(Settings):
    """Differential privacy: all that is published of a fit is private, but for the report."""

    epsilon: float | None = Field(None, gt=0, description="the privacy budget ε; unset gives no guarantee")
    delta: float | None = Field(
        None, gt=0, lt=1, description="the δ that goes with it; 1e-5 when unset, or less where many rows are public"
    )
    subject: str | None = Field(None, description="the column that says whose row it is, where one may have several")
    rows_per_subject: int = Field(
        1, ge=1, description="rows of one subject that count at most; more are left out, at random"
    )
    public_rows: bool = Field(False, description="the number of rows is no secret")
    domain_share: float | None = Field(
        None, gt=0, lt=1, description="part of the budget for codes: labels, bounds, bins; by rows and ε when unset"
    )

    def check(self) -> None:
        """Raise for what makes no sense together."""
        if self.epsilon is None and self.changed:
            given = ", ".join(self.changed)
            raise PrivacyError(
                f"settings of privacy go with a budget, however: {given} without epsilon. Name --epsilon."
            )
        if self.rows_per_subject > 1 and self.subject is None:
            raise PrivacyError(
                "rows_per_subject says how many rows of one subject count, however: no subject is named. Name its column with --subject."
            )


MOST_NAMED = 6
"""Columns of one spend that are named in words."""


class Spend(Settings):
    """One entry of the ledger."""

    purpose: str
    mechanism: Mechanism
    what: str = ""
    disjoint: tuple[str, str] | None = Field(
        None, description="(group, part): parts of a group see disjoint rows, so the dearest counts"
    )


class Ledger:
    """A privacy budget and everything that was spent of it.

    Parameters
    ----------
    budget
        Never exceeded: :meth:`spend` refuses first.
    rows_per_subject
        Neighbouring tables differ by this many rows at most, all of one subject; 1 protects a row.
    subject
        The column that says whose row it is; None where every row is a subject.
    public
        What is taken to be known to anyone, in words: it is not protected.
    rows_are_public
        Whether the number of rows may be used as it is.

    >>> from lookalike.accountant import gaussian
    >>> ledger = Ledger(Budget(epsilon=1, delta=1e-5))
    >>> ledger.spend("marginals", gaussian(5.0))
    >>> round(ledger.epsilon(), 3)
    0.726
    >>> ledger.spend("marginals", gaussian(5.0))
    Traceback (most recent call last):
    lookalike.errors.PrivacyError: what is spent must stay within ε = 1 at δ = 1e-05, however: ...
    """

    def __init__(
        self,
        budget: Budget,
        *,
        rows_per_subject: int = 1,
        subject: str | None = None,
        public: Iterable[str] = (),
        rows_are_public: bool = False,
    ) -> None:
        if rows_per_subject < 1:
            raise PrivacyError(f"a subject has one row at least, however: rows_per_subject={rows_per_subject}.")
        self.budget = budget
        self.rows_per_subject, self.subject = rows_per_subject, subject
        self.public, self.rows_are_public = list(public), rows_are_public
        self.spends: list[Spend] = []

    # ------------------------------------------------------------------------------------------------------- spending

    def spend(self, purpose: str, mechanism: Mechanism, what: str = "") -> None:
        """Write a spend down, before the mechanism runs.

        Parameters
        ----------
        purpose
            ``rows``, ``domain``, ``marginals``, ``training``.
        what
            On what, for the reader: names of columns.

        Raises
        ------
        PrivacyError
            It would exceed the budget; nothing is written down.
        """
        entry = Spend(purpose=purpose, mechanism=mechanism, what=what)
        would = _epsilon([*self.spends, entry], self.budget.delta, "pld")
        if not would <= self.budget.epsilon * (1 + ROUNDING):
            raise PrivacyError(
                f"what is spent must stay within ε = {self.budget.epsilon:g} at δ = {self.budget.delta:g}, however: with {purpose} "
                f"({mechanism.words}) it would be ε = {would:.4g}. Raise --epsilon, or ask for less."
            )
        self.spends.append(entry)

    def limited(self, share: float) -> Ledger:
        """The same account with a lower limit, ``share`` of the ε that is left: what is spent on it is spent on both."""
        spent = self.epsilon() if self.spends else 0.0
        lower = self._another(self.budget.replace(epsilon=spent + share * (self.budget.epsilon - spent)))
        lower.spends = self.spends
        return lower

    def branch(self) -> Ledger:
        """An account that goes on from what was spent here, for one of several disjoint parts of the rows; see :meth:`join`."""
        branch = self._another(self.budget)
        branch.spends = list(self.spends)
        return branch

    def join(self, group: str, branches: Mapping[str, Ledger]) -> None:
        """Write down what branches spent, each on a part of its own: of all of them together the dearest counts (parallel composition,
        McSherry 2009, "Privacy integrated queries", theorem 4).

        Raises
        ------
        PrivacyError
            A branch does not go on from this account.
        """
        known = len(self.spends)
        for part, branch in branches.items():
            if branch.spends[:known] != self.spends[:known]:
                raise PrivacyError(f"a branch goes on from the account it joins, however: that of {part!r} does not.")
        for part, branch in branches.items():
            self.spends += [one.replace(disjoint=(group, part)) for one in branch.spends[known:]]

    def _another(self, budget: Budget) -> Ledger:
        return Ledger(
            budget,
            rows_per_subject=self.rows_per_subject,
            subject=self.subject,
            public=self.public,
            rows_are_public=self.rows_are_public,
        )

    def epsilon(self, delta: float | None = None, *, accountant: Accountant = "pld") -> float:
        """The ε of all that was spent, composed, at δ (the budget's when left out); thresholds are taken off δ first."""
        return _epsilon(self.spends, self.budget.delta if delta is None else delta, accountant)

    @property
    def thresholds(self) -> float:
        """The part of δ that thresholds took."""
        return sum(entry.mechanism.delta for entry in self.spends)

    # ---------------------------------------------------------------------------------------------------- calibration

    def sigma(self, share: float, count: int = 1, *, thresholds: float = 0.0) -> float:
        """The noise, in sensitivities, with which ``count`` Gaussian tables use up ``share`` of the whole budget.

        Shares are of μ², which Gaussian tables add up exactly (Dong, Roth and Su 2022, "Gaussian differential privacy",
        corollary 3.3). ``thresholds`` is the part of δ that thresholds will have taken in the end.
        """
        if not 0 < share <= 1:
            raise PrivacyError(f"a share of the budget lies in (0, 1], however: share={share:g}.")
        return gaussian_sigma(self.budget.epsilon, self.budget.delta - thresholds) * math.sqrt(count / share)

    @property
    def unspent(self) -> float:
        """The share of the budget, as :meth:`sigma` counts it, that Gaussian tables may still use up, at the δ that thresholds
        have left; 0 once anything other than Gaussian tables was spent."""
        mechanisms = [entry.mechanism for entry in self.spends if entry.mechanism.kind != "threshold"]
        if any(one.kind != "gaussian" for one in mechanisms):
            return 0.0
        spent = sum(one.count / one.noise**2 for one in mechanisms)
        return max(1 - spent * self.sigma(1.0, thresholds=self.thresholds) ** 2, 0.0) * (1 - ROUNDING)

    def calibrate(self, mechanism: Callable[[float], Mechanism], *, share: float = 1.0) -> Mechanism:
        """The mechanism with the least noise that what is left still pays for.

        Parameters
        ----------
        mechanism
            Noise to mechanism, such as ``lambda sigma: poisson_gaussian(rate, sigma, steps)``.
        share
            The part of the whole ε that may be used at most, what was spent before included.

        >>> from lookalike.accountant import gaussian
        >>> ledger = Ledger(Budget(epsilon=8, delta=1e-5))
        >>> round(ledger.calibrate(lambda sigma: gaussian(sigma)).noise, 2)
        0.6
        """
        limit = self.budget.epsilon * share

        def fits(noise: float, accountant: Accountant = "pld") -> bool:
            entry = Spend(purpose="trial", mechanism=mechanism(noise))
            return _epsilon([*self.spends, entry], self.budget.delta, accountant) <= limit

        high = 1.0
        while not fits(high, "rdp"):  # RDP is the looser and by far the quicker accountant: what it allows will do
            high *= 1.5
            if high > 1e6:
                raise PrivacyError(
                    f"there must be budget left to spend, however: no noise brings this within ε = {limit:.4g} at δ = {self.budget.delta:g}. "
                    "Raise --epsilon, or spend less before."
                )
        while fits(high / 1.2, "rdp"):
            high /= 1.2
        low = high / 1.2
        while fits(low):
            low, high = low / 1.2, low
        return mechanism(_bisect(fits, low, high)[1])

    # ---------------------------------------------------------------------------------------------------------- words

    @property
    def protects(self) -> str:
        """The neighbouring relation in words."""
        if self.subject is None and self.rows_per_subject == 1:
            return "one row, added or removed"
        whose = "one subject" if self.subject is None else f"one subject (all rows of one {self.subject!r})"
        return f"{whose} with at most {self.rows_per_subject} rows, added or removed"

    def purposes(self) -> dict[str, float]:
        """What each purpose alone would cost, in ε at the budget's δ; together they cost less than the sum."""
        names = list(dict.fromkeys(entry.purpose for entry in self.spends))
        return {
            name: _epsilon([entry for entry in self.spends if entry.purpose == name], self.budget.delta, "pld")
            for name in names
        }

    def describe(self) -> list[tuple[str, str]]:
        """Everything a privacy officer asks, as (question, answer)."""
        spent, check = self.epsilon(), self.epsilon(accountant="rdp")
        lines = [
            ("guarantee", f"(ε = {self.budget.epsilon:g}, δ = {self.budget.delta:g})-differential privacy"),
            (
                "spent",
                f"ε = {spent:.4g} at δ = {self.budget.delta:g}, composed by privacy loss distributions (RDP: {check:.4g})",
            ),
            ("protects", self.protects),
            ("row count", "public" if self.rows_are_public else "not public: known with noise alone"),
        ]
        rates = sorted({s.mechanism.sampling_rate for s in self.spends if s.mechanism.kind == "poisson_gaussian"})
        if rates:
            lines.append(
                ("sampling", "each row takes part in a step with probability " + ", ".join(f"{r:.4g}" for r in rates))
            )
        for name, alone in self.purposes().items():
            on: dict[str, list[str]] = {}
            for entry in self.spends:
                if entry.purpose == name:
                    on.setdefault(entry.mechanism.words, []).append(entry.what)
            words = [f"{_listed(what)} {mechanism}".strip() for mechanism, what in on.items()]
            lines.append((name, f"ε = {alone:.3g} alone; " + "; ".join(words)))
        lines.append(("public", "; ".join(self.public) or "nothing"))
        return lines

    def __repr__(self) -> str:
        return "\n".join(f"{label:<10} {text}" for label, text in self.describe())

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "budget": self.budget.model_dump(),
            "rows_per_subject": self.rows_per_subject,
            "subject": self.subject,
            "public": self.public,
            "rows_are_public": self.rows_are_public,
            "spends": [entry.model_dump(mode="json", exclude_defaults=True) for entry in self.spends],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Ledger:
        """The inverse of :meth:`to_dict`."""
        ledger = cls(
            Budget.build(document["budget"]),
            rows_per_subject=document["rows_per_subject"],
            subject=document["subject"],
            public=document["public"],
            rows_are_public=document["rows_are_public"],
        )
        ledger.spends = [Spend.build(entry) for entry in document["spends"]]
        return ledger


def _listed(what: list[str]) -> str:
    """On what something was spent, each with how often: the first few, since a wide table would fill a page (:meth:`Ledger.to_dict` has all).

    >>> _listed(["age", "town", "age"]), _listed(list("abcdefgh"))
    ('age (2×), town: each', 'a, b, c and 5 more: each')
    """
    found = {name: what.count(name) for name in what if name}
    names = [f"{name} ({times}×)" if times > 1 else name for name, times in found.items()]
    if len(names) > MOST_NAMED:
        names = [*names[:2], f"{names[2]} and {len(names) - 3} more"]
    return ", ".join(names) + (": each" if len(what) > 1 else ":") if names else ""


def default_delta(rows: int) -> float:
    """δ where none is named and the number of rows is public: 1e-5, or a tenth of one in so many rows where that is less. It must lie
    well below 1/rows, or to publish a random row outright would be private.

    >>> default_delta(5_000), default_delta(1_000_000)
    (1e-05, 1e-07)
    """
    return min(DELTA, 10.0 ** -math.ceil(math.log10(max(rows, 1)) + 1))


# ----------------------------------------------------------------------------------------------------------- accounting


def _epsilon(spends: list[Spend], delta: float, accountant: Accountant) -> float:
    """ε of spends composed: everything sequential, with the dearest part of each disjoint group."""
    groups: dict[str, set[str]] = {}
    for entry in spends:
        if entry.disjoint is not None:
            groups.setdefault(entry.disjoint[0], set()).add(entry.disjoint[1])
    choices = [[(group, part) for part in sorted(parts)] for group, parts in sorted(groups.items())]
    costs = []
    for chosen in itertools.product(*choices):
        seen = [entry.mechanism for entry in spends if entry.disjoint is None or entry.disjoint in chosen]
        costs.append(compose(seen, delta, accountant))
    return max(costs)


def _bisect(fits: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Narrow (too little, enough) noise down to a relative ``EXACT``."""
    while high / low > 1 + EXACT:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return low, high
