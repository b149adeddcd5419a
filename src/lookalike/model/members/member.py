"""One member of an ensemble: what is asked of it, its training, and its files.

Run as a script (``python -m lookalike.model.members.member FOLDER TABLE``) it trains in a process of its own: it reads ``job.twin`` and the
encoded table, and leaves ``member.twin``, or ``error.json`` where that could not be.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from lookalike import artefact, registry, scale
from lookalike.artefact import replacing
from lookalike.config import Settings
from lookalike.errors import LookalikeError, LookalikeWarning, OutputError, SettingsError
from lookalike.model.base import EngineSettings, Generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

JOB, MEMBER, ERROR, PROGRESS = "job.twin", "member.twin", "error.json", "progress.json"
DESCRIBED = ("interval", "representatives", "measured", "deviations")
"""The arrays of an :class:`EncodedColumn`, (K,) each."""
TELL_SECONDS = 0.3
"""How often a member in a process of its own says how far it is."""


class Member(Settings):
    """One member of an ensemble."""

    engine: str = Field("autoregressive", description="its engine: any but ensemble")
    settings: dict[str, Any] = Field({}, description="the engine's settings; those left out keep their defaults")
    seed: int | None = Field(
        None,
        ge=0,
        description="sets it apart from members of the same engine; how many of those stand before it, when left out",
    )
    rows: float | None = Field(
        None,
        gt=0,
        le=1,
        description="share of the rows it learns from, at random; all when left out (disjoint: an equal share)",
    )
    weight: float = Field(
        1.0, gt=0, description="weights = given: how much of the rows made it draws, relative to the others"
    )

    @property
    def kind(self) -> type[Generator]:
        """The engine's class."""
        kind: type[Generator] = registry.load(registry.ENGINES, self.engine, "engine")
        return kind

    def engine_settings(self, **common: Any) -> EngineSettings:
        """Return the engine's settings; ``common`` ones take the place of its own, where it has them and they are not None."""
        known = self.kind.Settings.model_fields
        shared = {name: value for name, value in common.items() if value is not None and name in known}
        return self.kind.Settings.build({**self.settings, **shared})


def label_of(place: int, engine: str) -> str:
    """A member's name in its ensemble: its place, from 1, and its engine.

    >>> label_of(2, "ctgan")
    '2-ctgan'
    """
    return f"{place}-{engine}"


@dataclass(frozen=True)
class Plan:
    """A member to train: everything that settles what comes out, and its place in the ensemble.

    Attributes
    ----------
    label
        As :func:`label_of` gives it.
    rows
        (n,) the rows of the table it learns from.
    """

    label: str
    engine: str
    settings: EngineSettings
    seed: int
    rows: np.ndarray
    weight: float


