"""What names persons and machines is made anew, whatever the column is called; what is one long word is no free text."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from lookalike.errors import InputError
from lookalike.schema.checksums import SCHEMES
from lookalike.schema.infer import infer_column, infer_schema

pytestmark = pytest.mark.filterwarnings("ignore::lookalike.errors.LookalikeWarning")


@pytest.mark.parametrize(
    "written",
    [
        lambda number: f"{number % 223 + 1}.{number % 256}.{number // 7 % 256}.9",
        lambda number: f"2001:db8::{number:x}",
        lambda number: f"3c:22:fb:00:{number // 256:02x}:{number % 256:02x}",
        lambda number: SCHEMES["iban"].complete(f"DE37040044{number:010}"),
    ],
    ids=["IPv4", "IPv6", "MAC", "IBAN"],
)
@pytest.mark.parametrize("rows_each", [1, 4])
def test_addresses_of_many_are_keys(written, rows_each):
    cells = [written(1 + 17 * (place // rows_each)) for place in range(800)]
    spec = infer_column("origin", pa.array(cells))
    assert spec.kind == "key" and spec.repeated == (rows_each > 1)


def test_a_few_servers_are_labels():
    assert infer_column("origin", pa.array([f"10.0.0.{place % 5}" for place in range(800)])).kind == "category"


def test_versions_are_labels():
    assert infer_column("version", pa.array([f"1.{i % 12}.{i % 11}" for i in range(800)])).kind == "category"


def test_a_long_checksum_is_a_key_and_a_long_sentence_free_text():
    checksums = [hashlib.sha256(str(place).encode()).hexdigest() for place in range(200)]
    assert infer_column("content", pa.array(checksums)).kind == "key"
    assert infer_column("content", pa.array([f"{text} is wrong" for text in checksums])).kind == "text"


def test_all_columns_that_cannot_be_modelled_are_told_at_once():
    table = pa.table({"age": np.arange(50), "raw": pa.array([b"x"] * 50), "tags": pa.array([["a"]] * 50)})
    with pytest.raises(InputError, match=r"'raw' \(binary\), 'tags' \(list.*--drop raw --drop tags"):
        infer_schema(table)
    with pytest.raises(InputError, match=r"column 'tags' holds lists.*--drop tags"):
        infer_schema(table.drop_columns("raw"))
