"""Names to classes, loaded only when asked for: ``lookalike --help`` must not wait for torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lookalike.errors import SettingsError

ENGINES = {
    "auto": "lookalike.model.auto:Auto",
    "autoregressive": "lookalike.model.autoregressive:Autoregressive",
    "trees": "lookalike.model.trees:Trees",
    "copula": "lookalike.model.copula:Copula",
    "marginals": "lookalike.model.marginals:Marginals",
    "ctgan": "lookalike.model.ctgan:CTGAN",
    "tvae": "lookalike.model.tvae:TVAE",
    "ensemble": "lookalike.model.ensemble:Ensemble",
}

ENCODERS = {
    "integer": "lookalike.encode.numeric:NumericEncoder",
    "float": "lookalike.encode.numeric:NumericEncoder",
    "datetime": "lookalike.encode.numeric:NumericEncoder",
    "boolean": "lookalike.encode.category:CategoryEncoder",
    "category": "lookalike.encode.category:CategoryEncoder",
    "ordinal": "lookalike.encode.category:CategoryEncoder",
    "constant": "lookalike.encode.category:CategoryEncoder",
    "key": "lookalike.encode.key:KeyEncoder",
}


def load(table: dict[str, str], name: str, what: str) -> Any:
    """Return the class registered under ``name``.

    >>> load({"fraction": "fractions:Fraction"}, "fraction", "number").__name__
    'Fraction'
    >>> load(ENGINES, "gan", "engine")
    Traceback (most recent call last):
    lookalike.errors.SettingsError: engine must be one of auto, autoregressive, trees, copula, marginals, ctgan, tvae, ensemble, however: engine='gan'.
    """
    if name not in table:
        raise SettingsError(f"{what} must be one of {', '.join(table)}, however: {what}={name!r}.")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
