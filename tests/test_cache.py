"""What is kept comes back as it was, nothing else does, and it never fills the disk."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

from lookalike import cache
from lookalike.errors import OutputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_what_was_kept_is_found_and_nothing_else():
    cache.keep("a" * 40, "a model", {"member": {"said": "ä"}}, {"w": np.arange(3.0)})
    documents, arrays = cache.find("a" * 40)
    assert documents["member"] == {"said": "ä"} and arrays["w"].tolist() == [0, 1, 2]
    assert cache.find("b" * 40) is None


def test_a_damaged_entry_is_as_good_as_none(folder):
    cache.keep("a" * 40, "a model", {}, {})
    path = folder / f"{'a' * 40}.member"
    path.write_bytes(path.read_bytes()[:-30])
    assert cache.find("a" * 40) is None
    assert cache.entries()[0].what.startswith("damaged")


def test_an_entry_under_another_name_is_as_good_as_none(folder):
    cache.keep("a" * 40, "a model", {}, {})
    (folder / f"{'a' * 40}.member").rename(folder / f"{'b' * 40}.member")
    assert cache.find("b" * 40) is None


def test_it_is_listed_last_used_first_and_cleared(folder):
    assert cache.entries() == [] and cache.clear() == 0
    for key in "abc":
        cache.keep(key, f"model {key}", {}, {"w": np.zeros(100)})
        os.utime(folder / f"{key}.member", (ord(key), ord(key)))
    cache.find("a")
    (folder / "mine.txt").write_text("not the cache's")
    assert [entry.what for entry in cache.entries()] == ["model a", "model c", "model b"]
    assert all(entry.bytes == (folder / f"{entry.key}.member").stat().st_size for entry in cache.entries())
    assert cache.clear() == 3
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_what_was_used_longest_ago_makes_room(folder, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 27_500)
    for place, key in enumerate("abcd"):
        cache.keep(key, key, {}, {"w": np.zeros(1000)})
        os.utime(folder / f"{key}.member", (place + 1, place + 1))
    assert {entry.key for entry in cache.entries()} == {"b", "c", "d"}
    cache.keep("e", "larger than all there is", {}, {"w": np.zeros(10_000)})
    assert [entry.key for entry in cache.entries()] == ["e"]


def test_two_arrays_or_one_are_told_apart():
    parts = [np.arange(4), np.arange(2)]
    digests = {
        cache.digest({}, parts),
        cache.digest({}, [np.concatenate(parts)]),
        cache.digest({}, [parts[1], parts[0]]),
        cache.digest({}, [np.arange(4).reshape(2, 2), np.arange(2)]),
        cache.digest({"a": 1}, parts),
    }
    assert len(digests) == 5


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_the_folder_is_the_users_alone(folder):
    cache.keep("a", "a", {}, {})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(OutputError, match="LOOKALIKE_CACHE"):
        cache.keep("a", "a", {}, {})


def test_without_a_home_folder_nothing_is_found_or_kept_and_it_is_said(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", nobody)
    monkeypatch.setattr("sys.platform", "linux")
    for name in (cache.VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache.find("a") is None
    with pytest.raises(OutputError, match="this user has none. Set LOOKALIKE_CACHE"):
        cache.keep("a", "a", {}, {})


@pytest.mark.parametrize(
    ("platform", "variables", "place"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/lookalike"),
        ("linux", {}, "/home/me/.cache/lookalike"),
        ("darwin", {}, "/home/me/Library/Caches/lookalike"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/lookalike/Cache"),
    ],
)
def test_it_lies_where_the_platform_keeps_caches(monkeypatch, platform, variables, place):
    for name in (cache.VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert cache.folder().as_posix() == place
