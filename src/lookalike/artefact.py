"""One file for a fitted model: weights as safetensors, everything else JSON, a format version, checksums. No pickle.

The file is a plain zip (stored, not compressed), so ``unzip -p users.twin schema.json`` shows what a person may want
to see. It is written to a temporary name, synced and renamed, so the previous file survives any fault.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from lookalike.errors import ArtefactError, OutputError

FORMAT = "lookalike"
FORMAT_VERSION = 12
UNREADABLE = (ValueError, KeyError, RecursionError)
"""What reading raises of JSON that is none, of arrays of a type that numpy has not, of brackets in brackets in brackets."""
MAXIMUM_JSON_BYTES = 512 * 2**20
"""A header larger than this is refused before it is read."""


def write(path: Path, documents: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write JSON documents and arrays as one file, atomically.

    Raises
    ------
    OutputError
        The file cannot be written; what stood there before still stands.
    """
    members = {
        f"{name}.json": json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")
        for name, document in documents.items()
    }
    members["weights.safetensors"] = save_tensors({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in members.items()},
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))
        for name, content in members.items():
            archive.writestr(name, content)


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`write` wrote: (documents, arrays).

    Raises
    ------
    ArtefactError
        The file is missing, truncated, altered, newer than this version, or not ours at all.
    """
    with _opened(path) as (archive, digests):
        members = {name: _member(path, archive, name, digest) for name, digest in digests.items()}
    with _understood(path):
        arrays = load_tensors(members.pop("weights.safetensors", b""))
        return {name.removesuffix(".json"): json.loads(content) for name, content in members.items()}, arrays


def read_document(path: Path, name: str) -> Any:
    """Read one document of a file without its arrays; raises as :func:`read` does, and where there is no such document."""
    with _opened(path) as (archive, digests):
        if f"{name}.json" not in digests:
            raise ArtefactError(f"{path.name} has no part {name}. It is a file of another kind.")
        content = _member(path, archive, f"{name}.json", digests[f"{name}.json"])
    with _understood(path):
        return json.loads(content)


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """What comes of parts that are none of ours, though the archive is sound, is one error."""
    try:
        yield
    except (SafetensorError, *UNREADABLE) as error:
        raise ArtefactError(
            f"{path.name} cannot be read ({type(error).__name__}). Name a .twin that "
            "fit or make left, or save it again."
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, str]]]:
    """The archive and the digest of each of its parts, which are those that its manifest names."""
    try:
        with zipfile.ZipFile(path) as archive:
            digests = _manifest(path, archive)["sha256"]
            names = {info.filename for info in archive.infolist()}
            expected = {"manifest.json", *digests}
            if names != expected or len(archive.infolist()) != len(expected):
                raise ArtefactError(f"{path.name} holds parts its manifest does not name. It is not to be trusted.")
            yield archive, digests
    except FileNotFoundError:
        raise ArtefactError(f"{path} does not exist.") from None
    # what zipfile raises for a damaged, encrypted or oddly compressed archive, depending on where the damage lies
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArtefactError(
            f"{path.name} is not a lookalike file, or it is cut short ({type(error).__name__}). Name a .twin that "
            "fit or make left, or save it again."
        ) from None


def _manifest(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        info = archive.getinfo("manifest.json")
        if info.file_size > 2**20:
            raise ArtefactError(
                f"{path.name} has an oversized manifest ({info.file_size:,} bytes). It is not to be trusted."
            )
        manifest = json.loads(archive.read(info))
        version, digests = manifest["version"], manifest["sha256"]
        if manifest["format"] != FORMAT or not isinstance(version, int) or not isinstance(digests, dict):
            raise KeyError("format")
    except (KeyError, ValueError, TypeError):
        raise ArtefactError(
            f"{path.name} is not a lookalike file: it has no manifest of ours. Nothing in it was loaded."
        ) from None
    if version > FORMAT_VERSION:
        raise ArtefactError(
            f"this version reads files up to format {FORMAT_VERSION}, however: {path.name} has format {version}. Upgrade lookalike."
        )
    if version < FORMAT_VERSION:
        raise ArtefactError(
            f"format {version} was never released, and this version reads {FORMAT_VERSION}, however: {path.name} has it. Fit again."
        )
    return manifest


def _member(path: Path, archive: zipfile.ZipFile, name: str, digest: str) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or (name.endswith(".json") and info.file_size > MAXIMUM_JSON_BYTES):
        raise ArtefactError(f"{path.name}: {name} is oversized or compressed. It is not to be trusted.")
    content = archive.read(info)
    if hashlib.sha256(content).hexdigest() != digest:
        raise ArtefactError(
            f"{path.name}: the checksum of {name} is wrong. The file was altered or damaged; save it again."
        )
    return content


class replacing:  # noqa: N801 - read as a verb, like contextlib's
    """``with replacing(path) as temporary:`` write to ``temporary``; it takes the place of ``path`` only when all went well.

    The file is the block's to make, so that Ctrl-C, wherever it falls, finds none that nobody would take away.

    Raises
    ------
    OutputError
        Instead of an OSError, from within the block, too; nothing is left of ``temporary``.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __enter__(self) -> Path:
        # a link stays one: what it leads to is replaced, there, where a rename is one step
        self._target = Path(os.path.realpath(self.path))
        self.temporary = self._target.with_name(f".{self._target.name}-{secrets.token_hex(4)}")
        return self.temporary

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        try:
            if kind is None:
                self._put_in_place()
        except OSError as fault:
            raise self._fault(fault) from None
        finally:
            with suppress(OSError):  # where the folder is a file, or must not be written to, there is none in it
                self.temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise self._fault(error) from None

    def _put_in_place(self) -> None:
        # a number, no file object: Ctrl-C while it is opened would leave one that nobody closes
        place = os.open(self.temporary, os.O_RDWR)
        try:
            os.fsync(place)
        finally:
            os.close(place)
        # what was the user's alone stays so; nothing may be there before, or a file system without modes
        with suppress(OSError):
            shutil.copymode(self._target, self.temporary)
        self.temporary.replace(self._target)

    def _fault(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path} cannot be written: {error.strerror or error}. Choose another place with --out, or make room."
        )
