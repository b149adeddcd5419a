"""What is shown can be used as it stands."""

from __future__ import annotations

import shlex

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lookalike.characters import flag
from lookalike.errors import InputError
from lookalike.preparing import prepare


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
@example("Term (yyyy.mm.dd)")
@example('it\'s $5, "net"')
@example("a\\b c!")
def test_a_cure_can_be_pasted_into_a_shell(name: str):
    assert shlex.split(flag("drop", name)) == ["--drop", name]


def test_a_refused_column_with_blanks_is_named_in_quotes():
    table = pa.table({"said of it": [f"this is what was said, at length, by person {i}" for i in range(60)]})
    with pytest.raises(InputError, match=r'\(--drop "said of it"\).*\(--key "said of it"\)'):
        prepare(table)
