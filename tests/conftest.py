"""What several tests share: one awkward table, quick fits, and the bench's tables where they are at hand."""

from __future__ import annotations

import _thread
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings

from lookalike import Run, fit, registry
from lookalike.encode.frame import TableEncoder
from lookalike.schema import EncodedTable

# how long something takes is shown by benchmarks: a busy machine must not fail a law
settings.register_profile("lookalike", deadline=None)
settings.load_profile("lookalike")


def pytest_configure():
    """Of a job in a script's background Ctrl-C is ignored, of one under nohup a closed terminal: there the tests of them would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def quick_settings(engine, epochs=1):
    """The settings that keep a fit short: few epochs, of an engine that has epochs."""
    kind = registry.load(registry.ENGINES, engine, "engine")
    wanted = {"epochs": epochs, "cache": False}
    return {name: value for name, value in wanted.items() if name in kind.Settings.model_fields}


def quick_fit(data, *, engine="tvae", **settings):
    """The shortest honest fit: the real engine, one epoch, no bar."""
    return fit(data, engine=engine, **{**quick_settings(engine), "run": Run(), **settings})


@pytest.fixture
def awkward() -> pa.Table:
    """One column of every kind that tends to break things, 60 rows."""
    n = 60
    return pa.table(
        {
            "id": [f"K-{i:05}" for i in range(n)],
            "small": pa.array([i % 7 for i in range(n)], pa.int8()),
            "big": pa.array([2**60 + i * 12_345 for i in range(n)], pa.int64()),
            "amount": [0.0 if i % 3 else round(i * 1.37, 2) for i in range(n)],
            "gaps": [None if i % 4 == 0 else float(i) for i in range(n)],
            "flag": [i % 2 == 0 for i in range(n)],
            "said": ["yes" if i % 3 else "no" for i in range(n)],
            "zip": [f"0{1000 + i % 5}" for i in range(n)],
            "kind": pa.array(["a", "b", None] * 20).dictionary_encode(),
            'naïve, "quoted".col 🙂': ["x", "y"] * 30,
            "day": [date(1970, 1, 1) if i % 5 == 0 else date(2020, 1, 1 + i % 28) for i in range(n)],
            "moment": pa.array(
                [datetime(2021, 3, 1 + i % 28, i % 24, i) for i in range(n)], pa.timestamp("us", "Europe/Vienna")
            ),
            "written": [f"{1 + i % 28:02}.03.2021" for i in range(n)],
            "money": pa.array([Decimal(i) / 4 for i in range(n)], pa.decimal128(10, 2)),
            "same": ["only"] * n,
            "nothing": pa.nulls(n, pa.string()),
        }
    )


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory):
    """No test finds or leaves anything in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def bench_table(name: str) -> Path:
    """A table of the bench, or a loud skip."""
    folder = os.environ.get("LOOKALIKE_DATA")
    path = Path(folder) / name if folder else None
    if path is None or not path.exists():
        pytest.skip(f"{name} not found: set LOOKALIKE_DATA to the folder of bench tables to run this")
    return path


def scrambled(encoder: TableEncoder, rows: int = 3000, seed: int = 1) -> EncodedTable:
    """Every code and residual of every column, without any relation."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, column.cardinality, rows) for column in encoder.columns], 1).astype(np.int32)
    interval = np.stack([column.interval[codes[:, place]] for place, column in enumerate(encoder.columns)], 1)
    return EncodedTable(encoder.columns, codes, np.where(interval, rng.uniform(-1, 1, codes.shape), 0.0))


@contextmanager
def ctrl_c(when: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C, once, as soon as it is time."""
    over = threading.Event()

    def watch():
        while not when():
            if over.wait(0.01):
                return
        _thread.interrupt_main()

    watching = threading.Thread(target=watch)
    watching.start()
    gc.disable()  # an interrupt that meets a callback of its (hypothesis has one) is swallowed there
    try:
        yield
    finally:
        gc.enable()
        over.set()
        watching.join()
