"""The members of an ensemble, trained beside each other: what is cached is not trained, what was begun is gone on with.

Each member has a folder of its own under the run's (``members/1-ctgan``): log, losses, checkpoint, and the fitted member when it
is done. Members train on one thread each, so it changes nothing but the time whether they train here one after another, in a
process each, or on a cluster.
"""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lookalike import artefact, cache, scale
from lookalike.errors import LookalikeWarning, OutputError, TrainingError
from lookalike.model.members import member
from lookalike.model.members.member import ERROR, JOB, MEMBER, PROGRESS, MemberRun, Plan, Trained
from lookalike.model.training import device
from lookalike.run import CHECKPOINT, LOG, LOSSES, Run
from lookalike.schema.encoded import EncodedTable
from lookalike.versions import version_of

SMALL_CELLS = 100_000
"""Cells up to which members are not worth a process each: to start one costs five seconds of a core, most of it torch."""
RESERVE = 0.05
"""Share of a time budget that starting, weighing and putting together take."""
FILES = {LOG, LOSSES, CHECKPOINT, JOB, MEMBER, ERROR, PROGRESS, scale.OUTPUT}
"""All that a member leaves in its folder; nothing else is ever removed."""


def workers_for(asked: int | None, members: int, table: EncodedTable, *, cluster: bool) -> int:
    """Return how many members train at once: as asked, else as many as there are cores, one where the table is small."""
    if asked is not None:
        return min(asked, members)
    if cluster:
        return members
    return 1 if table.codes.size <= SMALL_CELLS else min(scale.cores(), members)


