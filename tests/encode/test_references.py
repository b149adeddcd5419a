"""Keys of other rows of the same table: an employee's manager is one of the employees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike
from lookalike.errors import LookalikeWarning, SchemaError, SettingsError
from lookalike.run import Run
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_schema


def staff(form=lambda number: f"E{10_000 + 7 * number}", rows=600, name="manager_id"):
    """Employees, each but the first with one of an eighth of those before as the manager."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "employee_id": [form(place) for place in range(rows)],
            name: [None, *(form(int(rng.integers(0, 1 + place // 8))) for place in range(1, rows))],
            "office": rng.choice(["Rome", "Bonn"], rows),
        }
    )


@pytest.mark.filterwarnings("ignore::lookalike.errors.LookalikeWarning")
@pytest.mark.parametrize(
    "form", [lambda number: f"E{10_000 + 7 * number}", lambda number: 1 + number], ids=["text", "numbers"]
)
@pytest.mark.parametrize("rows", [20, 600, 1_500])
def test_made_rows_refer_to_made_rows(form, rows, tmp_path):
    real = staff(form)
    lookalike.fit(real, engine="copula", run=Run()).save(tmp_path / "staff.twin")
    made = lookalike.load(tmp_path / "staff.twin").sample(rows, seed=1)
    managers = made["manager_id"].dropna()
    assert len(managers) > 0.9 * rows and managers.isin(made["employee_id"]).all()
    assert not (made["manager_id"] == made["employee_id"]).any()
    assert made["employee_id"].is_unique and made["manager_id"].dtype == real["manager_id"].dtype
    if rows == 600:
        assert managers.nunique() == pytest.approx(real["manager_id"].nunique(), rel=0.15)


def test_what_has_another_name_is_found_by_its_values():
    real = staff(name="chief")
    with pytest.warns(LookalikeWarning, match="'chief' takes values of 'employee_id'"):
        schema = infer_schema(pa.Table.from_pandas(real))
    assert schema["chief"].refers == "employee_id" and schema["chief"].repeated
    assert Schema.from_json(schema.to_json()) == schema
    assert schema.only(["chief", "office"])["chief"].refers is None


@pytest.mark.filterwarnings("ignore::lookalike.errors.LookalikeWarning")
def test_small_numbers_are_not_the_key_s_by_chance():
    table = pa.table(
        {"order_id": range(1, 501), "customer_id": [1 + 7 * i % 120 for i in range(500)], "size": [1, 2] * 250}
    )
    assert [spec.refers for spec in infer_schema(table)] == [None] * 3


def test_what_refers_to_no_key_is_refused():
    key = ColumnSpec(name="id", kind="key", role="primary_key")
    with pytest.raises(SchemaError, match="'boss' refers to 'office'"):
        Schema([key, ColumnSpec(name="boss", kind="key", refers="office"), ColumnSpec(name="office", kind="category")])
    with pytest.raises(SettingsError, match="only a key .* refers to another, however: 'boss' is of kind category"):
        ColumnSpec.build({"name": "boss", "kind": "category", "refers": "id"})


def test_a_category_of_numbers_refers_to_none():
    grades = pd.Categorical(np.arange(200) % 4 + 1)
    table = pa.Table.from_pandas(pd.DataFrame({"id": np.arange(200), "related": grades}))
    assert infer_schema(table)["related"].kind == "category"


@pytest.mark.filterwarnings("ignore::lookalike.errors.LookalikeWarning")
def test_what_is_named_a_key_is_referred_to():
    real = staff(lambda number: f"{number * 7_919 % 9_973}x").rename(columns={"employee_id": "who"})
    twin = lookalike.fit(real, engine="copula", keys=["who"], run=Run())
    assert twin.schema["manager_id"].refers == "who"