@dataclass
class Trained:
    """A member that was trained.

    Attributes
    ----------
    whole
        Whether training went on to its own end: neither Ctrl-C nor the time budget cut it.
    warnings
        What it warned of in a process of its own.
    """

    model: Generator
    losses: list[dict[str, float]]
    notes: dict[str, Any]
    seconds: float
    whole: bool
    warnings: list[str] = field(default_factory=list)
    origin: str = "trained"

    def document(self, plan: Plan) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return JSON and arrays from which :meth:`read` makes this again."""
        state, arrays = self.model.state()
        document = {
            "engine": plan.engine,
            "settings": plan.settings.model_dump(),
            "state": state,
            "losses": self.losses,
            "notes": self.notes,
            "seconds": self.seconds,
            "whole": self.whole,
            "warnings": self.warnings,
        }
        return document, arrays

    @classmethod
    def read(
        cls, document: dict[str, Any], arrays: dict[str, np.ndarray], columns: tuple[EncodedColumn, ...], origin: str
    ) -> Trained:
        """Take up what :meth:`document` gave; ``origin`` says where it was found."""
        kind: type[Generator] = registry.load(registry.ENGINES, document["engine"], "engine")
        model = kind.from_state(columns, kind.Settings.build(document["settings"]), document["state"], arrays)
        known = {name: document[name] for name in ("losses", "notes", "seconds", "whole", "warnings")}
        return cls(model, **known, origin=origin)


class MemberRun(Run):
    """A member's run: its log, losses and checkpoint are its own, the progress bar is everybody's.

    Parameters
    ----------
    tell
        Told (share done, figures in words).
    """

    def __init__(self, folder: Path | None, tell: Callable[[float, str], None], **how: Any) -> None:
        super().__init__(folder, **how)
        self.tell = tell

    def show(self, what: str, done: int, total: int, figures: str = "") -> None:
        with self.sparing():
            self.tell(done / max(total, 1), figures or what)


def train(plan: Plan, table: EncodedTable, run: Run) -> Trained:
    """Train a member on its rows, on one thread wherever it runs: the same seed gives the same member."""
    from lookalike.model.training import device  # torch: what members are called is asked by those who train none

    start = time.perf_counter()
    model = registry.load(registry.ENGINES, plan.engine, "engine")(plan.settings)
    everything = len(plan.rows) == len(table)
    with device.one_thread():
        model.fit(table if everything else table.take(plan.rows), seed=plan.seed, run=run)
    # auto picks by the time there is: what it picked within a budget may not be what it would pick without one
    free = run.deadline is None or plan.engine != "auto"
    whole = free and not run.interrupted and not run.out_of_time
    return Trained(model, run.losses, run.notes, round(time.perf_counter() - start, 3), whole)


# --------------------------------------------------------------------------------------------------------------- files


def described(column: EncodedColumn) -> dict[str, np.ndarray]:
    """Return the arrays that describe a column, those it has."""
    return {name: getattr(column, name) for name in DESCRIBED if getattr(column, name) is not None}


def write_table(path: Path, table: EncodedTable) -> None:
    """Write an encoded table as an artefact."""
    arrays = {"codes": table.codes, "residuals": table.residuals}
    if table.groups is not None:
        arrays["groups"] = table.groups
    for place, column in enumerate(table.columns):
        arrays |= {f"{name}/{place}": array for name, array in described(column).items()}
    columns = [{"name": c.name, "cardinality": c.cardinality, "ordered": c.ordered} for c in table.columns]
    artefact.write(path, {"table": columns}, arrays)


def read_table(path: Path) -> EncodedTable:
    """Read what :func:`write_table` wrote."""
    documents, arrays = artefact.read(path)
    columns = []
    for place, column in enumerate(documents["table"]):
        known: dict[str, Any] = {name: arrays.get(f"{name}/{place}") for name in DESCRIBED}
        columns.append(EncodedColumn(**column, **known))
    return EncodedTable(tuple(columns), arrays["codes"], arrays["residuals"], arrays.get("groups"))


def write_job(folder: Path, plan: Plan, key: str, *, minutes: float | None, resume: bool) -> None:
    """Write what a process of its own is to train; the member it leaves has the same ``key``."""
    document = {
        "key": key,
        "label": plan.label,
        "engine": plan.engine,
        "settings": plan.settings.model_dump(),
        "seed": plan.seed,
        "weight": plan.weight,
        "minutes": minutes,
        "resume": resume,
    }
    artefact.write(folder / JOB, {"job": document}, {"rows": plan.rows})


def read_job(folder: Path) -> tuple[Plan, str, dict[str, Any]]:
    """Return what :func:`write_job` wrote: the plan, its key, and ``minutes`` and ``resume``."""
    documents, arrays = artefact.read(folder / JOB)
    job = documents["job"]
    kind = registry.load(registry.ENGINES, job["engine"], "engine")
    plan = Plan(
        job["label"], job["engine"], kind.Settings.build(job["settings"]), job["seed"], arrays["rows"], job["weight"]
    )
    return plan, job["key"], {name: job[name] for name in ("minutes", "resume")}


def progress_of(folder: Path) -> tuple[float, str] | None:
    """Return (share done, figures) as a member's process last told them, or None."""
    try:
        share, figures = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it has not told anything yet
        return None
    return float(share), str(figures)


# --------------------------------------------------------------------------------------------------- its own process


def main(arguments: Sequence[str]) -> int:
    """Train the member whose job lies in a folder; return the exit code."""
    folder, table = map(Path, arguments)
    scale.stop_with_parent(partial(_clear, table))
    told = [0.0]

    def tell(share: float, figures: str) -> None:
        if time.monotonic() - told[0] < TELL_SECONDS:
            return
        told[0] = time.monotonic()
        # Windows replaces no file that is being read, and what is told of a training is worth none
        with suppress(OutputError), replacing(folder / PROGRESS) as temporary:
            temporary.write_text(json.dumps([share, figures]), encoding="utf-8")

    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", LookalikeWarning)
            plan, key, how = read_job(folder)
            trained = train(plan, read_table(table), MemberRun(folder, tell, **how))
    except LookalikeError as error:
        (folder / ERROR).write_text(json.dumps(str(error)), encoding="utf-8")
        return 2
    except KeyboardInterrupt:
        return 130
    for warning in seen:
        if issubclass(warning.category, LookalikeWarning):
            trained.warnings.append(str(warning.message))
        else:
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
    document, arrays = trained.document(plan)
    artefact.write(folder / MEMBER, {"member": document, "key": key}, arrays)
    return 0


def _clear(table: Path) -> None:
    """Remove the rows that a parent which was killed has left, and the folder that it made for them."""
    with suppress(OSError):  # another member was faster
        table.unlink()
        table.parent.rmdir()


def check_engine(engine: str) -> None:
    """Raise for an engine that no member can have."""
    if engine == "ensemble":
        raise SettingsError("members are single engines, however: engine='ensemble'. Put its members here instead.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
