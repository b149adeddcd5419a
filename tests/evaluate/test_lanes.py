from __future__ import annotations

import subprocess
import sys
import threading
import warnings

import numpy as np
import pyarrow as pa
import pytest
import sklearn.ensemble  # noqa: F401  brings the libraries whose threads are counted
from threadpoolctl import threadpool_info

from lookalike.evaluate import lanes, score
from lookalike.evaluate.lanes import one_core_each, one_thread, side_by_side
from lookalike.schema.infer import infer_schema


def threads(kind):
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == kind]


def test_results_come_in_the_order_of_the_jobs(monkeypatch):
    monkeypatch.setattr(lanes, "cores", lambda: 2)
    second_ran = threading.Event()

    def first():
        assert second_ran.wait(30), "both jobs must be under way at once"
        return 1

    def second():
        second_ran.set()
        return 2

    assert side_by_side([first, second]) == [1, 2]
    assert side_by_side([]) == []


def test_the_first_error_is_raised_and_what_has_not_started_never_does(monkeypatch):
    monkeypatch.setattr(lanes, "cores", lambda: 1)
    started = []

    def fails():
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        side_by_side([fails, *[lambda: started.append(1) or threading.Event().wait(0.05)] * 50])
    assert len(started) < 50


def test_thread_counts_and_warning_filters_are_left_as_found():
    before, filters = (threads("blas"), threads("openmp")), list(warnings.filters)
    with one_core_each():
        warnings.simplefilter("ignore")
        with one_core_each():
            assert set(threads("blas")) == {1}
        assert set(threads("blas")) == {1}, "the inner one must not undo the outer one's"
    assert (threads("blas"), threads("openmp")) == before
    assert list(warnings.filters) == filters


def test_the_openmp_limit_is_the_threads_own():
    seen = {}

    def limited():
        with one_thread():
            seen["inside"] = threads("openmp")

    before = threads("openmp")
    worker = threading.Thread(target=limited)
    worker.start()
    worker.join()
    assert set(seen["inside"]) == {1} and threads("openmp") == before


LOADED_BESIDE = """
import sys, threading
from importlib.machinery import EXTENSION_SUFFIXES

class Watch:
    def find_spec(self, name, *rest):
        if threading.current_thread() is not threading.main_thread():
            found.append(name)

found = []
sys.meta_path.insert(0, Watch())
import numpy as np, pyarrow as pa
from lookalike.evaluate import score
from lookalike.schema import ColumnSpec, Schema

schema = Schema([ColumnSpec(name="x", kind="float", storage="double"), ColumnSpec(name="y", kind="float", storage="double", role="target")])
real, synthetic, holdout = (pa.table(dict(zip("xy", np.random.default_rng(seed).normal(size=(2, 300))))) for seed in range(3))
assert score(real, synthetic, schema, holdout=holdout)["utility"]["learners"]
for name in found:
    if str(getattr(sys.modules.get(name), "__file__", "")).endswith(tuple(EXTENSION_SUFFIXES)) or name in ("xgboost", "lightgbm"):
        print(name)
"""


def test_no_library_is_loaded_beside_another_piece():
    """One piece that loaded XGBoost while another limited its threads waited for it, and it for that one, for ever."""
    done = subprocess.run([sys.executable, "-c", LOADED_BESIDE], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_whole_scorecard_is_the_same_on_any_number_of_cores(monkeypatch):
    random = np.random.default_rng(0)

    def table(rows):
        lean = random.normal(size=rows)
        return pa.table({"x": lean, "y": lean + random.normal(size=rows), "z": random.choice(["a", "b"], rows)})

    real, synthetic, holdout = table(400), table(400), table(300)
    schema, cards = infer_schema(real), []
    for count in (1, 3):
        monkeypatch.setattr(lanes, "cores", lambda count=count: count)
        card = score(real, synthetic, schema, holdout=holdout, target="z", seed=4)
        cards.append({part: figures for part, figures in card.items() if part != "timings"})
    assert cards[0] == cards[1]
