"""Where a run leaves its files: one run at a time, and nothing of an earlier one is lost unasked."""

from __future__ import annotations

import os

import pytest

import lookalike
from conftest import ctrl_c
from lookalike import presets
from lookalike.demo import demo_table
from lookalike.errors import InputError, OutputError
from lookalike.presets.places import check_begun, run_folder
from lookalike.table import as_table, write_table


def test_there_is_nothing_to_resume_without_a_checkpoint(tmp_path):
    told = "has none. Nets and ensembles leave one; trees, copula and marginals, mostly done in a minute, begin again"
    with pytest.raises(OutputError, match=told), run_folder(tmp_path, True):
        pass


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_run_folder_is_the_users_alone(tmp_path):
    with run_folder(tmp_path / "a-run", resume=False) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


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


@pytest.mark.parametrize("name", ["lock", "log.txt", "members/1-ctgan/output.txt"])
def test_a_link_in_a_run_folder_is_not_followed(tmp_path, name):
    """A folder may come from a stranger: what a link in it leads to is someone's file, and would be written over."""
    mine, link = tmp_path / "thesis.txt", tmp_path / "a-run" / name
    mine.write_text("mine")
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    with pytest.raises(OutputError, match=f"{name} is a link"), run_folder(tmp_path / "a-run", resume=False):
        pass
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("left", ["checkpoint.twin", "members/1-ctgan/member.twin"])
def test_what_a_run_has_learned_is_not_thrown_away_unasked(tmp_path, left):
    folder = tmp_path / "run"
    with pytest.raises(RuntimeError), run_folder(folder, False):
        check_begun(folder, force=False)  # nothing is learned yet
        (folder / left).parent.mkdir(parents=True, exist_ok=True)
        (folder / left).touch()
        raise RuntimeError
    with pytest.raises(OutputError, match="--resume goes on with it, --force starts afresh"):
        check_begun(folder, force=False)
    check_begun(folder, force=True)
    with run_folder(folder, False):  # one that came to its end has left its files
        (folder / left).touch()
    check_begun(folder, force=False)


def test_a_run_that_is_refused_leaves_no_folder(tmp_path):
    (tmp_path / "shop.csv").write_text("a,b\n1,x\n")
    with pytest.raises(InputError, match="at least two rows"):
        presets.fit_to(tmp_path / "shop.csv", tmp_path / "shop.twin", engine="copula")
    assert [one.name for one in tmp_path.iterdir()] == ["shop.csv"]
    (tmp_path / "shop-run").mkdir()
    with pytest.raises(InputError, match="at least two rows"):
        presets.fit_to(tmp_path / "shop.csv", tmp_path / "shop.twin", engine="copula")
    assert (tmp_path / "shop-run").exists(), "a folder that was there is not the run's to remove"


@pytest.mark.parametrize("run", ["make", "fit", "augment"])
def test_every_run_looks_for_one_that_was_begun(tmp_path, run):
    write_table(as_table(demo_table(100)), tmp_path / "shop.csv")
    folder = {"make": "shop-lookalike-run", "fit": "shop-run", "augment": "shop-hybrid-run"}[run]
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "checkpoint.twin").touch()
    begin = {
        "make": lambda path: lookalike.make(path, engine="copula"),
        "fit": lambda path: presets.fit_to(path, path.with_suffix(".twin"), engine="copula"),
        "augment": lambda path: presets.augment_to(path, target="churned", engine="copula"),
    }[run]
    with pytest.raises(OutputError, match=f"one was begun in .*{folder}"):
        begin(tmp_path / "shop.csv")
    assert (tmp_path / folder / "checkpoint.twin").exists()


@pytest.mark.parametrize(
    ("engine", "told"), [("tvae", "go on: --resume"), ("copula", "no checkpoint to go on from, start again: --force")]
)
@pytest.mark.parametrize("run", ["make", "augment"])
def test_a_run_that_is_cut_after_its_training_says_how_to_go_on(tmp_path, run, engine, told):
    source, how = tmp_path / "shop.csv", {"engine": engine, **({"epochs": 2} if engine == "tvae" else {})}
    write_table(as_table(demo_table(200)), source)
    if run == "make":
        begin, table, twin = lookalike.make, tmp_path / "shop-lookalike.csv", tmp_path / "shop.twin"
    else:
        begin, table, twin = presets.augment_to, tmp_path / "shop-hybrid.csv", tmp_path / "shop-hybrid.twin"
        how["target"] = "churned"
    with pytest.raises(KeyboardInterrupt, match=told), ctrl_c(twin.exists):
        begin(source, **how)
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))
    begin(source, **{told.split("--")[1]: True}, **how)
    resumed = table.read_bytes()
    begin(source, force=True, **how)
    assert table.read_bytes() == resumed