class Together:
    """The training of all members of an ensemble.

    Parameters
    ----------
    run
        The ensemble's; each member gets one of its own.
    workers, cluster
        How many at once, and the address of a Ray cluster.
    cached
        Whether members come from the cache and go there.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        table: EncodedTable,
        run: Run,
        *,
        workers: int | None,
        cluster: str | None,
        cached: bool,
    ) -> None:
        self.plans, self.table, self.run, self.cluster, self.cached = list(plans), table, run, cluster, cached
        self.workers = workers_for(workers, len(self.plans), table, cluster=cluster is not None)
        self.keys = {plan.label: key_of(plan, table) for plan in self.plans}
        self.trained: dict[str, Trained] = {}
        self.shares = dict.fromkeys((plan.label for plan in self.plans), 0.0)

    def train(self) -> list[Trained | None]:
        """Return every member; None for those that Ctrl-C left without any state.

        Raises
        ------
        TrainingError
            A member cannot be trained; it is named. Those that were done lie in the cache, or in the run's folder.
        KeyboardInterrupt
            Before any member had a state to keep.
        """
        kept = self.run.folder
        with _place(kept) as place:
            root = Path(place) / "members"
            if kept is not None and not self.run.resume:
                clear(root)
            for plan in self.plans:
                self._find(plan, root / plan.label)
            left = [plan for plan in self.plans if plan.label not in self.trained]
            try:
                if left and (self.cluster is not None or min(self.workers, len(left)) > 1):
                    self._beside(left, root)
                else:
                    self._here(left, None if kept is None else root)
            except KeyboardInterrupt:
                self.run.interrupted = True
                if not self.trained:
                    raise
        return [self.trained.get(plan.label) for plan in self.plans]

    # ---------------------------------------------------------------------------------------------------- what is done

    def _find(self, plan: Plan, folder: Path) -> None:
        """Take a member that was trained before with the same data, settings, seed and versions."""
        key = self.keys[plan.label]
        found = None
        if self.run.folder is not None and self.run.resume and (folder / MEMBER).exists():
            documents, arrays = artefact.read(folder / MEMBER)
            if documents.get("key") == key and documents["member"]["whole"]:
                found = documents, arrays, "an earlier run"
        if found is None and self.cached and (kept := cache.find(key)) is not None:
            found = *kept, "the cache"
        if found is not None:
            documents, arrays, origin = found
            self._done(plan, Trained.read(documents["member"], arrays, self.table.columns, origin))

    def _done(self, plan: Plan, trained: Trained) -> None:
        self.trained[plan.label] = trained
        self.shares[plan.label] = 1.0
        for text in trained.warnings:
            warnings.warn(f"{words(plan)}: {text}", LookalikeWarning, stacklevel=2)
        how = "trained in" if trained.origin == "trained" else f"taken from {trained.origin}; it took"
        self.run.log(f"{words(plan)} {how} {trained.seconds:.1f} s" + ("" if trained.whole else ", cut short"))
        self._show()

    def _keep(self, plan: Plan, trained: Trained, folder: Path | None) -> None:
        """Leave a member in its folder, and in the cache if it is what it would always be."""
        if folder is None and not (self.cached and trained.whole):
            return
        document, arrays = trained.document(plan)
        documents = {"member": document, "key": self.keys[plan.label]}
        if folder is not None:
            with self.run.sparing():
                artefact.write(folder / MEMBER, documents, arrays)
        if self.cached and trained.whole:
            what = f"{plan.engine}, {len(plan.rows):,} rows × {len(self.table.columns)} columns, {trained.seconds:.0f} s of training"
            try:
                cache.keep(self.keys[plan.label], what, documents, arrays)
            except OutputError as error:  # the members that are trained are worth more than to have them another time
                self.cached = False
                warnings.warn(f"members are not kept for another time: {error}", LookalikeWarning, stacklevel=2)

    def _minutes(self, left: int) -> float | None:
        """A member's part of the time there is, when ``left`` members are not yet begun."""
        if self.run.deadline is None:
            return None
        return max(self.run.seconds_left * (1 - RESERVE), 0) / math.ceil(left / self.workers) / 60

    def _show(self, label: str = "", figures: str = "") -> None:
        done = sum(share >= 1 for share in self.shares.values())
        text = f"{done} of {len(self.shares)} members" + (f"  {label} {figures}" if label else "")
        self.run.show("training", round(1000 * sum(self.shares.values())), 1000 * len(self.shares), text)

    def _tell(self, label: str, share: float, figures: str) -> None:
        self.shares[label] = min(share, 0.999)
        self._show(label, figures)

    # ------------------------------------------------------------------------------------------------- one after another

    def _here(self, left: list[Plan], root: Path | None) -> None:
        for place, plan in enumerate(left):
            folder = None if root is None else root / plan.label
            run = MemberRun(
                folder,
                partial(self._tell, plan.label),
                minutes=self._minutes(len(left) - place),
                resume=self.run.resume,
            )
            try:
                trained = member.train(plan, self.table, run)
            except TrainingError as error:
                raise TrainingError(f"{words(plan)}: {error}") from None
            self._done(plan, trained)
            self._keep(plan, trained, folder)
            if run.interrupted:
                raise KeyboardInterrupt

    # ------------------------------------------------------------------------------------------------ beside each other

    def _beside(self, left: list[Plan], root: Path) -> None:
        folders = {root / plan.label: plan for plan in left}
        running: list[Path] = []
        with tempfile.TemporaryDirectory() as shared:  # real rows, encoded: they never outlast the training
            path = Path(shared) / "table.twin"
            member.write_table(path, self.table)

            def jobs() -> Iterator[scale.Job]:
                for place, (folder, plan) in enumerate(folders.items()):
                    folder.mkdir(parents=True, exist_ok=True)
                    for name in (MEMBER, ERROR, PROGRESS):
                        (folder / name).unlink(missing_ok=True)
                    minutes = self._minutes(len(left) - place)
                    member.write_job(folder, plan, self.keys[plan.label], minutes=minutes, resume=self.run.resume)
                    running.append(folder)
                    yield scale.Job("lookalike.model.members.member", folder, (path,))

            def ended(job: scale.Job, code: int) -> None:
                running.remove(job.folder)
                self._collect(folders[job.folder], job.folder, code)

            def tick() -> None:
                for folder in running:
                    told = member.progress_of(folder)
                    if told is not None:
                        self._tell(folders[folder].label, *told)

            cluster = None if self.cluster is None else scale.Cluster(self.cluster)
            try:
                start = scale.Process if cluster is None else cluster.start
                scale.run_jobs(jobs(), start, workers=self.workers, ended=ended, tick=tick)
            except KeyboardInterrupt:
                for folder in running:
                    if (folder / MEMBER).exists():
                        self._collect(folders[folder], folder, 0)
                raise
            finally:
                if cluster is not None:
                    cluster.close()

    def _collect(self, plan: Plan, folder: Path, code: int) -> None:
        """Take up what a member's process left."""
        if code:
            raise TrainingError(f"{words(plan)}: {_complaint(folder, code)}")
        documents, arrays = artefact.read(folder / MEMBER)
        if documents.get("key") != self.keys[plan.label]:
            raise TrainingError(
                f"{words(plan)}: a member is taken up by the run that asked for it, however: what lies in {folder} was made for another. "
                "Let one run at a time work in a folder."
            )
        trained = Trained.read(documents["member"], arrays, self.table.columns, "trained")
        self._done(plan, trained)
        self._keep(plan, trained, folder if self.run.folder is not None else None)


