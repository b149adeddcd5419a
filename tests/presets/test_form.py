"""A look-alike has the real table's columns."""

from __future__ import annotations

import warnings

import pyarrow as pa
import pytest

import lookalike
from lookalike import LookalikeWarning
from lookalike.errors import OutputError
from lookalike.presets.form import check_form
from lookalike.table import as_table, write_table

REAL = pa.table({"age": [1], "town": ["Graz"]})


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (pa.table({"age": [1]}), "nothing in the place of 'town'"),
        (pa.table({"age": [1], "town": ["Linz"], "more": [1]}), "'more' in the place of nothing"),
        (pa.table({"age": [1.0], "town": ["Linz"]}), "column 'age' is double, not int64"),
    ],
)
def test_another_form_is_a_fault(made, words):
    with pytest.raises(OutputError, match=words):
        check_form(made, REAL)


def test_awkward_columns_keep_their_form(awkward, tmp_path):
    write_table(as_table(awkward), tmp_path / "a.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        made = lookalike.make(tmp_path / "a.parquet", engine="copula", drop=["zip"], filter=True)
    check_form(as_table(made.table_file).data, as_table(tmp_path / "a.parquet").drop(["zip"]).data)
