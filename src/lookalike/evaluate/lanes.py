"""Parts of the judge beside each other: a thread a core, and one core a thread.

The libraries underneath share one product or one tree among all cores themselves, and make them wait for each other
thousands of times a second: beside another busy process the boosted trees of ``detection`` took nine times as long as on
one core each (docs/log.md, 2026-11-24). Whole parts need nothing from each other, so each gets a core of its own; figures
are then also the same on any number of cores.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from lookalike.scale import cores

Result = TypeVar("Result")


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """What the jobs return, in their order; they start in it too, so the longest should come first.

    The first error is raised, and jobs that have not started by then (or by Ctrl-C) never do.

    >>> side_by_side([lambda: "a", lambda: "b"])
    ['a', 'b']
    """
    pool = ThreadPoolExecutor(max_workers=max(1, min(cores(), len(jobs))))
    try:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
    finally:
        pool.shutdown(cancel_futures=True)


class _OneCore:
    """Matrix products on one core each while anyone is inside; how many they had before is left as found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:  # the setting is the process's, so two cards at once must not undo each other's
                self._limits = threadpool_limits(1, user_api="blas")
            self._inside += 1
        try:
            # libraries that silence a warning for a moment restore what they found, and in threads that is not what was
            with warnings.catch_warnings():
                yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._limits.restore_original_limits()


one_core_each = _OneCore()


@contextmanager
def one_thread() -> Iterator[None]:
    """Trees of scikit-learn on the calling thread alone; the setting is the thread's own."""
    with threadpool_limits(1, user_api="openmp"):
        yield