def words(plan: Plan) -> str:
    """A member in words: its place and its engine.

    >>> import numpy as np
    >>> from lookalike.model.base import EngineSettings
    >>> words(Plan("2-ctgan", "ctgan", EngineSettings(), 0, np.arange(3), 1.0))
    'member 2 (ctgan)'
    """
    place, _, engine = plan.label.partition("-")
    return f"member {place} ({engine})"


def key_of(plan: Plan, table: EncodedTable) -> str:
    """Return the digest of all that settles what a member becomes: rows, columns, settings, seed, our code, and what computes."""
    columns = [[c.name, c.cardinality, c.ordered] for c in table.columns]
    document = {
        "engine": plan.engine,
        "settings": plan.settings.model_dump(mode="json"),
        "seed": plan.seed,
        "columns": columns,
        "versions": _versions(),
    }
    arrays = [array for column in table.columns for array in member.described(column).values()]
    groups = [] if table.groups is None else [table.groups[plan.rows]]
    return cache.digest(document, [table.codes[plan.rows], table.residuals[plan.rows], *groups, *arrays])


def code_files() -> list[Path]:
    """Return every file of the model's room: any of them may change what a member becomes."""
    return sorted(Path(__file__).parents[1].rglob("*.py"))


def _versions() -> dict[str, Any]:
    where = device.available()[0]
    code = [path.read_text(encoding="utf-8") for path in code_files()]
    packages = {name: version_of(name) for name in ("lookalike", "torch", "numpy")}
    # the same version of ours may hold other code while it is worked on
    return {
        **packages,
        "code": cache.digest(code),
        "device": where,
        "precision": str(device.fastest(torch.device(where))),
    }


def clear(root: Path) -> None:
    """Remove what members of an earlier run left under ``root``."""
    for path in root.glob("*/*"):
        if path.name in FILES:
            path.unlink()


def _place(folder: Path | None) -> AbstractContextManager[str | Path]:
    return tempfile.TemporaryDirectory() if folder is None else nullcontext(folder)


def _complaint(folder: Path, code: int) -> str:
    """What a member's process had to say before it ended."""
    try:
        return str(json.loads((folder / ERROR).read_text(encoding="utf-8")))
    except (OSError, ValueError):  # it raised nothing of ours: a bug, or it was killed
        output = (folder / scale.OUTPUT).read_text(encoding="utf-8", errors="replace").strip()
    if not output:
        return (
            f"a member trains to its end, however: its process ended with code {code} and without a word; it may have run out of memory. "
            "Train fewer at once (workers=1)."
        )
    return f"its process ended with code {code}: {output.splitlines()[-1]}."
