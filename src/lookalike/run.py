"""What a run shows and leaves behind: a progress bar, a log to tail, losses as CSV, a checkpoint to resume from.

Engines speak to a :class:`Run` and know nothing of terminals or folders. A plain ``Run()`` keeps the losses in memory
and shows nothing.
"""

from __future__ import annotations

import csv
import json
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lookalike import artefact
from lookalike.errors import ArtefactError, LookalikeWarning, OutputError, SettingsError

CHECKPOINT_SECONDS = 30.0
LOG, LOSSES, CHECKPOINT, TOLD, CARD = "log.txt", "losses.csv", "checkpoint.twin", "run.json", "scorecard.json"
CODES, COINS = "domain.json", "kept-back.json"
"""What a private run pays for once: its columns' codes, and which rows it kept back."""
FILES = (LOG, LOSSES, CHECKPOINT, TOLD, CARD, CODES, COINS)
"""All that a run writes into its folder, but for members and attempts, which have folders of their own."""


def terminal(console: Console | None = None) -> Console | None:
    """The console (standard error when left out) if it is a person's terminal or notebook to draw a bar on, else None."""
    console = console or Console(stderr=True)
    # FORCE_COLOR, as CI sets it, makes Rich call a log a terminal: there every step of a bar would stay
    return console if console.is_jupyter or (console.is_terminal and console.file.isatty()) else None


