"""What every engine is: a :class:`Generator` that learns an :class:`EncodedTable` and draws new ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from lookalike.config import Settings
from lookalike.errors import NotFittedError, SettingsError
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable


class EngineSettings(Settings):
    """Base of every engine's settings."""

    def heeds(self, name: str) -> bool:
        """Whether a setting of this name changes anything here."""
        return name in type(self).model_fields


class Generator(ABC):
    """Learn the joint distribution of codes and residuals.

    Class attributes
    ----------------
    Settings
        The engine's settings class.
    intervals
        How it wants numbers cut where the user leaves it open: into Gaussian ``modes``, whose residuals it models, or into
        ``quantiles``, inside which residuals are uniform.
    tempered
        Whether :meth:`sample` knows a temperature; None of a class for which that is known once it is fitted.
    takes_ledger
        Whether :meth:`fit` takes a ``ledger`` and then keeps to differential privacy.
    """

    Settings: ClassVar[type[EngineSettings]]
    intervals: ClassVar[Literal["modes", "quantiles"]] = "modes"
    tempered: bool | None = False
    takes_ledger: ClassVar[bool] = False

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or self.Settings()

    @classmethod
    def wants(cls, settings: EngineSettings) -> Literal["modes", "quantiles"]:
        """Return how numbers should be cut for an engine of these settings; see ``intervals``."""
        return cls.intervals

    @classmethod
    def tempers(cls, settings: EngineSettings) -> bool | None:
        """Return ``tempered`` of an engine of these settings, before it is fitted."""
        return cls.tempered

    @classmethod  # noqa: B027 - an engine that takes a ledger keeps to it whatever its settings, but for an ensemble
    def check_private(cls, settings: EngineSettings, rows_per_subject: int) -> None:
        """Raise a PrivacyError for settings that cannot be kept to within a privacy budget, before any of it is spent."""

    @classmethod  # noqa: B027 - an engine may have nothing to check
    def check(cls, settings: EngineSettings, rows: int) -> None:
        """Raise a SettingsError for what can be known to fail before training; warn about what is doubtful."""

    @abstractmethod
    def fit(self, table: EncodedTable, *, seed: int, run: Run) -> None:
        """Learn from ``table``; a second call starts afresh."""

    @abstractmethod
    def sample(
        self, rows: int, *, seed: int, conditions: Mapping[int, int] | None = None, temperature: float = 1.0
    ) -> EncodedTable:
        """Draw exactly ``rows`` rows.

        Parameters
        ----------
        conditions
            A column's position to the code it should have: the engine leans towards it (see ``sample.py``, which makes it
            exact by rejection), or ignores it.
        temperature
            Below 1 frequent codes become more frequent, above 1 rare ones do; only where the engine is ``tempered``.
        """

    def complete(
        self, table: EncodedTable, known: np.ndarray, *, seed: int, barred: Mapping[int, int] | None = None
    ) -> EncodedTable:
        """Draw the cells that are not ``known`` given those of the same row that are.

        Parameters
        ----------
        known
            (n, d) bool.
        barred
            A column's position to a code that must not be drawn there (that of a missing cell, when cells are imputed).

        Raises
        ------
        SettingsError
            The engine cannot condition on any columns whatever.
        """
        raise _conditions_on_few()

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        """Return (n,) the logarithm of the probability of each row's codes.

        Raises
        ------
        SettingsError
            The engine has no likelihood.
        """
        raise SettingsError(f"a likelihood needs an engine that has one, however: {type(self).__name__} has none.")

    def evidence(self, table: EncodedTable, known: np.ndarray) -> np.ndarray:
        """Return (n,) the logarithm of the probability of each row's ``known`` (n, d) codes, whatever the others are.

        Raises
        ------
        SettingsError
            The engine cannot condition on any columns whatever.
        """
        raise _conditions_on_few()

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Everything needed to sample again: (JSON, arrays)."""

    @classmethod
    @abstractmethod
    def from_state(
        cls,
        columns: tuple[EncodedColumn, ...],
        settings: EngineSettings,
        state: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> Generator:
        """Rebuild a fitted engine on the CPU or the device its settings name."""


def not_fitted(engine: str) -> NotFittedError:
    """Return the error of an engine that is asked for rows, or for its state, before it has learned any.

    >>> raise not_fitted("trees")
    Traceback (most recent call last):
    ...
    lookalike.errors.NotFittedError: trees samples only after fit. Call fit first.
    """
    return NotFittedError(f"{engine} samples only after fit. Call fit first.")


def _conditions_on_few() -> SettingsError:
    return SettingsError(
        "rows are completed by an engine that conditions on any columns, however: this one does not. "
        "Fit with engine='autoregressive' and any_order=True."
    )
