"""Which figures a limit can be set on, and the limits.

A new figure is one field of :class:`Thresholds`: its limit, where it stands in the scorecard, which way is good, and its words and unit
for whoever shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from lookalike.config import Settings

Bound = Literal["at least", "at most"]
Kind = Literal["fidelity", "privacy", "utility"]


@dataclass(frozen=True)
class Figure:
    """One figure of the scorecard.

    Attributes
    ----------
    bound
        Which side of its limit is good.
    plain, term
        What it says, in plain words, and what the field calls it.
    path, interval
        Where its value stands, keys joined by dots, and the key beside it that holds its interval; none where it is exact.
    beyond
        Where a chance level stands that is subtracted first; nothing is subtracted where it is missing.
    above, short_of
        Where a fresh real sample's value stands, if the figure is how far the table is above it, or below it; missing
        where that is missing.
    unit
        Whether it reads best as a score or in per cent.
    holdout
        Whether its yardstick is the rows that were kept back, so that it needs enough of them.
    people
        Where counts of people stand, {possible, compared, fresh}, if two of them are enough once none is found among as
        many fresh rows: one is near by accident in one fresh sample of twelve.
    """

    bound: Bound
    plain: str
    term: str
    path: str
    interval: str | None = None
    beyond: str | None = None
    above: str | None = None
    short_of: str | None = None
    unit: Literal["score", "share"] = "score"
    holdout: bool = True
    people: str | None = None

    @property
    def kind(self) -> Kind:
        """What it is about.

        >>> FIGURES["dcr_share"].kind, FIGURES["diagnostic"].kind, FIGURES["utility"].kind
        ('privacy', 'fidelity', 'utility')
        """
        part = self.path.split(".")[0]
        return "privacy" if part == "privacy" else "utility" if part == "utility" else "fidelity"


class Thresholds(Settings):
    """Where a figure passes. Unset: the figure is shown without a verdict unless a limit is given.

    ``pairs_shortfall`` has none: sdmetrics cuts each table's numbers between its own extremes, so on columns with long
    tails two real samples of 2,000 rows were .168 apart. ``bivariate_shortfall`` judges pairs on common bins.

    What a table can reach depends on the table, so by default likeness and usefulness are held against what a fresh real
    sample scores on it, and an absolute limit is for the user to set.
    """

    accuracy: Annotated[
        float | None,
        Figure(
            "at least", "alike in one, two and three columns", "accuracy", "fidelity.accuracy.overall", holdout=False
        ),
    ] = Field(None, ge=0, le=1, description="bins of one, two, three columns alike, at least")
    quality: Annotated[
        float | None,
        Figure("at least", "alike by sdmetrics' score", "quality score", "fidelity.quality", holdout=False),
    ] = Field(None, ge=0, le=1, description="sdmetrics' quality score, at least")
    column_shapes: Annotated[
        float | None, Figure("at least", "columns alike", "column shapes", "fidelity.column_shapes", holdout=False)
    ] = Field(None, ge=0, le=1, description="columns one by one alike, at least")
    pair_trends: Annotated[
        float | None,
        Figure("at least", "pairs of columns alike", "column pair trends", "fidelity.pair_trends", holdout=False),
    ] = Field(None, ge=0, le=1, description="pairs of columns alike, at least")
    diagnostic: Annotated[
        float | None, Figure("at least", "valid cells and structure", "diagnostic", "diagnostic.score", holdout=False)
    ] = Field(None, ge=0, le=1, description="valid cells and structure, at least")
    # sdmetrics calls anything under 1 a fault, but a fresh real sample has new extremes and new rare labels too
    diagnostic_shortfall: Annotated[
        float | None,
        Figure(
            "at most",
            "less valid than a fresh sample",
            "diagnostic, shortfall",
            "diagnostic.score",
            "interval",
            short_of="diagnostic.fresh.score",
        ),
    ] = Field(0.005, ge=-1, le=1, description="valid cells and structure, below a fresh real sample, at most")
    detection_auc: Annotated[
        float | None,
        Figure("at most", "told apart from real rows", "detection AUC", "fidelity.detection.auc", "interval"),
    ] = Field(None, ge=0, le=1, description="told apart from real rows by trees, at most")
    columns_shortfall: Annotated[
        float | None,
        Figure(
            "at most",
            "columns less alike than in a fresh sample",
            "column shapes, shortfall",
            "fidelity.even.column_shapes",
            short_of="fidelity.fresh.column_shapes",
        ),
    ] = Field(0.05, ge=-1, le=1, description="columns one by one, below a fresh real sample, at most")
    pairs_shortfall: Annotated[
        float | None,
        Figure(
            "at most",
            "pairs less alike than in a fresh sample",
            "column pair trends, shortfall",
            "fidelity.even.pair_trends",
            short_of="fidelity.fresh.pair_trends",
        ),
    ] = Field(None, ge=-1, le=1, description="clearly tied pairs of columns, below a fresh real sample, at most")
    worst_column_shortfall: Annotated[
        float | None,
        Figure(
            "at most",
            "a column less alike than in a fresh sample",
            "worst column, shortfall",
            "fidelity.worst_column.shortfall",
            "interval",
        ),
    ] = Field(
        0.08, ge=-1, le=1, description="the worst column, or its missing cells, below a fresh real sample, at most"
    )
    worst_pair_shortfall: Annotated[
        float | None,
        Figure(
            "at most",
            "a tie between two columns lost",
            "worst pair, part of its tie",
            "fidelity.worst_pair.shortfall",
            "interval",
            unit="share",
        ),
    ] = Field(0.6, ge=-1, description="part of a clear tie of two columns lost, below a fresh real sample, at most")
    repeated_rows: Annotated[
        float | None,
        Figure(
            "at most",
            "rows repeated within the table",
            "duplicate rows, excess",
            "fidelity.repeated.excess",
            "excess_interval",
            unit="share",
            holdout=False,
        ),
    ] = Field(0.05, ge=-1, le=1, description="rows repeated within the table, beyond how many real rows are, at most")
    accuracy_shortfall: Annotated[
        float | None,
        Figure(
            "at most",
            "bins less alike than in a fresh sample",
            "accuracy, shortfall",
            "fidelity.accuracy.even.overall",
            short_of="fidelity.accuracy.fresh.overall",
        ),
    ] = Field(0.03, ge=-1, le=1, description="bins of one, two, three columns, below a fresh real sample, at most")
    bivariate_shortfall: Annotated[
        float | None,
        Figure(
            "at most",
            "pairs of bins less alike than in a fresh sample",
            "bivariate accuracy, shortfall",
            "fidelity.accuracy.even.bivariate",
            "bivariate_interval",
            short_of="fidelity.accuracy.fresh.bivariate",
        ),
    ] = Field(0.03, ge=-1, le=1, description="bins of two columns, below a fresh real sample, at most")
    dependencies_broken: Annotated[
        float | None,
        Figure(
            "at most",
            "rows that break a rule between columns",
            "functional dependencies",
            "fidelity.dependencies.excess",
            "excess_interval",
            unit="share",
            holdout=False,
        ),
    ] = Field(
        0.001,
        ge=0,
        le=1,
        description="rows that break a rule all real rows keep, beyond what the holdout breaks, at most",
    )
    constraints_broken: Annotated[
        float | None,
        Figure(
            "at most",
            "rows that break a constraint",
            "constraints",
            "fidelity.constraints.broken",
            beyond="fidelity.constraints.fresh",
            unit="share",
            holdout=False,
        ),
    ] = Field(None, ge=0, le=1, description="rows that break a constraint, beyond what the holdout breaks, at most")
    detection_excess: Annotated[
        float | None,
        Figure(
            "at most",
            "told apart more than a fresh sample",
            "detection AUC, excess",
            "fidelity.detection.auc",
            "interval",
            above="fidelity.detection.fresh.auc",
        ),
    ] = Field(0.2, ge=-1, le=1, description="told apart by trees, beyond a fresh real sample, at most")
    utility: Annotated[
        float | None, Figure("at least", "useful for training models", "TSTR / TRTR", "utility.headline.ratio")
    ] = Field(None, ge=0, description="score of models trained on it over that of real rows, at least")
    utility_difference: Annotated[
        float | None,
        Figure(
            "at least", "models as good as from real rows", "TSTR − TRTR", "utility.headline.difference", "interval"
        ),
    ] = Field(-0.05, le=1, description="score of models trained on it minus that of real rows, at least")
    exact_copies: Annotated[
        float | None,
        Figure(
            "at most",
            "training rows repeated in full",
            "identical matches",
            "privacy.exact_copies.excess",
            "excess_interval",
            unit="share",
            holdout=False,
        ),
    ] = Field(0.001, ge=0, le=1, description="training rows repeated in full, beyond chance, at most")
    # rows that were kept back are people as well, and no engine that never saw them repeats them
    holdout_copies: Annotated[
        float | None,
        Figure(
            "at most",
            "kept-back rows repeated in full",
            "identical matches, holdout",
            "privacy.exact_copies.holdout.excess",
            "excess_interval",
            unit="share",
            holdout=False,
        ),
    ] = Field(0.001, ge=0, le=1, description="rows kept back repeated in full, beyond chance, at most")
    dcr_share: Annotated[
        float | None,
        Figure("at most", "closer to training rows", "DCR share", "privacy.closeness.share", "interval", unit="share"),
    ] = Field(0.52, ge=0, le=1, description="rows nearer to training than holdout rows, at most")
    nndr_ratio: Annotated[
        float | None,
        Figure("at least", "closest rows no closer than chance", "NNDR ratio", "privacy.nndr.ratio", "interval"),
    ] = Field(0.5, ge=0, description="tenth-smallest distance ratio, over the holdout's, at least")
    nndr_excess: Annotated[
        float | None,
        Figure(
            "at most",
            "rows leaning on one person",
            "NNDR below ½, excess",
            "privacy.nndr.excess",
            "excess_interval",
            unit="share",
        ),
    ] = Field(0.02, ge=-1, le=1, description="rows leaning on one real row, beyond chance, at most")
    overfitting_protection: Annotated[
        float | None,
        Figure(
            "at least",
            "no closer to training rows, by sdmetrics",
            "DCR overfitting protection",
            "privacy.protection.overfitting",
            "overfitting_interval",
        ),
    ] = Field(None, ge=0, le=1, description="sdmetrics' DCR score, at least")
    baseline_protection: Annotated[
        float | None,
        Figure(
            "at least",
            "as far from training rows as noise",
            "DCR baseline protection",
            "privacy.protection.baseline",
            "interval",
            holdout=False,
        ),
    ] = Field(None, ge=0, le=1, description="sdmetrics' DCR score, at least")
    rare_levels: Annotated[
        float | None,
        Figure(
            "at most",
            "rare labels shown again",
            "rare-category leakage",
            "privacy.leakage.rare_levels.excess",
            "excess_interval",
            unit="share",
        ),
    ] = Field(0.05, ge=-1, le=1, description="rare labels shown again, beyond chance, at most")
    extremes: Annotated[
        float | None,
        Figure(
            "at most",
            "extreme numbers shown again",
            "extreme-value leakage",
            "privacy.leakage.extremes.excess",
            "excess_interval",
            unit="share",
        ),
    ] = Field(0.05, ge=-1, le=1, description="extreme numbers shown again, beyond chance, at most")
    outliers: Annotated[
        float | None,
        Figure(
            "at most",
            "outliers nearly copied",
            "outlier leakage",
            "privacy.leakage.outliers.excess",
            "excess_interval",
            unit="share",
        ),
    ] = Field(0.01, ge=-1, le=1, description="outliers nearly copied, beyond chance, at most")
    loners: Annotated[
        float | None,
        Figure(
            "at most",
            "people unlike all others nearly copied",
            "outlier leakage, loners",
            "privacy.leakage.loners.excess",
            "excess_interval",
            unit="share",
            people="privacy.leakage.loners",
        ),
    ] = Field(0.0, ge=-1, le=1, description="people unlike all others nearly copied, at most")
    singling_out_one: Annotated[
        float | None,
        Figure(
            "at most",
            "singled out by one value",
            "univariate singling-out risk",
            "privacy.attacks.singling_out_one.risk",
            "interval",
            unit="share",
        ),
    ] = Field(0.05, ge=-1, le=1, description="people singled out by one value, at most")
    singling_out_many: Annotated[
        float | None,
        Figure(
            "at most",
            "singled out by several values",
            "multivariate singling-out risk",
            "privacy.attacks.singling_out_many.risk",
            "interval",
            unit="share",
        ),
    ] = Field(0.05, ge=-1, le=1, description="people singled out by several, at most")
    linkability: Annotated[
        float | None,
        Figure(
            "at most",
            "halves of a row linked",
            "linkability risk",
            "privacy.attacks.linkability.risk",
            "interval",
            unit="share",
        ),
    ] = Field(0.05, ge=-1, le=1, description="halves of a person's row linked, at most")
    inference: Annotated[
        float | None,
        Figure(
            "at most",
            "secret cells inferred",
            "attribute inference risk",
            "privacy.attacks.inference.risk",
            "interval",
            unit="share",
        ),
    ] = Field(0.05, ge=-1, le=1, description="secret cells inferred, mean of columns, at most")
    inference_worst: Annotated[
        float | None,
        Figure(
            "at most",
            "secret cells inferred, worst column",
            "attribute inference risk",
            "privacy.attacks.inference.worst.risk",
            "interval",
            unit="share",
        ),
    ] = Field(0.1, ge=-1, le=1, description="secret cells inferred, worst column, at most")
    membership_auc: Annotated[
        float | None,
        Figure(
            "at most",
            "membership guessed by distance",
            "membership inference AUC",
            "privacy.membership.distance.auc",
            "auc_interval",
        ),
    ] = Field(0.52, ge=0, le=1, description="training rows told by distance, AUC, at most")
    membership_density_auc: Annotated[
        float | None,
        Figure(
            "at most", "membership guessed by density", "DOMIAS AUC", "privacy.membership.density.auc", "auc_interval"
        ),
    ] = Field(0.52, ge=0, le=1, description="the same by density, AUC, at most")
    membership_tpr: Annotated[
        float | None,
        Figure(
            "at most",
            "members found at 1 % false alarms",
            "DOMIAS TPR at 1 % FPR",
            "privacy.membership.density.tpr_at_1",
            "tpr_at_1_interval",
            unit="share",
        ),
    ] = Field(0.02, ge=0, le=1, description="found at 1 % false alarms, at most")


FIGURES: Mapping[str, Figure] = {
    name: figure
    for name, field in Thresholds.model_fields.items()
    for figure in field.metadata
    if isinstance(figure, Figure)
}
"""Each by its name, in the order in which they are told."""
