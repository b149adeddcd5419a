"""One file, no pickle: what was written is read, and everything else is refused."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import warnings
import zipfile
from functools import partial

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

import lookalike
from conftest import quick_fit
from lookalike import LookalikeWarning, artefact, registry
from lookalike.errors import ArtefactError, OutputError

EMPTY = save_tensors({})


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.twin"
    artefact.write(path, {"said": {"ä": 1}}, {"w": np.arange(6.0).reshape(2, 3)})
    return path


def test_what_was_written_is_read(saved):
    documents, arrays = artefact.read(saved)
    assert documents == {"said": {"ä": 1}}
    assert np.array_equal(arrays["w"], np.arange(6.0).reshape(2, 3))


def test_a_person_can_read_it(saved):
    with zipfile.ZipFile(saved) as archive:
        assert set(archive.namelist()) == {"manifest.json", "said.json", "weights.safetensors"}
        assert json.loads(archive.read("manifest.json"))["version"] == 12


def test_76_truncated(saved):
    content = saved.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 5):
        saved.write_bytes(content[:length])
        with pytest.raises(ArtefactError, match="cut short|not a lookalike"):
            artefact.read(saved)


def test_altered(saved):
    content = bytearray(saved.read_bytes())
    place = content.find("ä".encode())
    content[place - 8] ^= 1
    saved.write_bytes(bytes(content))
    with pytest.raises(ArtefactError):
        artefact.read(saved)


def rewrite(path, **manifest):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_77_newer_format(saved):
    rewrite(saved, version=99)
    with pytest.raises(ArtefactError, match="format 99. Upgrade lookalike"):
        artefact.read(saved)


@pytest.mark.parametrize("content", [pickle.dumps({"a": 1}), b"", b"PK\x05\x06" + b"\0" * 18, b"GIF89a"])
def test_78_a_pickle_in_disguise(tmp_path, content):
    path = tmp_path / "p.twin"
    path.write_bytes(content)
    with pytest.raises(ArtefactError):
        lookalike.load(path)


def test_78_a_zip_of_pickles(tmp_path):
    path = tmp_path / "p.twin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
    with pytest.raises(ArtefactError, match="no manifest of ours. Nothing in it was loaded"):
        lookalike.load(path)


def test_a_stowaway_is_refused(saved):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("more.pkl", pickle.dumps(1))
    with pytest.raises(ArtefactError, match="does not name"):
        artefact.read(saved)


def test_79_oversized_header(saved):
    rewrite(saved, padding="x" * 2**21)
    with pytest.raises(ArtefactError, match="oversized manifest"):
        artefact.read(saved)


def test_67_the_previous_file_survives_a_fault(saved):
    before = saved.read_bytes()
    with pytest.raises(TypeError):
        artefact.write(saved, {"said": {"a": object()}}, {})
    assert saved.read_bytes() == before
    with pytest.raises(RuntimeError), artefact.replacing(saved) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_69_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="Choose another place"):
        artefact.write(tmp_path / "no" / "such" / "a.twin", {}, {})


@pytest.mark.skipif(os.name != "posix", reason="Windows lets few users make links")
def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    link, target = tmp_path / "latest.csv", tmp_path / "disk" / "made.csv"
    link.symlink_to(target)
    for text in ("first", "second"):  # a link that leads nowhere yet, and one that leads to a file
        with artefact.replacing(link) as temporary:
            assert temporary.parent == target.parent  # a rename to another disk would not be one step
            temporary.write_text(text)
        assert link.is_symlink() and target.read_text() == text


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_is_the_users_alone_stays_so_when_it_is_replaced(saved):
    saved.chmod(0o600)
    artefact.write(saved, {"said": 2}, {})
    assert saved.stat().st_mode & 0o777 == 0o600 and artefact.read(saved)[0] == {"said": 2}


def test_a_place_where_nothing_can_even_be_removed_is_said(tmp_path):
    # as on a disk that is mounted read-only: to take the temporary file away is refused, too
    with pytest.raises(OutputError, match="cannot be written"), artefact.replacing(tmp_path / ("a" * 300)) as temporary:
        temporary.touch()


def test_a_folder_in_the_way_is_said_and_nothing_is_left(tmp_path):
    (tmp_path / "a.twin").mkdir()
    with pytest.raises(OutputError, match="a.twin cannot be written"):
        artefact.write(tmp_path / "a.twin", {}, {})
    assert list(tmp_path.iterdir()) == [tmp_path / "a.twin"]


@pytest.mark.parametrize("engine", sorted(registry.ENGINES))
def test_a_loaded_twin_gives_the_same_rows(tmp_path, awkward, engine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = quick_fit(awkward.to_pandas(), engine=engine)
    twin.save(tmp_path / "t.twin")
    loaded = lookalike.load(tmp_path / "t.twin")
    assert loaded.sample(50, seed=3).equals(twin.sample(50, seed=3))
    assert loaded.schema == twin.schema
    assert loaded.losses.equals(twin.losses)
    assert repr(loaded) == repr(twin)


def test_the_schema_holds_no_data_and_the_file_no_rows(tmp_path):
    import pandas as pd

    real = pd.DataFrame(
        {
            "name": [f"secret{i:03}q" for i in range(200)],
            "town": ["Graz", "Linz"] * 100,
            "pay": [1234.56 + i for i in range(200)],
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = quick_fit(real)
    assert not any(word in twin.schema.to_json() for word in ("secret", "Graz", "1234"))
    twin.save(tmp_path / "t.twin")
    with zipfile.ZipFile(tmp_path / "t.twin") as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert not any(cell.encode() in everything for cell in real["name"])
    assert b"1300.56" not in everything


def test_a_file_of_ours_that_is_no_twin(saved):
    with pytest.raises(ArtefactError, match="no twin"):
        lookalike.load(saved)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """What the file of a twin with a net holds."""
    import pandas as pd

    path = tmp_path_factory.mktemp("parts") / "t.twin"
    quick_fit(pd.DataFrame({"a": ["x", "y"] * 60, "b": np.arange(120) / 7}), engine="autoregressive").save(path)
    return artefact.read(path)


@pytest.mark.parametrize(
    ("place", "tampered"),
    [
        (["twin"], [1]),
        (["twin", "information"], "none"),
        (["encoder", "columns", "b", "intervals"], ["x"]),
        (["encoder", "columns", "b", "intervals", "starts"], [[], 1]),
        (["encoder", "columns", "b", "spikes"], "x"),
        (["encoder", "columns", "a", "counts", 0], -(10**30)),
        (["engine", "state", "orders", 0, 0], 10**8),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, list) else None,
)
def test_a_twin_whose_parts_were_tampered_with_is_refused(tmp_path, parts, place, tampered):
    """With checksums that are right: whoever makes such a file computes them, too."""
    documents = json.loads(json.dumps(parts[0]))
    within = documents
    for name in place[:-1]:
        within = within[name]
    within[place[-1]] = tampered
    artefact.write(tmp_path / "t.twin", documents, parts[1])
    with pytest.raises(ArtefactError, match="no twin"):
        lookalike.load(tmp_path / "t.twin")


def test_a_twin_whose_weights_are_of_another_shape_is_refused(tmp_path, parts):
    arrays = {name: array[..., :1] for name, array in parts[1].items()}
    artefact.write(tmp_path / "t.twin", parts[0], arrays)
    with pytest.raises(ArtefactError, match="no twin"):
        lookalike.load(tmp_path / "t.twin")


def test_brackets_without_end_are_refused(tmp_path):
    deep = b"[" * 100_000 + b"]" * 100_000
    digest = {"said.json": hashlib.sha256(deep).hexdigest(), "weights.safetensors": hashlib.sha256(EMPTY).hexdigest()}
    manifest = {"format": artefact.FORMAT, "version": artefact.FORMAT_VERSION, "sha256": digest}
    with zipfile.ZipFile(tmp_path / "a.twin", "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("said.json", deep)
        archive.writestr("weights.safetensors", EMPTY)
    for read in (artefact.read, partial(artefact.read_document, name="said")):
        with pytest.raises(ArtefactError, match=r"cannot be read \(RecursionError\)"):
            read(tmp_path / "a.twin")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ArtefactError, match="does not exist"):
        lookalike.load(tmp_path / "none.twin")


def test_84_another_thread_count_is_said(tmp_path):
    import pandas as pd
    import torch

    twin = quick_fit(pd.DataFrame({"a": ["x", "y"] * 60}))
    twin.information["threads"] = torch.get_num_threads() + 1
    twin.save(tmp_path / "t.twin")
    with pytest.warns(LookalikeWarning, match=r"threads, and .* slightly other rows"):
        lookalike.load(tmp_path / "t.twin")