class Run:
    """One training run.

    Parameters
    ----------
    folder
        Where log, losses and checkpoint go; None keeps nothing on disk.
    console
        Where the progress bar is drawn; None draws none.
    minutes
        Time budget for training, counted from now.
    resume
        Whether an engine may go on from the folder's checkpoint.

    >>> run = Run()
    >>> run.epoch(1, 10, {"loss": 0.5})
    >>> run.losses
    [{'epoch': 1, 'loss': 0.5}]
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        console: Console | None = None,
        minutes: float | None = None,
        resume: bool = False,
    ) -> None:
        if resume and folder is None:
            raise SettingsError(
                "a run goes on from what lies in its folder, however: resume=True and no folder. Give the folder."
            )
        self.folder = folder
        self.resume = resume
        self.losses: list[dict[str, float]] = []
        self.notes: dict[str, Any] = {}
        self.interrupted = False
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._progress = None if console is None else Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._checkpoint_time = time.monotonic()
        self._told = False
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(
                    f"{folder} cannot be made: {error.strerror or error}. Choose another place with --out."
                ) from None

    # -------------------------------------------------------------------------------------------- what engines say

    def epoch(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        """Record one finished epoch (counted from 1) of at most ``epochs``."""
        row = {"epoch": epoch, **{name: float(value) for name, value in losses.items()}}
        self.losses.append(row)
        figures = [f"epoch {epoch}", *(f"{name.replace('_', ' ')} {value:.3f}" for name, value in losses.items())]
        self.show("training", epoch, epochs, "  ".join(figures))
        if self.folder is not None:
            self._write_loss(row)
            self.log(f"epoch {epoch}/{epochs}  " + "  ".join(f"{k} {v:.4f}" for k, v in losses.items()))

    def forget(self) -> None:
        """Drop the losses and the checkpoint of a training whose model was not kept; of one that Ctrl-C cut the files stay, to go on from."""
        self.losses.clear()
        self.notes.pop("training", None)
        if self.folder is not None and not self.interrupted:
            for name in (LOSSES, CHECKPOINT):
                (self.folder / name).unlink(missing_ok=True)

    def show(self, what: str, done: int, total: int, figures: str = "") -> None:
        """Move the progress bar."""
        if self._progress is None:
            return
        if self._task is None or self._progress.tasks[0].description != what:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._progress.start()
            self._task = self._progress.add_task(what, total=total, figures="")
        self._progress.update(self._task, completed=done, total=total, figures=figures)

    def close(self) -> None:
        """Take the progress bar down; the last state of it stays on screen."""
        if self._progress is not None:
            with suppress(OSError):  # its terminal may be gone, and what was learned is not to go with it
                self._progress.stop()
            self._progress, self._task = None, None

    def log(self, text: str) -> None:
        """Append one line to the folder's log."""
        if self.folder is not None:
            with self.sparing(), (self.folder / LOG).open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now().isoformat(sep=' ', timespec='seconds')}  {text}\n")

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """What cannot be written in the block is done without, as what was learned is worth more; that is said once a run."""
        try:
            yield
        except (OSError, OutputError) as error:
            if not self._told:
                fault = (
                    error
                    if isinstance(error, OutputError)
                    else f"{error.filename or self.folder}: {error.strerror or error}."
                )
                warnings.warn(
                    f"a run writes down how it goes, however: {fault} It goes on without.",
                    LookalikeWarning,
                    stacklevel=4,
                )
            self._told = True

    @property
    def seconds_left(self) -> float:
        """Seconds to the deadline; infinite where there is none."""
        return math.inf if self.deadline is None else self.deadline - time.monotonic()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A deadline of the block's own, so many seconds from now; infinitely many leave the run's.

        >>> run = Run(minutes=1)
        >>> with run.within(run.seconds_left / 3):
        ...     print(round(run.seconds_left))
        20
        >>> print(round(run.seconds_left))
        60
        """
        deadline = self.deadline
        if math.isfinite(seconds):
            self.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self.deadline = deadline

    @property
    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    # ------------------------------------------------------------------------------------------------- checkpoints

    @property
    def goes_on(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.resume and self.folder is not None and (self.folder / CHECKPOINT).exists()

    @property
    def checkpoint_due(self) -> bool:
        """Whether it is time to save: often enough to lose little, seldom enough to cost little."""
        return self.folder is not None and time.monotonic() - self._checkpoint_time >= CHECKPOINT_SECONDS

    def save_checkpoint(self, make: Callable[[], tuple[dict[str, Any], dict[str, np.ndarray]]]) -> None:
        """Save what ``make`` returns (JSON, arrays), atomically; without a folder, do nothing."""
        if self.folder is None:
            return
        state, arrays = make()
        artefact.write(self.folder / CHECKPOINT, {"checkpoint": {"state": state, "losses": self.losses}}, arrays)
        self._checkpoint_time = time.monotonic()

    def load_checkpoint(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return the checkpoint to go on from, or None to start afresh."""
        if self.folder is None or not self.goes_on:
            return None
        path = self.folder / CHECKPOINT
        documents, arrays = artefact.read(path)
        if "checkpoint" not in documents:
            raise ArtefactError(f"{path.name} is no checkpoint. Delete it to start afresh.")
        self.losses = list(documents["checkpoint"]["losses"])
        self._rewrite_losses()
        return documents["checkpoint"]["state"], arrays

    # ------------------------------------------------------------------------------------------------------- files

    def write_json(self, name: str, document: Any) -> None:
        if self.folder is not None:
            with artefact.replacing(self.folder / name) as temporary:
                temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def read_json(self, name: str, parts: Iterable[str] = ()) -> Any:
        """What :meth:`write_json` wrote, which has these ``parts``; None where there is no such file.

        Raises
        ------
        ArtefactError
            It is damaged, or lacks a part.
        """
        path = None if self.folder is None else self.folder / name
        if path is None or not path.exists():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            for part in parts:
                document[part]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ArtefactError(
                f"{path} cannot be read ({type(error).__name__}): a run cannot go on from it. Start without --resume."
            ) from None
        return document

    def _write_loss(self, row: Mapping[str, float]) -> None:
        assert self.folder is not None
        path = self.folder / LOSSES
        fresh = len(self.losses) == 1 or not path.exists()
        with self.sparing(), path.open("w" if fresh else "a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.losses[0]))  # later rows may lack a figure
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def _rewrite_losses(self) -> None:
        """After a resume the CSV holds what the checkpoint holds, not the epochs lost since."""
        losses, self.losses = self.losses, []
        for row in losses:
            self.losses.append(row)
            self._write_loss(row)
