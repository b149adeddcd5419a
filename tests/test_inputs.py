"""The list of awkward inputs and faults, case by case: each comes back in kind, or is refused with rule, fact and cure."""

from __future__ import annotations

import math
import warnings
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lookalike
from conftest import quick_fit, quick_settings
from lookalike import LookalikeWarning, registry
from lookalike.encode.frame import TableEncoder
from lookalike.errors import InputError, NotFittedError, SamplingError, SchemaError, SettingsError
from lookalike.model.base import Generator
from lookalike.schema.infer import infer_schema
from lookalike.table import as_table

N = 60


def frame(**columns):
    return pd.DataFrame(columns)


def same_kind(real, fake):
    """The look-alike has the names, order and dtypes of the real frame, and only values of a kind it had."""
    assert list(fake.columns) == list(real.columns)
    assert [str(dtype) for dtype in fake.dtypes] == [str(dtype) for dtype in real.dtypes]


def there_and_back(real, rows=40, **settings):
    """Fit, sample, and check that the frame came back in kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        fake = quick_fit(real, **settings).sample(rows, seed=1)
    assert len(fake) == rows
    same_kind(real, fake)
    return fake


def refused(real, *words, error=InputError):
    """The table is refused before training, in one line that has the words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        with pytest.raises(error) as caught:
            quick_fit(real)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


