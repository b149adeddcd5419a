"""lookalike: take a table, give back one that behaves the same and belongs to no one.

>>> import lookalike, pyarrow as pa
>>> table = pa.table({"colour": ["red", "blue"] * 30, "size": [1, 2, 3] * 20})
>>> twin = lookalike.fit(table, engine="tvae", epochs=2, run=lookalike.Run())
>>> lookalike.evaluate(table, twin.sample(seed=1)).to_dict()["diagnostic"]["score"]
1.0
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lookalike.errors import LookalikeError, LookalikeWarning
    from lookalike.pipeline import evaluate, fit, load
    from lookalike.presets import augment, make
    from lookalike.report import Scorecard
    from lookalike.run import Run
    from lookalike.schema import ColumnSpec, Schema
    from lookalike.twin import Twin
    from lookalike.versions import __version__

_HOMES = {
    "fit": "pipeline",
    "load": "pipeline",
    "evaluate": "pipeline",
    "make": "presets",
    "augment": "presets",
    "Twin": "twin",
    "Scorecard": "report",
    "Schema": "schema",
    "ColumnSpec": "schema",
    "Run": "run",
    "__version__": "versions",
    "LookalikeError": "errors",
    "LookalikeWarning": "errors",
}
__all__ = sorted(_HOMES.keys() - {"__version__"})


def __getattr__(name: str) -> Any:
    """Load a public name on first use: ``lookalike --help`` must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lookalike' has no attribute {name!r}")
    return getattr(import_module(f"lookalike.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """``evaluate`` is a public function and a room: the name belongs to the function, the room is imported from."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
