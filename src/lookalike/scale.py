"""Jobs beside each other: a process each on this machine, or a task each on a Ray cluster.

A job is a module that is run as a script (as by ``python -m module FOLDER INPUT…``) and everything it knows lies in files: what to do
in its folder, what it shares with others in its inputs, and there it leaves what it found. So nothing is pickled, a parent needs no
``__main__`` guard (notebooks and scripts on standard input work), and the same job runs here or on a cluster.

A job stops when its standard input ends (:func:`stop_with_parent`): because it was told to, or because its parent is no more; then it
removes what its parent would have removed.
"""

from __future__ import annotations

import _thread
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from lookalike.errors import SettingsError

POLL_SECONDS = 0.1
STOP_SECONDS = 60.0
"""What a job that was told to stop may take to keep its state, before it is ended."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""How many jobs run beside each other must not change what they find; sums over several threads would."""
AS_SCRIPT = (
    "import sys; sys.path[:] = filter(None, sys.path); import runpy; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
"""``python -m``, which looks for modules in the working directory before all else, without that: a folder that was handed on may hold a
``numpy.py``."""
TOLD_TO_STOP = b"."
"""What a job reads where it is told to stop; where its input ends without it, nobody is left to tell it anything."""
OUTPUT = "output.txt"
"""Where a job's standard output and error go, inside its folder."""


@dataclass(frozen=True)
class Job:
    """A module to run on a folder.

    Attributes
    ----------
    module
        Run as by ``python -m module FOLDER INPUT…``; 0 means it went well.
    folder
        What the job reads and writes.
    inputs
        Files it reads and shares with other jobs.
    """

    module: str
    folder: Path
    inputs: tuple[Path, ...] = ()


class Started(Protocol):
    """A job that runs."""

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""

    def stop(self) -> None:
        """Ask it to keep its state and end."""

    def kill(self) -> None:
        """End it."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    jobs: Iterable[Job],
    start: Callable[[Job], Started],
    *,
    workers: int,
    ended: Callable[[Job, int], None],
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Run all jobs, at most ``workers`` at a time.

    Parameters
    ----------
    jobs
        Taken one by one, each only when it can start: what a job is told may depend on the time that is left.
    start
        :class:`Process`, or a :class:`Cluster`'s ``start``.
    ended
        Told the exit code as soon as a job ends. What it raises stops all others.
    tick
        Called ten times a second, to show how far they are.

    Raises
    ------
    KeyboardInterrupt
        After all jobs were stopped and had time to keep their state; a second Ctrl-C ends them at once.
    """
    waiting = iter(jobs)
    running: list[tuple[Job, Started]] = []
    try:
        while True:
            while len(running) < workers and (job := next(waiting, None)) is not None:
                running.append((job, start(job)))
            if not running:
                return
            for job, started in list(running):
                code = started.poll()
                if code is not None:
                    running.remove((job, started))
                    ended(job, code)
            tick()
            time.sleep(POLL_SECONDS)
    except BaseException:
        _stop([started for _, started in running])
        raise


def _stop(running: list[Started]) -> None:
    try:
        for started in running:
            started.stop()
        deadline = time.monotonic() + STOP_SECONDS
        while any(started.poll() is None for started in running) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    finally:
        for started in running:
            if started.poll() is None:
                started.kill()


class Process:
    """A job as a process of its own on this machine, with one thread."""

    def __init__(self, job: Job) -> None:
        if not sys.executable:
            raise SettingsError(
                "jobs beside each other start this Python anew, however: it does not know where it lies. Use one worker."
            )
        path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
        with (job.folder / OUTPUT).open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", AS_SCRIPT, job.module),
                    *(str(path.resolve()) for path in (job.folder, *job.inputs)),
                ],
                cwd=job.folder,
                env=os.environ | ONE_THREAD | {"PYTHONPATH": path},
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=output,
                stderr=output,
                # Ctrl-C at the terminal is the parent's to pass on: a job hears of it once
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    def poll(self) -> int | None:
        code = self._process.poll()
        if code is not None:
            self._input.close()
        return code

    def stop(self) -> None:
        if not self._input.closed:
            with suppress(OSError):  # it has ended
                self._input.write(TOLD_TO_STOP)
            self._input.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin


def stop_with_parent(orphaned: Callable[[], None] = lambda: None) -> None:
    """Called by a job: have the end of its standard input end it as Ctrl-C does; where that is because its parent is no more, call
    ``orphaned`` first: what the parent would have cleared away is left to the job."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have left it ignored
    main = threading.main_thread().ident
    assert main is not None

    def listen() -> None:
        told = b""
        while last := os.read(0, 1):
            told = last
        if told != TOLD_TO_STOP:
            orphaned()
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(main, signal.SIGINT)  # wakes it where it waits, too
        else:
            _thread.interrupt_main()

    threading.Thread(target=listen, daemon=True).start()


# ------------------------------------------------------------------------------------------------------------- cluster


def check_cluster() -> None:
    """Raise unless Ray is installed."""
    if importlib.util.find_spec("ray") is None:
        raise SettingsError(
            "a cluster is reached through Ray, however: ray is not installed. pip install 'lookalike[cluster]', or leave cluster unset."
        )


class Cluster:
    """A Ray cluster: a job's files travel to a task and come back when it ends.

    What a stopped job had found by then stays on its machine; only jobs that ended come back.

    Parameters
    ----------
    address
        As ``ray.init`` takes it: ``auto``, ``local``, or ``ray://host:10001``.

    Raises
    ------
    SettingsError
        Ray is not installed, or there is no cluster.
    """

    def __init__(self, address: str) -> None:
        check_cluster()
        import ray

        self._ray = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            told_to_end = signal.getsignal(signal.SIGTERM)
            try:
                ray.init(address=address, log_to_driver=False)
            except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                raise SettingsError(
                    f"a cluster is one that answers, however: none did at cluster={address!r} ({type(error).__name__}). "
                    "Start one there (ray start --head), or leave cluster unset."
                ) from None
            # Ray puts its own in place, after which this process is aborted where it would have kept what was learned
            if callable(told_to_end) and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, told_to_end)
        self._task = ray.remote(num_cpus=1, max_retries=0)(run_elsewhere)
        self._shared: dict[tuple[Path, ...], Any] = {}

    def start(self, job: Job) -> Started:
        if job.inputs not in self._shared:  # all jobs read the same table: it travels once
            self._shared[job.inputs] = self._ray.put({path.name: path.read_bytes() for path in job.inputs})
        files = {path.name: path.read_bytes() for path in job.folder.iterdir() if path.is_file()}
        return _Task(self._ray, job, self._task.remote(job.module, files, self._shared[job.inputs]))

    def close(self) -> None:
        """Leave the cluster, if it was not the caller's already."""
        if self._ours:
            self._ray.shutdown()


class _Task:
    """A job as a task of Ray."""

    def __init__(self, ray: Any, job: Job, reference: Any) -> None:
        self._ray, self._job, self._reference = ray, job, reference
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None and self._ray.wait([self._reference], timeout=0)[0]:
            try:
                self._code, files = self._ray.get(self._reference)
            except self._ray.exceptions.RayError as error:  # the machine went away, or the task was cancelled
                self._code, files = 1, {OUTPUT: f"{type(error).__name__}: the task did not come back".encode()}
            for name, content in files.items():
                (self._job.folder / name).write_bytes(content)
        return self._code

    def stop(self) -> None:
        self._ray.cancel(self._reference, force=False)

    def kill(self) -> None:
        self._ray.cancel(self._reference, force=True)


def run_elsewhere(module: str, files: dict[str, bytes], inputs: dict[str, bytes]) -> tuple[int, dict[str, bytes]]:
    """Run a job whose files travelled here; return its exit code and the files in its folder afterwards."""
    with tempfile.TemporaryDirectory() as place:
        folder, shared = Path(place) / "job", Path(place) / "shared"
        for where, contents in ((folder, files), (shared, inputs)):
            where.mkdir()
            for name, content in contents.items():
                (where / name).write_bytes(content)
        process = Process(Job(module, folder, tuple(shared / name for name in inputs)))
        try:
            while (code := process.poll()) is None:
                time.sleep(POLL_SECONDS)
        except BaseException:
            _stop([process])
            raise
        return code, {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
