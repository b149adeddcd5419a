"""Members of an ensemble under one privacy budget: in parallel on disjoint parts of the rows, one after the other otherwise."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from lookalike import noise, registry
from lookalike.errors import PrivacyError
from lookalike.ledger import Ledger
from lookalike.model.base import Generator
from lookalike.model.members.member import Plan, Trained
from lookalike.model.members.settings import EnsembleSettings
from lookalike.rng import derive_seed
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

GROUP = "members"


def check(settings: EnsembleSettings, rows_per_subject: int) -> None:
    """Raise a PrivacyError for an ensemble that cannot keep to a budget."""
    unable = [member.engine for member in settings.members if not member.kind.takes_ledger]
    if unable:
        raise PrivacyError(
            f"under a privacy budget every member writes what it spends in the ledger, however: {', '.join(unable)} does not. "
            "Name members among autoregressive, ctgan and marginals."
        )
    if settings.weights == "learned":
        raise PrivacyError(
            "under a privacy budget nothing looks at rows uncharged, however: weights='learned' holds members against rows. Use equal or given."
        )
    if settings.disjoint and rows_per_subject > 1:
        raise PrivacyError(
            f"disjoint parts share no subject, however: a subject may have {rows_per_subject} rows. Leave disjoint off."
        )
    for name in ("workers", "cluster"):
        if getattr(settings, name) is not None:
            raise PrivacyError(
                f"under a privacy budget members train one after the other in one process, which holds the ledger, however: "
                f"{name}={getattr(settings, name)!r}. Leave it out."
            )


def train_within(
    plans: list[Plan], shares: list[float], disjoint: bool, table: EncodedTable, run: Run, ledger: Ledger
) -> list[tuple[Plan, Trained]]:
    """Train all members in this process and pay for them.

    Each row goes to a part by a fresh coin of its own, so that no other row's part depends on whether it is there. On disjoint parts every
    member may spend all that is left; otherwise those that count go first, as what they pay adds up exactly, and all share
    the ε that is left.
    """
    parts = _parts(len(table), shares, disjoint)
    branches = {plan.label: ledger.branch() for plan in plans} if disjoint else {}
    order = sorted(range(len(plans)), key=lambda place: plans[place].engine != "marginals")
    found: dict[int, tuple[Plan, Trained]] = {}
    for done, place in enumerate(order):
        plan = dataclasses.replace(plans[place], rows=parts[place])
        account = branches[plan.label] if disjoint else ledger.limited(1 / (len(plans) - done))
        run.show("training", done, len(plans), plan.label)
        found[place] = plan, _trained(plan, _part(table, plan.rows, shares[place]), run, account, len(plans) - done)
        if run.interrupted:
            break
    ledger.join(GROUP, branches)
    return [found[place] for place in sorted(found)]


def _trained(plan: Plan, table: EncodedTable, run: Run, ledger: Ledger, left: int) -> Trained:
    start, mine = time.monotonic(), Run()
    if run.deadline is not None:
        mine.deadline = start + run.seconds_left / left
    model: Generator = registry.load(registry.ENGINES, plan.engine, "engine")(plan.settings)
    # a member that takes no ledger was refused above, and the base class's fit has none
    model.fit(table, seed=derive_seed(plan.seed, "fit"), run=mine, ledger=ledger)  # type: ignore[call-arg]
    run.interrupted = run.interrupted or mine.interrupted
    return Trained(model, mine.losses, mine.notes, round(time.monotonic() - start), not mine.interrupted)


def _parts(rows: int, shares: list[float], disjoint: bool) -> list[np.ndarray]:
    """Which rows each member learns from."""
    if not disjoint:
        return [np.arange(rows) if share == 1 else np.flatnonzero(noise.uniform(rows) < share) for share in shares]
    place = np.searchsorted(np.cumsum(shares), noise.uniform(rows))
    return [np.flatnonzero(place == part) for part in range(len(shares))]


def _part(table: EncodedTable, rows: np.ndarray, share: float) -> EncodedTable:
    """The rows, with what is known of all of them scaled to a part."""
    columns = table.columns if share == 1 else tuple(_scaled(column, share) for column in table.columns)
    return EncodedTable(columns, table.codes[rows], table.residuals[rows])


def _scaled(column: EncodedColumn, share: float) -> EncodedColumn:
    if column.measured is None or column.deviations is None:
        return column
    # noise and the draw of the part, as variances
    spread = share**2 * column.deviations**2 + share * (1 - share) * np.maximum(column.measured, 0)
    return dataclasses.replace(column, measured=share * column.measured, deviations=np.sqrt(spread))
