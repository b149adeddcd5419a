"""Where a run leaves its files: one run at a time, and nothing of an earlier one is lost unasked."""

from __future__ import annotations

import pytest

from lookalike.errors import OutputError
from lookalike.presets.places import run_folder


def test_two_runs_never_work_in_one_folder(tmp_path):
    with run_folder(tmp_path / "run", False) as folder:
        (folder / "log.txt").write_text("at work")
        with pytest.raises(OutputError, match="another is at work"), run_folder(tmp_path / "run", False):
            pass
        assert (folder / "log.txt").read_text() == "at work"
        with run_folder(tmp_path / "other", False):
            pass
    with pytest.raises(RuntimeError), run_folder(tmp_path / "run", False):
        raise RuntimeError("a run that fails lets go of its folder")
    with run_folder(tmp_path / "run", False):
        pass
