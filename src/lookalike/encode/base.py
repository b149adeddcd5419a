"""What a column encoder is: parsed values in, codes and residuals out, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar, Literal, TypeVar, cast

import numpy as np
from pydantic import Field

from lookalike.config import Settings
from lookalike.errors import NotFittedError, SettingsError
from lookalike.schema import ColumnSpec, EncodedColumn, Values
from lookalike.stats import FEW_PEOPLE


class EncoderSettings(Settings):
    """How columns are turned into codes and residuals."""

    only_with: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "outlier_quantile": ("outliers", "clip"),
        "outlier_z": ("outliers", "z"),
        "max_modes": ("intervals", "modes"),
        "fit_rows": ("intervals", "modes"),
        "max_bins": ("intervals", "quantiles"),
    }

    intervals: Literal["auto", "modes", "quantiles"] = Field(
        "auto", description="how numbers are cut: Gaussian modes, quantile bins, or what the engine reads best (auto)"
    )
    max_modes: int = Field(10, ge=1, le=100, description="Gaussian modes a number may have at most")
    max_bins: int = Field(100, ge=2, le=1000, description="quantile bins a number may have at most")
    fit_rows: int = Field(10_000, ge=100, description="rows a column's mixture is fitted on at most")
    max_discrete: int = Field(
        32,
        ge=2,
        description="a number with at most this many values has a code for each (quantiles: max_bins, if more)",
    )
    max_categories: int = Field(
        250, ge=2, le=30_000, description="levels with a code of their own at most; the rest share some with their like"
    )
    rare_rows: int = Field(
        FEW_PEOPLE,
        ge=1,
        description="a level with fewer rows than this is rare and shares a code, a rare value of a number of few values, or between "
        "values that recur, goes to one beside it (tables of 100 rows or more)",
    )
    rare_categories: Literal["pool", "hide"] = Field(
        "pool", description="rare levels come back at their frequency (pool) or never (hide)"
    )
    keep_rules: bool = Field(
        True,
        description="what holds in every row holds in every row made: what a column settles about another (a city's state), "
        "formulas (a total), the order of columns close together (two dates)",
    )
    missing: Literal["model", "mode", "median", "drop_rows"] = Field(
        "model",
        description="model that cells are missing; or fill them with the commonest value or the median, or drop their rows",
    )
    outliers: Literal["keep", "clip", "z"] = Field(
        "keep", description="keep them, clip at quantiles, or clip at a z-score"
    )
    outlier_quantile: float = Field(0.005, gt=0, lt=0.5, description="outliers = clip: the share cut off at either end")
    outlier_z: float = Field(4.0, gt=0, description="outliers = z: standard deviations from the mean")
    enforce_rounding: bool = Field(True, description="numbers come back with the decimals they came with")
    enforce_min_max_values: bool = Field(
        True,
        description="numbers never leave the range that was seen; those cut into quantiles cannot, but for one kept as its distance from another",
    )

    def refuse_idle(self) -> None:
        """As the base class, and where a greater limit takes the place of one."""
        super().refuse_idle()
        if self.intervals == "quantiles" and "max_discrete" in self.changed and self.max_discrete <= self.max_bins:
            raise SettingsError(
                f"max_discrete: with intervals='quantiles' it only matters above max_bins, however: max_discrete={self.max_discrete} and "
                f"max_bins={self.max_bins}. Lower max_bins, or leave it out."
            )


Part = TypeVar("Part", bound="Arrays")


class Arrays:
    """A part of an encoder whose attributes are arrays, to JSON and back."""

    def state(self) -> dict[str, Any]:
        """The arrays by name, as lists."""
        return {part.name: getattr(self, part.name).tolist() for part in fields(cast(Any, self))}

    @classmethod
    def from_state(cls: type[Part], state: dict[str, Any]) -> Part:
        """What :meth:`state` gave."""
        return cls(**{name: np.asarray(cells) for name, cells in state.items()})


class ColumnEncoder(ABC):
    """Learn one column's codes, encode it and decode it.

    ``decode(encode(values))`` gives back the values exactly, but for rare levels that share a code (drawn again by
    frequency), rare values of a number of few values or between values that recur, and outliers where their treatment was asked for.
    """

    def __init__(self, spec: ColumnSpec, settings: EncoderSettings) -> None:
        self.spec, self.settings = spec, settings
        self.fitted = False

    @property
    def column(self) -> EncodedColumn:
        """What engines may know."""
        if not self.fitted:
            raise NotFittedError(f"the encoder of column {self.spec.name!r} has not been fitted. Call fit first.")
        return replace(self._column(), measured=self.measured, deviations=self.deviations)

    measured: np.ndarray | None = None
    deviations: np.ndarray | None = None
    has_missing: bool
    missing_code: int

    @property
    def missing(self) -> int | None:
        """The code of a missing cell; None where none was seen."""
        return self.missing_code if self.has_missing else None

    @abstractmethod
    def _column(self) -> EncodedColumn: ...

    @abstractmethod
    def fit(self, values: Values, rng: np.random.Generator) -> None:
        """Learn the codes; a second call starts afresh."""

    @abstractmethod
    def encode(self, values: Values, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(n,) int32 codes and (n,) float64 residuals. A value the codes have no place for is an InputError."""

    @abstractmethod
    def decode(self, codes: np.ndarray, residuals: np.ndarray, rng: np.random.Generator) -> Values:
        """Values of (n,) codes and (n,) residuals."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What was learned, as JSON."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state` gave."""
