"""Which figures a limit can be set on, and the limits.

One table names them: where each stands in the scorecard, which way is good, and what it says in plain words. A new figure is a line
there, its limit in :class:`Thresholds`, and its names in the report (``safety.TERMS`` or ``overview.SHARES``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from lookalike.config import Settings

Bound = Literal["at least", "at most"]


class Thresholds(Settings):
    """Where a figure passes. Unset: the figure is shown without a verdict unless a limit is given.

    ``pairs_shortfall`` has none: sdmetrics cuts each table's numbers between its own extremes, so on columns with long
    tails two real samples of 2,000 rows were .168 apart. ``bivariate_shortfall`` judges pairs on common bins.

    What a table can reach depends on the table, so by default likeness and usefulness are held against what a fresh real
    sample scores on it, and an absolute limit is for the user to set.
    """

    accuracy: float | None = Field(None, ge=0, le=1, description="bins of one, two, three columns alike, at least")
    quality: float | None = Field(None, ge=0, le=1, description="sdmetrics' quality score, at least")
    column_shapes: float | None = Field(None, ge=0, le=1, description="columns one by one alike, at least")
    pair_trends: float | None = Field(None, ge=0, le=1, description="pairs of columns alike, at least")
    diagnostic: float | None = Field(None, ge=0, le=1, description="valid cells and structure, at least")
    diagnostic_shortfall: float | None = Field(
        0.005, ge=-1, le=1, description="valid cells and structure, below a fresh real sample, at most"
    )
    detection_auc: float | None = Field(None, ge=0, le=1, description="told apart from real rows by trees, at most")
    columns_shortfall: float | None = Field(
        0.05, ge=-1, le=1, description="columns one by one, below a fresh real sample, at most"
    )
    pairs_shortfall: float | None = Field(
        None, ge=-1, le=1, description="clearly tied pairs of columns, below a fresh real sample, at most"
    )
    worst_column_shortfall: float | None = Field(
        0.08, ge=-1, le=1, description="the worst column, or its missing cells, below a fresh real sample, at most"
    )
    worst_pair_shortfall: float | None = Field(
        0.6, ge=-1, description="part of a clear tie of two columns lost, below a fresh real sample, at most"
    )
    repeated_rows: float | None = Field(
        0.05, ge=-1, le=1, description="rows repeated within the table, beyond how many real rows are, at most"
    )
    accuracy_shortfall: float | None = Field(
        0.03, ge=-1, le=1, description="bins of one, two, three columns, below a fresh real sample, at most"
    )
    bivariate_shortfall: float | None = Field(
        0.03, ge=-1, le=1, description="bins of two columns, below a fresh real sample, at most"
    )
    dependencies_broken: float | None = Field(
        0.001,
        ge=0,
        le=1,
        description="rows that break a rule all real rows keep, beyond what the holdout breaks, at most",
    )
    constraints_broken: float | None = Field(
        None, ge=0, le=1, description="rows that break a constraint, beyond what the holdout breaks, at most"
    )
    detection_excess: float | None = Field(
        0.2, ge=-1, le=1, description="told apart by trees, beyond a fresh real sample, at most"
    )
    utility: float | None = Field(
        None, ge=0, description="score of models trained on it over that of real rows, at least"
    )
    utility_difference: float | None = Field(
        -0.05, le=1, description="score of models trained on it minus that of real rows, at least"
    )
    exact_copies: float | None = Field(
        0.001, ge=0, le=1, description="training rows repeated in full, beyond chance, at most"
    )
    holdout_copies: float | None = Field(
        0.001, ge=0, le=1, description="rows kept back repeated in full, beyond chance, at most"
    )
    dcr_share: float | None = Field(0.52, ge=0, le=1, description="rows nearer to training than holdout rows, at most")
    nndr_ratio: float | None = Field(
        0.5, ge=0, description="tenth-smallest distance ratio, over the holdout's, at least"
    )
    nndr_excess: float | None = Field(
        0.02, ge=-1, le=1, description="rows leaning on one real row, beyond chance, at most"
    )
    overfitting_protection: float | None = Field(None, ge=0, le=1, description="sdmetrics' DCR score, at least")
    baseline_protection: float | None = Field(None, ge=0, le=1, description="sdmetrics' DCR score, at least")
    rare_levels: float | None = Field(0.05, ge=-1, le=1, description="rare labels shown again, beyond chance, at most")
    extremes: float | None = Field(0.05, ge=-1, le=1, description="extreme numbers shown again, beyond chance, at most")
    outliers: float | None = Field(0.01, ge=-1, le=1, description="outliers nearly copied, beyond chance, at most")
    loners: float | None = Field(0.0, ge=-1, le=1, description="people unlike all others nearly copied, at most")
    singling_out_one: float | None = Field(0.05, ge=-1, le=1, description="people singled out by one value, at most")
    singling_out_many: float | None = Field(0.05, ge=-1, le=1, description="people singled out by several, at most")
    linkability: float | None = Field(0.05, ge=-1, le=1, description="halves of a person's row linked, at most")
    inference: float | None = Field(0.05, ge=-1, le=1, description="secret cells inferred, mean of columns, at most")
    inference_worst: float | None = Field(0.1, ge=-1, le=1, description="secret cells inferred, worst column, at most")
    membership_auc: float | None = Field(0.52, ge=0, le=1, description="training rows told by distance, AUC, at most")
    membership_density_auc: float | None = Field(0.52, ge=0, le=1, description="the same by density, AUC, at most")
    membership_tpr: float | None = Field(0.02, ge=0, le=1, description="found at 1 % false alarms, at most")


@dataclass(frozen=True)
class Figure:
    """One figure of the scorecard.

    Attributes
    ----------
    bound
        Which side of its limit is good.
    plain
        What it says, in plain words.
    path, interval
        Where value and interval stand, keys joined by dots; no interval where the figure is exact.
    beyond
        Where a chance level stands that is subtracted first; nothing is subtracted where it is missing.
    above, short_of
        Where a fresh real sample's value stands, if the figure is how far the table is above it, or below it; missing
        where that is missing.
    holdout
        Whether its yardstick is the rows that were kept back, so that it needs enough of them.
    people
        Where counts of people stand, {possible, compared, fresh}, if two of them are enough once none is found among as
        many fresh rows: one is near by accident in one fresh sample of twelve.
    """

    bound: Bound
    plain: str
    path: str
    interval: str | None = None
    beyond: str | None = None
    above: str | None = None
    short_of: str | None = None
    holdout: bool = True
    people: str | None = None


FIGURES: Mapping[str, Figure] = {
    "accuracy": Figure("at least", "alike in one, two and three columns", "fidelity.accuracy.overall", holdout=False),
    "quality": Figure("at least", "alike by sdmetrics' score", "fidelity.quality", holdout=False),
    "column_shapes": Figure("at least", "columns alike", "fidelity.column_shapes", holdout=False),
    "pair_trends": Figure("at least", "pairs of columns alike", "fidelity.pair_trends", holdout=False),
    "diagnostic": Figure("at least", "valid cells and structure", "diagnostic.score", holdout=False),
    # sdmetrics calls anything under 1 a fault, but a fresh real sample has new extremes and new rare labels too
    "diagnostic_shortfall": Figure(
        "at most",
        "less valid than a fresh sample",
        "diagnostic.score",
        "diagnostic.interval",
        short_of="diagnostic.fresh.score",
    ),
    "detection_auc": Figure(
        "at most", "told apart from real rows", "fidelity.detection.auc", "fidelity.detection.interval"
    ),
    **{
        name: Figure(
            "at most",
            plain,
            f"fidelity.{before}even.{figure}",
            "fidelity.accuracy.even.bivariate_interval" if figure == "bivariate" else None,
            short_of=f"fidelity.{before}fresh.{figure}",
        )
        for name, plain, before, figure in (
            ("columns_shortfall", "columns less alike than in a fresh sample", "", "column_shapes"),
            ("pairs_shortfall", "pairs less alike than in a fresh sample", "", "pair_trends"),
            ("accuracy_shortfall", "bins less alike than in a fresh sample", "accuracy.", "overall"),
            ("bivariate_shortfall", "pairs of bins less alike than in a fresh sample", "accuracy.", "bivariate"),
        )
    },
    "worst_column_shortfall": Figure(
        "at most",
        "a column less alike than in a fresh sample",
        "fidelity.worst_column.shortfall",
        "fidelity.worst_column.interval",
    ),
    "worst_pair_shortfall": Figure(
        "at most",
        "a tie between two columns lost",
        "fidelity.worst_pair.shortfall",
        "fidelity.worst_pair.interval",
    ),
    "repeated_rows": Figure(
        "at most",
        "rows repeated within the table",
        "fidelity.repeated.excess",
        "fidelity.repeated.excess_interval",
        holdout=False,
    ),
    "dependencies_broken": Figure(
        "at most",
        "rows that break a rule between columns",
        "fidelity.dependencies.excess",
        "fidelity.dependencies.excess_interval",
        holdout=False,
    ),
    "constraints_broken": Figure(
        "at most",
        "rows that break a constraint",
        "fidelity.constraints.broken",
        beyond="fidelity.constraints.fresh",
        holdout=False,
    ),
    "detection_excess": Figure(
        "at most",
        "told apart more than a fresh sample",
        "fidelity.detection.auc",
        "fidelity.detection.interval",
        above="fidelity.detection.fresh.auc",
    ),
    "utility": Figure("at least", "useful for training models", "utility.headline.ratio"),
    "utility_difference": Figure(
        "at least", "models as good as from real rows", "utility.headline.difference", "utility.headline.interval"
    ),
    "exact_copies": Figure(
        "at most",
        "training rows repeated in full",
        "privacy.exact_copies.excess",
        "privacy.exact_copies.excess_interval",
        holdout=False,
    ),
    # rows that were kept back are people as well, and no engine that never saw them repeats them
    "holdout_copies": Figure(
        "at most",
        "kept-back rows repeated in full",
        "privacy.exact_copies.holdout.excess",
        "privacy.exact_copies.holdout.excess_interval",
        holdout=False,
    ),
    "dcr_share": Figure("at most", "closer to training rows", "privacy.closeness.share", "privacy.closeness.interval"),
    "nndr_ratio": Figure(
        "at least", "closest rows no closer than chance", "privacy.nndr.ratio", "privacy.nndr.interval"
    ),
    "nndr_excess": Figure(
        "at most", "rows leaning on one person", "privacy.nndr.excess", "privacy.nndr.excess_interval"
    ),
    "overfitting_protection": Figure(
        "at least",
        "no closer to training rows, by sdmetrics",
        "privacy.protection.overfitting",
        "privacy.protection.overfitting_interval",
    ),
    "baseline_protection": Figure(
        "at least",
        "as far from training rows as noise",
        "privacy.protection.baseline",
        "privacy.protection.interval",
        holdout=False,
    ),
    **{
        name: Figure(
            "at most",
            plain,
            f"privacy.leakage.{name}.excess",
            f"privacy.leakage.{name}.excess_interval",
            people="privacy.leakage.loners" if name == "loners" else None,
        )
        for name, plain in {
            "rare_levels": "rare labels shown again",
            "extremes": "extreme numbers shown again",
            "outliers": "outliers nearly copied",
            "loners": "people unlike all others nearly copied",
        }.items()
    },
    **{
        name: Figure("at most", plain, f"privacy.attacks.{path}.risk", f"privacy.attacks.{path}.interval")
        for name, path, plain in (
            ("singling_out_one", "singling_out_one", "singled out by one value"),
            ("singling_out_many", "singling_out_many", "singled out by several values"),
            ("linkability", "linkability", "halves of a row linked"),
            ("inference", "inference", "secret cells inferred"),
            ("inference_worst", "inference.worst", "secret cells inferred, worst column"),
        )
    },
    "membership_auc": Figure(
        "at most",
        "membership guessed by distance",
        "privacy.membership.distance.auc",
        "privacy.membership.distance.auc_interval",
    ),
    "membership_density_auc": Figure(
        "at most",
        "membership guessed by density",
        "privacy.membership.density.auc",
        "privacy.membership.density.auc_interval",
    ),
    "membership_tpr": Figure(
        "at most",
        "members found at 1 % false alarms",
        "privacy.membership.density.tpr_at_1",
        "privacy.membership.density.tpr_at_1_interval",
    ),
}
