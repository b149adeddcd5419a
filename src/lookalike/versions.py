"""The versions that a figure depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def version_of(package: str) -> str:
    """A package's version; ``unknown`` where it is not installed (a checkout that is run as it lies there).

    >>> version_of("no-such-package")
    'unknown'
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Of Python, this package and those that make its figures."""
    packages = ("lookalike", "torch", "numpy", "pyarrow", "scikit-learn")
    return {"python": platform.python_version()} | {name: version_of(name) for name in packages}


__version__ = version_of("lookalike")
