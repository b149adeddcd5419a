"""Where a run leaves its files, and that nothing of the user's is overwritten."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lookalike.artefact import replacing
from lookalike.errors import InputError, OutputError
from lookalike.report import Scorecard
from lookalike.run import CHECKPOINT, FILES, Run
from lookalike.table import check_suffix
from lookalike.twin import Twin

LOCK = "lock"
"""The file in a run folder that is locked while a run works there, and empty once that has come to its end."""
AT_WORK = b"A run is at work here, or ended before its time.\n"
Say = Callable[[str, str, str], None]
"""Told (label, what was decided, which flag decides otherwise) as the run goes on."""


def silent(label: str, text: str, other: str) -> None:
    """A :data:`Say` for whoever does not listen."""


@dataclass(frozen=True)
class Places:
    """Where a run leaves its files."""

    table: Path
    report: Path
    twin: Path
    folder: Path

    raw: Path | None = None

    @classmethod
    def beside(cls, source: Path, out: Path | None, *, raw: bool = False) -> Places:
        """``customers.csv`` → ``customers-lookalike.csv``, ``customers-lookalike.html``, ``customers.twin``; or around ``out``."""
        twin = twin_of(source) if out is None else out.with_suffix(".twin")
        table = source.with_name(f"{source.stem}-lookalike{source.suffix}") if out is None else out
        return cls(
            table,
            table.with_suffix(".html"),
            twin,
            table.with_name(f"{table.stem}-run"),
            table.with_name(f"{table.stem}-raw{table.suffix}") if raw else None,
        )

    def check(self, *, force: bool, read: Iterable[Any] = (), escape_formulas: bool = False) -> None:
        """Raise before any work if a file or a run that was begun is in the way, or a file cannot be written."""
        check_begun(self.folder, force=force)
        check_suffix(self.table, escape_formulas=escape_formulas)
        raw = [] if self.raw is None else [self.raw]
        check_outputs([self.table, self.report, self.twin, *raw], force=force, read=read)


@dataclass(frozen=True)
class Made:
    """What ``make`` made; ``unmet`` and ``advice`` say what was required and not reached, and what would help."""

    table_file: Path
    report_file: Path
    twin_file: Path
    folder: Path
    twin: Twin
    card: Scorecard
    unmet: tuple[str, ...] = ()
    advice: str = ""


def twin_of(source: Path) -> Path:
    """Where a table's twin lies: ``customers.csv`` → ``customers.twin``."""
    if not source.name:  # . and /
        raise InputError(f"a table is a file, however: {source} is a folder. Name a file in it.")
    return source.with_suffix(".twin")


def check_outputs(paths: Iterable[Path], *, force: bool, read: Iterable[Any] = ()) -> None:
    """Raise before any work if a file is in the way or its folder cannot be written to. What is ``read`` from, where that are files,
    is in the way even of ``force``."""
    sources = [source for source in read if isinstance(source, (str, Path)) and Path(source).exists()]
    for path in paths:
        # the same file, however it is spelled: a.csv is A.csv on a Mac
        if path.exists() and any(path.samefile(source) for source in sources):
            raise OutputError(
                f"what is read is never written over, however: {path} would be. Choose another place with --out."
            )
        if path.is_dir() or (path.exists() and not force):
            raise OutputError(
                f"a file of yours is never overwritten, however: {path} exists. Use --force, or another --out."
            )
        try:
            with replacing(path) as temporary:
                temporary.touch()
                raise _Enough
        except _Enough:
            pass


def check_begun(folder: Path, *, force: bool) -> None:
    """Raise if a run was begun in a folder that could be gone on with: what it learned is not thrown away unasked."""
    lock = folder / LOCK
    ended = lock.exists() and lock.stat().st_size == 0
    if not force and not ended and ((folder / CHECKPOINT).exists() or any(folder.glob("members/*/*.twin"))):
        raise OutputError(
            f"what a run has learned is never thrown away unasked, however: one was begun in {folder} and has not come to its end. "
            "--resume goes on with it, --force starts afresh."
        )


class _Enough(Exception):
    """Leaves ``replacing`` without replacing."""


@contextmanager
def run_folder(folder: Path, resume: bool) -> Iterator[Path]:
    """A fresh run folder, or the one to go on in, in which no other run works meanwhile; only files that a run writes are ever removed."""
    if resume and not (folder / CHECKPOINT).exists():
        raise OutputError(
            f"--resume needs a checkpoint, however: {folder} has none. Nets and ensembles leave one; trees, copula and marginals, mostly done "
            "in a minute, begin again. Start without --resume."
        )
    with _locked(folder):
        if not resume:
            for name in FILES:
                (folder / name).unlink(missing_ok=True)
        try:
            yield folder
        except KeyboardInterrupt:
            raise KeyboardInterrupt(how_to_go_on(folder)) from None


def how_to_go_on(folder: Path | None) -> str:
    """Say what there is to do about a run that was interrupted."""
    if folder is not None and (folder / CHECKPOINT).exists():
        return "go on: --resume"
    return "no checkpoint to go on from, start again: --force"


def cut_short(run: Run) -> str:
    """Say of a training that Ctrl-C ended it."""
    return f"interrupted; the best state so far was kept ({how_to_go_on(run.folder)})"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the lock is the system's, so it goes with the process that holds it, however that ends. A folder that a run
    made and was refused in, before it left anything, goes with it."""
    for path in folder.rglob("*"):
        if path.is_symlink():  # a folder that was handed on would have a run write over a file elsewhere
            raise OutputError(
                f"a run writes into its own folder alone, however: {path} is a link. Remove it, or choose another place with --out."
            )
    fresh, at_work = not folder.exists(), False
    try:
        # what lies there was learned from rows, and says which were kept back
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise OutputError(
            f"{folder} must be writable, however: {error.strerror or error}. Choose another place with --out."
        ) from None
    try:
        with file:
            try:
                _lock(file)
            except (BlockingIOError, PermissionError):
                raise OutputError(
                    f"one run at a time works in a folder, however: another is at work in {folder}. Wait until it ends, or choose another "
                    "place with --out."
                ) from None
            except OSError as error:  # a file system without locks
                raise OutputError(
                    f"{folder} must be locked while a run works there, however: {error.strerror or error}. Choose another place with --out."
                ) from None
            file.truncate(0)
            file.write(AT_WORK)
            file.flush()
            at_work = True
            yield
            file.truncate(0)
            at_work = False
    finally:
        if at_work and fresh and [one.name for one in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()


def _lock(file: BinaryIO) -> None:
    """Lock an open file until it is closed; raise an OSError at once where another has it."""
    if sys.platform == "win32":
        import msvcrt

        # opened at its end, which moves; a lock is of a byte, and here there must be one for all runs
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
