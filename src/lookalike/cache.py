"""Fitted models kept for another time: a folder of files named by a digest of everything they depend on.

What lies here was learned from rows, so it is as private as a twin: the folder is the user's alone. The files are artefacts, without
pickle; a damaged one counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from lookalike import artefact
from lookalike.errors import ArtefactError, OutputError

VARIABLE = "LOOKALIKE_CACHE"
"""The environment variable that names another folder."""
MOST_BYTES = 2 * 2**30
"""What the folder may hold: beyond it, what was used longest ago goes."""
SUFFIX = ".member"


@dataclass(frozen=True)
class Entry:
    """One file of the cache: what it is in words, when it was last used, its bytes."""

    key: str
    what: str
    used: datetime
    bytes: int


def folder() -> Path:
    """Where the cache lies: ``$LOOKALIKE_CACHE``, or the platform's place for caches.

    Raises
    ------
    OutputError
        That place is in a home folder, and there is none.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "lookalike"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local") / "lookalike" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "lookalike"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # containers run as users that the system has no entry for
        raise OutputError(
            f"the cache lies in the user's home folder, however: this user has none. Set {VARIABLE} to a folder, or cache=false."
        ) from None


def digest(document: Any, arrays: Iterable[np.ndarray] = ()) -> str:
    """Return a digest of a JSON document and arrays: the name of what depends on them and on nothing else.

    >>> digest({"epochs": 3}) == digest({"epochs": 3}) != digest({"epochs": 4})
    True
    >>> digest({}, [np.zeros(2)]) == digest({}, [np.zeros(2, np.float32)])
    False
    """
    found = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:40]


def find(key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Return what was kept under ``key`` (documents, arrays), or None."""
    try:
        path = _path(key)
        documents, arrays = artefact.read(path)
        if documents.get("entry", {}).get("key") != key:  # a file of something else, under this name
            return None
        os.utime(path)
    # absent, damaged, cleared by another process meanwhile, no folder at all: all mean it is not there
    except (ArtefactError, OSError, OutputError):
        return None
    return documents, arrays


def keep(key: str, what: str, documents: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Keep documents and arrays under ``key``, described as ``what``; older entries make room.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OutputError(
            f"the cache's folder must be writable, however: {path.parent}: {error.strerror}. Set {VARIABLE} to another, or cache=false."
        ) from None
    artefact.write(path, {**documents, "entry": {"key": key, "what": what}}, arrays)
    _make_room()


def entries() -> list[Entry]:
    """Return what the cache holds, last used first."""
    found = []
    for path in folder().glob(f"*{SUFFIX}"):
        try:
            stat = path.stat()
            what = str(artefact.read_document(path, "entry")["what"])
        except FileNotFoundError:  # cleared by another process meanwhile
            continue
        except ArtefactError:
            what = "damaged: it will be trained again"
        found.append(Entry(path.stem, what, datetime.fromtimestamp(stat.st_mtime), stat.st_size))
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def clear() -> int:
    """Remove everything the cache holds, and only that; return how many entries there were."""
    paths = list(folder().glob(f"*{SUFFIX}"))
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _path(key: str) -> Path:
    return folder() / f"{key}{SUFFIX}"


def _make_room() -> None:
    """Remove what was used longest ago, until the rest fits; what was kept last always stays."""
    files = []
    for path in folder().glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # another process made room, too
            files.append((path.stat().st_mtime, path.stat().st_size, path))
    total = 0
    for place, (_, size, path) in enumerate(sorted(files, reverse=True)):
        total += size
        if place and total > MOST_BYTES:
            with suppress(OSError):  # Windows removes no file that another process reads
                path.unlink()