class TestShape:
    def test_1_zero_rows(self):
        refused(frame(a=[]), "rows")

    def test_2_zero_columns(self):
        refused(pd.DataFrame(index=range(5)), "column")

    def test_3_one_row(self):
        refused(frame(a=[1]), "two rows")

    @pytest.mark.parametrize("engine", sorted(registry.ENGINES))
    def test_4_two_rows(self, engine):
        with pytest.warns(LookalikeWarning, match="2 rows are few"):
            twin = quick_fit(frame(a=["x", "y"], b=[1.5, 2.5]), engine=engine)
        assert len(twin.sample(5)) == 5

    @pytest.mark.parametrize("engine", ["ctgan", "tvae"])
    def test_5_fewer_rows_than_a_batch(self, engine):
        with pytest.warns(LookalikeWarning, match="batch_size"):
            twin = quick_fit(frame(a=["x", "y", "z"] * 50, b=range(150)), engine=engine, batch_size=500)
        assert len(twin.sample(200)) == 200

    @pytest.mark.parametrize("engine", sorted(registry.ENGINES))
    @pytest.mark.parametrize("column", [["x", "y"] * 60, np.linspace(0, 1, 120)])
    def test_6_one_column(self, engine, column):
        there_and_back(frame(a=column), engine=engine)

    def test_7_two_thousand_columns(self):
        real = pd.DataFrame({f"c{j}": np.arange(N) % (2 + j % 3) for j in range(2000)})
        there_and_back(real, rows=10)

    def test_8_duplicate_names(self):
        refused(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "'a'", "unique")

    def test_8_duplicate_names_once_they_are_text(self):
        refused(pd.DataFrame([[1, 2], [3, 4]], columns=[1, "1"]), "'1'", "unique")

    def test_9_integer_names(self):
        real = pd.DataFrame({0: ["x", "y"] * 30, 7: range(N)})
        assert list(there_and_back(real).columns) == [0, 7]

    def test_10_multi_index(self):
        refused(
            pd.DataFrame([[1, 2]] * 4, columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
            "MultiIndex",
            "Flatten",
        )

    def test_11_dots_quotes_emoji_in_names(self):
        there_and_back(pd.DataFrame({"a.b": ["x", "y"] * 30, 'say "hi"': range(N), "🙂, \n": [True, False] * 30}))

    def test_12_names_that_collide_with_ours(self):
        there_and_back(
            frame(**{name: ["x", "y"] * 30 for name in ("codes", "residuals", "name", "epoch", "index", "")})
        )

    def test_13_duplicate_index(self):
        real = frame(a=["x", "y"] * 30)
        real.index = [0] * N
        there_and_back(real)

    @pytest.mark.parametrize("thing", [42, [1, 2], {"a": [1]}, None, np.zeros((3, 2))])
    def test_14_not_a_table(self, thing):
        refused(thing, "frame", type(thing).__name__)


class TestMissing:
    @pytest.mark.parametrize(
        "column",
        [
            pytest.param(pd.Series([np.nan] * N), id="15 all-NaN number"),
            pytest.param(pd.Series([None] * N, dtype=object), id="16 all-None category"),
            pytest.param(pd.Series([pd.NaT] * N), id="17 all-NaT"),
        ],
    )
    def test_all_missing(self, column):
        fake = there_and_back(frame(a=column, b=["x", "y"] * 30))
        assert fake["a"].isna().all()

    @pytest.mark.parametrize("value", ["x", 1.5])
    def test_18_one_value_present(self, value):
        real = frame(a=[value] + [None] * (N - 1), b=["x", "y"] * 30)
        with pytest.warns(LookalikeWarning, match="'a' has one value"):
            fake = quick_fit(real).sample(40)
        assert set(fake["a"].dropna()) <= {value}
        assert fake["a"].isna().any()

    def test_19_missing_only_in_the_holdout(self):
        real, fresh = frame(a=["x", "y"] * 30, b=range(N)), frame(a=["x", None] * 30, b=[None, *range(59)])
        card = lookalike.evaluate(real, real, holdout=fresh)
        assert card.to_dict()["yardstick"]["rows"] == N

    def test_20_none_nan_and_na_mixed(self):
        real = frame(a=[None, np.nan, pd.NA, "x", "y", "x"] * 10)
        fake = there_and_back(real, epochs=3)
        assert set(fake["a"].dropna()) <= {"x", "y"}

    def test_21_nan_text_and_empty_text_stay_distinct(self):
        fake = there_and_back(frame(a=["nan", "", None, "x"] * 30), rows=300)
        assert {"nan", "", "x"} >= set(fake["a"].dropna()) and fake["a"].isna().any()
        assert "nan" in set(fake["a"]) and "" in set(fake["a"])

    def test_21_in_a_csv_file(self, tmp_path):
        (tmp_path / "t.csv").write_text("a,b\n" + 'nan,1\n"",2\n,3\nx,4\n' * 30)
        cells = as_table(tmp_path / "t.csv").data.column("a").to_pylist()
        assert cells[:4] == ["nan", "", None, "x"]


class TestNumbers:
    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_22_infinite(self, value):
        refused(frame(a=[1.5, value] * 30), "'a'", "finite")

    @pytest.mark.parametrize("value", [7, 7.25, "seven", True, date(2020, 1, 1)])
    def test_23_constant(self, value):
        fake = there_and_back(frame(a=[value] * N, b=["x", "y"] * 30))
        assert set(fake["a"]) == {value}

    def test_24_mostly_zeros(self):
        real = frame(a=np.where(np.arange(2000) % 1000 == 0, np.arange(2000) + 0.5, 0.0))
        fake = there_and_back(real, rows=500, epochs=30)
        assert (fake["a"] == 0).mean() > 0.9

    def test_25_integers_over_2_to_53(self):
        real = frame(a=np.arange(N) * 999_999_937 + 2**60)
        fake = there_and_back(real)
        assert fake["a"].between(real["a"].min(), real["a"].max()).all()

    def test_25_a_spike_over_2_to_53_is_exact(self):
        real = frame(a=[2**60 + 1] * 40 + list(range(100)))
        fake = there_and_back(real, rows=300)
        assert (fake["a"] == 2**60 + 1).any()

    def test_26_integers_over_64_bits(self):
        refused(frame(a=[2**70 + i for i in range(N)]), "'a'", "64 bits")

    def test_27_uint64_maximum(self):
        real = frame(a=np.array([0, 2**64 - 1, 2**63] * 40, np.uint64))
        assert set(there_and_back(real, rows=200)["a"]) <= {0, 2**64 - 1, 2**63}

    def test_27_uint64_maximum_as_an_extreme(self):
        real = frame(a=(np.arange(100, dtype=np.uint64) * np.uint64(10**17)) + np.uint64(2**64 - 1 - 99 * 10**17))
        fake = there_and_back(real)
        assert int(fake["a"].min()) >= int(real["a"].min())

    def test_28_huge(self):
        fake = there_and_back(frame(a=np.linspace(-1, 1, 200) * 1e308))
        assert np.isfinite(fake["a"]).all()

    def test_29_subnormal(self):
        real = frame(a=np.arange(1, 201) * 5e-324)
        fake = there_and_back(real)
        assert fake["a"].between(real["a"].min(), real["a"].max()).all()

    def test_30_nullable_int64(self):
        real = pd.DataFrame({"a": pd.array([1, 2, None, 40] * 30, "Int64"), "b": pd.array(["x", None] * 60, "string")})
        fake = there_and_back(real)
        assert set(fake["a"].dropna()) <= {1, 2, 40}

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint8, np.int16, np.uint32])
    def test_31_narrow_numbers(self, dtype):
        there_and_back(frame(a=np.arange(100).astype(dtype), b=(np.arange(100) % 3).astype(dtype)))

    def test_32_decimal(self):
        fake = there_and_back(frame(a=[Decimal(i) / 100 for i in range(1, 101)]))
        assert all(isinstance(cell, Decimal) and -cell.as_tuple().exponent == 2 for cell in fake["a"])

    def test_33_complex(self):
        refused(frame(a=[1 + 2j] * N), "'a'", "complex")

    def test_34_bool(self):
        fake = there_and_back(frame(a=[True, False, False] * 30, b=pd.array([True, None, False] * 30, "boolean")))
        assert set(fake["a"]) <= {True, False}

    def test_35_commas_in_numbers(self):
        real = frame(a=[f"{i * 1117:,}" for i in range(1, 101)])
        with pytest.warns(LookalikeWarning, match="'a' holds text like 1,234"):
            twin = quick_fit(real)
        assert twin.schema["a"].kind == "integer"
        fake = twin.sample(50)
        assert fake["a"].str.match(r"^\d{1,3}(,\d{3})*$").all()

    def test_36_extreme_outlier(self):
        real = frame(a=[*np.linspace(0, 1, 300), 1e12])
        fake = there_and_back(real, rows=300)
        assert fake["a"].between(0, 1e12).all()
        clipped = there_and_back(real, rows=300, outliers="clip")
        assert clipped["a"].max() <= 1


