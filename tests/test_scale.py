"""Jobs beside each other: all run, no more at once than asked, and they end when told to or when nobody is left to tell them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from lookalike import scale
from lookalike.errors import SettingsError
from lookalike.scale import Job, Process, run_jobs

JOB = """
import os, sys, time
from pathlib import Path
from lookalike.scale import stop_with_parent
folder = Path(sys.argv[1])
stop_with_parent()
(folder / "began").write_text(os.environ["OMP_NUM_THREADS"] + " " + sys.argv[-1])
try:
    what = (folder / "what").read_text()
    time.sleep(60 if what == "sleep" else 0.2)
    (folder / "ended").touch()
    print("said", what)
    sys.exit(3 if what == "fail" else 0)
except KeyboardInterrupt:
    (folder / "kept").touch()
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A job that does what its name says."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "job_of_the_tests.py").write_text(JOB)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))

    def job(name: str, what: str = "work", inputs=()) -> Job:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "what").write_text(what)
        return Job("job_of_the_tests", folder, inputs)

    return job


def test_all_jobs_run_on_one_thread_each_and_read_what_they_share(make, tmp_path):
    shared = tmp_path / "shared"
    shared.touch()
    codes = {}
    jobs = [make(name, inputs=(shared,)) for name in "abc"]
    run_jobs(jobs, Process, workers=2, ended=lambda job, code: codes.update({job.folder.name: code}))
    assert codes == {"a": 0, "b": 0, "c": 0}
    assert {(job.folder / "began").read_text() for job in jobs} == {f"1 {shared}"}
    assert (jobs[0].folder / scale.OUTPUT).read_text().strip() == "said work"


def test_nothing_in_a_job_s_folder_is_taken_for_a_module(make):
    """A run folder may come from a stranger, or lie where others write: what is in it is data."""
    job = make("handed-on")
    for name in ("time", "pathlib", "lookalike", "runpy"):
        (job.folder / f"{name}.py").write_text("raise SystemExit(7)")
    codes = []
    run_jobs([job], Process, workers=1, ended=lambda job, code: codes.append(code))
    assert codes == [0], (job.folder / scale.OUTPUT).read_text()


def test_no_more_at_once_than_workers_and_each_is_made_when_its_turn_comes(make):
    made, running, most = [], set(), 0

    def jobs():
        for name in "abcd":
            made.append((name, len(running)))
            yield make(name)

    def start(job):
        nonlocal most
        running.add(job.folder)
        most = max(most, len(running))
        return Process(job)

    run_jobs(jobs(), start, workers=2, ended=lambda job, code: running.remove(job.folder))
    assert most == 2 and [name for name, _ in made] == list("abcd") and max(busy for _, busy in made) < 2


def test_what_ended_raises_stops_all_others(make):
    jobs = [make("a", "sleep"), make("b", "fail")]
    began = time.monotonic()

    def ended(job, code):
        if code:
            while not (jobs[0].folder / "began").exists():
                time.sleep(0.05)
            raise RuntimeError(job.folder.name, code)

    with pytest.raises(RuntimeError, match=r"'b', 3"):
        run_jobs(jobs, Process, workers=2, ended=ended)
    assert (jobs[0].folder / "kept").exists() and time.monotonic() - began < 40


def test_a_job_that_does_not_stop_is_ended(make, monkeypatch, tmp_path):
    monkeypatch.setattr(scale, "STOP_SECONDS", 0.3)
    (tmp_path / "modules" / "deaf_of_the_tests.py").write_text("import time\ntime.sleep(60)\n")
    job = make("a")

    def tick():
        raise KeyboardInterrupt

    started = []

    def start(_):
        started.append(Process(Job("deaf_of_the_tests", job.folder)))
        return started[0]

    with pytest.raises(KeyboardInterrupt):
        run_jobs([job], start, workers=1, ended=lambda job, code: None, tick=tick)
    assert started[0].poll() not in (None, 0)


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_job_ends_when_its_parent_is_no_more(make):
    job = make("a", "sleep")
    parent = (
        "import sys, time\nfrom pathlib import Path\nfrom lookalike.scale import Job, Process\n"
        "sys.path.insert(0, sys.argv[2])\nstarted = Process(Job('job_of_the_tests', Path(sys.argv[1])))\ntime.sleep(60)\n"
    )
    modules = job.folder.parent / "modules"
    process = subprocess.Popen([sys.executable, "-c", parent, str(job.folder), str(modules)])
    try:
        _wait_for(job.folder / "began")
    finally:
        process.kill()
        process.wait()
    _wait_for(job.folder / "kept")


def _wait_for(path):
    deadline = time.monotonic() + 40
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.05)


def test_files_travel_to_a_job_elsewhere_and_back(make):
    job = make("a")
    files = {"what": b"work"}
    code, back = scale.run_elsewhere(job.module, files, {"shared": b""})
    assert code == 0 and back["what"] == b"work" and {"began", "ended"} <= set(back)
    assert back["began"].endswith(b"shared")


def test_a_ray_cluster_runs_them_too(make, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'lookalike[cluster]' to run this")
    shared = tmp_path / "shared"
    shared.touch()
    codes = {}
    jobs = [make(name, what, (shared,)) for name, what in (("a", "work"), ("b", "fail"))]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # a cluster's machines have what jobs import
    told_to_end = signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = scale.Cluster("local")
    try:
        assert signal.signal(signal.SIGTERM, told_to_end) is signal.default_int_handler
        run_jobs(jobs, cluster.start, workers=2, ended=lambda job, code: codes.update({job.folder.name: code}))
    finally:
        cluster.close()
    assert codes == {"a": 0, "b": 3} and (jobs[0].folder / "ended").exists()


def test_a_cluster_that_is_not_there_is_one_line():
    pytest.importorskip("ray", reason="ray is not installed: pip install 'lookalike[cluster]' to run this")
    with pytest.raises(SettingsError, match=r"none did at cluster='nowhere://x' \(RuntimeError\)"):
        scale.Cluster("nowhere://x")