class TestCategories:
    def test_37_a_single_one(self):
        assert set(there_and_back(frame(a=["only"] * N, b=range(N)))["a"]) == {"only"}

    def test_38_all_unique_is_a_key_never_memorised(self):
        real = frame(a=[f"name{i * 7919 % 1000:03}x" for i in range(100)], b=["x", "y"] * 50)
        with pytest.warns(LookalikeWarning, match="every cell of column 'a' is different"):
            twin = quick_fit(real)
        fake = twin.sample(100)
        assert fake["a"].is_unique
        assert not set(fake["a"]) & set(real["a"])

    @pytest.mark.parametrize("missing", [0, 20])
    def test_38_nearly_all_unique_is_one_too(self, missing: int):
        names = [f"name{i * 7919 % 1000:03}x" for i in range(190)] + ["namesake"] * 10 + [None] * missing
        real = frame(a=names, b=["x", "y"] * (len(names) // 2))
        with pytest.warns(LookalikeWarning, match="'a' has 191 levels in 200 cells .* taken for a key"):
            twin = quick_fit(real)
        fake = twin.sample(100)
        made = fake["a"].dropna()
        assert made.is_unique and not set(made) & set(real["a"])
        assert 0 < fake["a"].isna().mean() < 0.25 if missing else len(made) == 100

    def test_38_three_quarters_unique_is_a_category(self):
        names = [f"name{i * 7919 % 1000:03}x" for i in range(150)]
        with pytest.warns(LookalikeWarning, match="a category's real values come back"):
            schema = infer_schema(pa.table({"a": [*names, *names[:50]]}))
        assert schema["a"].kind == "category"

    def test_39_a_million_levels(self):
        real = pa.table({"a": pa.array([f"v{i // 2}" for i in range(400_000)]), "b": [1, 2] * 200_000})
        with pytest.warns(LookalikeWarning, match="200,000 levels .* MB"):
            schema = lookalike.Schema.from_dict(infer_schema(real).to_dict())
        encoder = TableEncoder(schema)
        encoder.fit(real, seed=0)
        assert max(column.cardinality for column in encoder.columns) <= 1001

    def test_40_unused_levels(self):
        real = frame(
            a=pd.Categorical(["x", "y"] * 30, categories=["z", "y", "x", "w"]),
            b=pd.Categorical(["lo", "hi"] * 30, categories=["lo", "mid", "hi"], ordered=True),
        )
        fake = there_and_back(real)
        assert list(fake["a"].cat.categories) == ["z", "y", "x", "w"]
        assert list(fake["b"].cat.categories) == ["lo", "mid", "hi"] and fake["b"].cat.ordered
        assert set(fake["a"]) <= {"x", "y"}

    def test_41_one_and_text_one_distinct(self):
        fake = there_and_back(frame(a=[1, "1", 2.5, None] * 30), rows=300)
        assert {(type(cell), cell) for cell in fake["a"] if cell is not None} <= {(int, 1), (str, "1"), (float, 2.5)}
        assert {type(cell) for cell in fake["a"]} >= {int, str}

    @pytest.mark.parametrize("cell", [[1, 2], {"a": 1}, (1,), {1}])
    def test_42_lists_and_records(self, cell):
        refused(pd.DataFrame({"a": [cell] * N}), "'a'", "drop")

    def test_42_polars_lists(self):
        refused(pl.DataFrame({"a": [[1, 2]] * N}), "'a'", "drop")

    def test_43_bytes(self):
        refused(frame(a=[b"x"] * N), "'a'", "bytes")

    def test_44_emoji_right_to_left_nul(self):
        values = {"🙂", "שלום", "a\x00b"}
        assert set(there_and_back(frame(a=[*values] * 20))["a"]) <= values

    def test_45_lone_surrogate(self):
        refused(frame(a=pd.Series(["\ud800", "x"] * 30, dtype=object)), "'a'", "surrogates")

    def test_46_a_megabyte_of_text(self):
        values = {"x" * 2**20, "y"}
        assert set(there_and_back(frame(a=[*values] * 30))["a"]) <= values

    def test_47_padding_spaces(self):
        values = {" x", "x ", "x", ""}
        assert set(there_and_back(frame(a=[*values] * 20), rows=100)["a"]) <= values

    def test_48_values_like_our_own_markers(self):
        values = {"<missing>", "(other)", "None", "__rare__", "null"}
        assert set(there_and_back(frame(a=[*values] * 20), rows=100)["a"]) <= values

    def test_49_a_condition_never_seen(self):
        twin = quick_fit(frame(a=["x", "y"] * 60, b=[i * 3 for i in range(120)]))
        with pytest.raises(SchemaError, match="'a' never held"):
            twin.sample(5, where={"a": "q"})
        with pytest.raises(SchemaError, match="'b' never came near it, or in too few rows"):
            twin.sample(5, where={"b": 10**9})
        with pytest.raises(SchemaError, match="'c' is none"):
            twin.sample(5, where={"c": 1})


class TestTime:
    def test_50_with_time_zone(self):
        real = frame(a=pd.date_range("2020-01-01", periods=100, freq="7h", tz="Europe/Vienna"))
        fake = there_and_back(real)
        assert fake["a"].between(real["a"].min(), real["a"].max()).all()

    def test_51_mixed_zones(self):
        zones = [timezone.utc, timezone(timedelta(hours=2))]
        refused(
            frame(a=pd.Series([datetime(2020, 1, 1 + i % 28, tzinfo=zones[i % 2]) for i in range(N)], dtype=object)),
            "'a'",
            "zone",
        )

    def test_51_mixed_zones_in_text(self):
        refused(frame(a=[f"2020-01-{1 + i % 28:02}T10:00:00+0{1 + i % 2}:00" for i in range(N)]), "'a'", "no one zone")

    def test_52_clock_change(self):
        moments = pd.date_range("2021-03-27 20:00", periods=120, freq="10min", tz="Europe/Vienna")
        fake = there_and_back(frame(a=moments))
        gap = fake["a"].dt.tz_localize(None)
        assert not gap.between("2021-03-28 02:00", "2021-03-28 02:59:59").any()

    def test_53_timedelta(self):
        there_and_back(frame(a=pd.to_timedelta(np.arange(100) * 61, unit="s")))

    def test_54_period(self):
        refused(frame(a=pd.period_range("2020-01", periods=N, freq="M")), "'a'", "period")

    def test_55_year_9999(self):
        real = frame(a=[date(9999, 12, 31) if i % 3 else date(2020, 1, 1 + i % 28) for i in range(N)])
        assert date(9999, 12, 31) in set(there_and_back(real)["a"])

    def test_55_year_9999_as_text(self):
        real = frame(a=["9999-12-31" if i % 3 else f"2020-01-{1 + i % 28:02}" for i in range(N)])
        assert "9999-12-31" in set(there_and_back(real)["a"])

    def test_56_mixed_formats(self):
        refused(frame(a=[f"2020-01-{i:02}" if i % 2 else f"{i:02}.01.2020" for i in range(1, 29)]), "'a'", "formats")

    @pytest.mark.parametrize(
        ("texts", "shape"),
        [
            ([f"{1 + i % 28:02}.{1 + i % 12:02}.2021" for i in range(N)], r"\d{2}\.\d{2}\.2021"),
            ([f"{1 + i % 28}/{1 + i % 12}/2021" for i in range(N)], r"[1-9]\d?/[1-9]\d?/2021"),
            (
                [f"2021-03-{1 + i % 28:02}T{i % 24:02}:00:00.{i:03}Z" for i in range(N)],
                r"2021-03-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z",
            ),
            ([f"2021-03-{1 + i % 28:02} 10:{i:02}" for i in range(N)], r"2021-03-\d{2} \d{2}:\d{2}"),
        ],
    )
    def test_57_dates_as_text_keep_their_format(self, texts, shape):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LookalikeWarning)
            twin = quick_fit(frame(a=texts))
        assert twin.schema["a"].kind == "datetime"
        assert twin.sample(50)["a"].str.fullmatch(shape).all()

    def test_times_of_day(self):
        there_and_back(frame(a=[time(i % 24, i % 60) for i in range(N)]))


class TestCalls:
    def test_58_batch_size_against_pac(self):
        with pytest.raises(
            SettingsError,
            match=r"batch_size must be a multiple of pac \(10\), however: batch_size=256. Use 250 or 260.",
        ):
            quick_fit(frame(a=["x", "y"] * 300), engine="ctgan", batch_size=256)

    @pytest.mark.parametrize("epochs", [-1, 0, 1.5, "many"])
    def test_59_epochs(self, epochs):
        with pytest.raises(SettingsError, match="epochs"):
            quick_fit(frame(a=["x", "y"] * 30), epochs=epochs)

    def test_unknown_setting(self):
        with pytest.raises(SettingsError, match="'epoch' is not a setting.*Known: .*epochs"):
            quick_fit(frame(a=["x", "y"] * 30), epoch=3)

    def test_60_sample_nothing(self):
        real = frame(a=["x", "y"] * 30, b=range(N), c=pd.Categorical(["u", "v"] * 30))
        fake = quick_fit(real).sample(0)
        assert len(fake) == 0
        same_kind(real, fake)

    @pytest.mark.parametrize("rows", [-1, 2.5, True])
    def test_61_sample_a_negative_count(self, rows):
        with pytest.raises(SettingsError, match="rows must be a count"):
            quick_fit(frame(a=["x", "y"] * 30)).sample(rows)

    @pytest.mark.parametrize("engine", sorted(registry.ENGINES))
    def test_62_not_fitted(self, engine):
        model: Generator = registry.load(registry.ENGINES, engine, "engine")()
        for early in (lambda: model.sample(5, seed=0), model.state):
            with pytest.raises(NotFittedError, match="fit first"):
                early()

    @pytest.mark.parametrize("engine", sorted(registry.ENGINES))
    def test_63_refit_leaves_no_state(self, engine):

        kind = registry.load(registry.ENGINES, engine, "engine")
        model, fresh = (kind(kind.Settings(**quick_settings(engine))) for _ in range(2))
        tables = []
        for values in (["x", "y"] * 60, ["p", "q", "r", "s"] * 30):
            table = pa.table({"a": values, "b": list(range(120))})
            encoder = TableEncoder(infer_schema(table))
            encoder.fit(table, seed=0)
            tables.append(encoder.encode(table, seed=0))
        model.fit(tables[0], seed=0, run=lookalike.Run())
        model.fit(tables[1], seed=0, run=lookalike.Run())
        fresh.fit(tables[1], seed=0, run=lookalike.Run())
        assert np.array_equal(model.sample(50, seed=3).codes, fresh.sample(50, seed=3).codes)

    def test_65_impossible_condition(self):
        real = frame(a=["x"] * 60 + ["y"] * 60, b=["p"] * 60 + ["q"] * 60)
        settings = {"engine": "tvae", "epochs": 30, "max_tries_per_batch": 1}
        with pytest.raises(SamplingError, match="'a' settles 'b', as it did in every row"):
            quick_fit(real, **settings).sample(20_000, where={"a": "x", "b": "q"})
        with pytest.raises(SamplingError, match="max_tries_per_batch=1"):
            quick_fit(real, keep_rules=False, **settings).sample(20_000, where={"a": "x", "b": "q"})


class TestSecurity:
    def test_80_formulas_are_escaped_on_request(self, tmp_path):
        real = frame(a=["=1+1", "+x", "-y", "@z", "plain"] * 20, b=[-1.5, 2.5] * 50)
        twin = quick_fit(real)
        plain = twin.sample_to(tmp_path / "plain.csv", 100).read_text()
        safe = twin.sample_to(tmp_path / "safe.csv", 100, escape_formulas=True).read_text()
        assert "\n=1+1" in plain
        assert "\n=1+1" not in safe and "'=1+1" in safe
        assert "'-1.5" not in safe

    def test_82_path_traversal_in_names(self, tmp_path):
        real = pd.DataFrame({"../../evil": ["x", "y"] * 30, "/etc/passwd": range(N)})
        twin = quick_fit(real)
        before = set(tmp_path.parent.rglob("*"))
        twin.save(tmp_path / "t.twin")
        loaded = lookalike.load(tmp_path / "t.twin")
        assert list(loaded.sample(3).columns) == list(real.columns)
        assert set(tmp_path.parent.rglob("*")) - before == {tmp_path / "t.twin"}

    @pytest.mark.parametrize("engine", sorted(registry.ENGINES))
    def test_83_same_seed_same_rows_and_no_global_state(self, engine):
        import random

        import torch

        real = frame(a=["x", "y", "z"] * 40, b=np.linspace(0, 9, 120), c=[f"k{i}" for i in range(120)])
        random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
        before = (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LookalikeWarning)
            first, second = (quick_fit(real, engine=engine, seed=4).sample(80, seed=9) for _ in range(2))
            other = quick_fit(real, engine=engine, seed=4).sample(80, seed=10)
        after = (
            random.getstate(),
            np.random.get_state()[1].tolist(),  # noqa: NPY002
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
        )
        assert first.equals(second)
        assert not first.equals(other)
        assert before == after

    def test_85_errors_never_print_cells(self):
        secret = "s3cr3t-cell"
        tables = [
            frame(a=[secret, [1]] * 30),
            frame(a=[secret, b"x"] * 30),
            frame(a=[secret, 1 + 2j] * 30),
            frame(a=[secret, object()] * 30),
            frame(a=pd.Series([secret, "\ud800"] * 30, dtype=object)),
        ]
        for table in tables:
            with pytest.raises(InputError) as caught:
                quick_fit(table)
            assert secret not in str(caught.value)
        schema = {"lookalike_schema": 1, "columns": [{"name": "a", "kind": "integer"}]}
        with pytest.raises(InputError) as caught:
            quick_fit(frame(a=[secret, "2"] * 30), schema=schema)
        assert secret not in str(caught.value) and "'a'" in str(caught.value)


def test_every_kind_at_once_in_three_libraries(awkward):
    """One table with a column of every kind goes through pandas, polars and pyarrow and comes back in kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        for real in (awkward, awkward.to_pandas(), pl.from_arrow(awkward)):
            fake = quick_fit(real).sample(30, seed=2)
            assert type(fake) is type(real)
            if isinstance(real, pa.Table):
                assert fake.schema.names == real.schema.names
                for wanted, found in zip(real.schema, fake.schema, strict=True):
                    assert found.type == wanted.type or pa.types.is_dictionary(wanted.type), wanted.name
            elif isinstance(real, pd.DataFrame):
                same_kind(real, fake)
            else:
                assert fake.schema == real.schema


def test_money_is_never_blurred(awkward):
    """Values come back on the grid they came with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        fake = quick_fit(awkward).sample(200, seed=2)
    assert all(math.isclose(value, round(value, 2)) for value in fake["amount"].to_pylist())
    days = fake["day"].to_pylist()
    assert min(days) == date(1970, 1, 1) and max(days) <= date(2020, 1, 28)


def test_conditions_take_whole_numbers_of_any_size():
    frame = pd.DataFrame({"u": np.arange(600, dtype=np.uint64) % 7 + np.uint64(2**63), "f": np.arange(600) % 3 / 2})
    twin = quick_fit(frame, engine="marginals")
    assert twin.sample(3, where={"u": 2**63 + 5})["u"].tolist() == [2**63 + 5] * 3
    for where in ({"u": 2**64}, {"u": -1}, {"f": 2**70}):
        with pytest.raises(SchemaError, match="column '[uf]' never"):
            twin.sample(3, where=where)
