"""Formulas found: what was put in comes back as a person would write it; noise, counts and near misses give nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.errors import LookalikeWarning
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.found.discover import with_rules_to_keep
from lookalike.schema.found.formulas import find_formulas
from lookalike.schema.infer import infer_schema

ROWS = 400
DAY = np.datetime64("2024-03-01T00:00:00")


def found(**columns) -> set[str]:
    table = pa.table(columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        rows = Rows(table, infer_schema(table))
    formulas = find_formulas(rows)
    assert all(kept(formula, rows).all() for formula in formulas)
    return {formula.words for formula in formulas}


def drawn(seed: int = 0):
    rng = np.random.default_rng(seed)
    cents = lambda low, high: rng.integers(low, high, ROWS) / 100  # noqa: E731
    return rng, cents


def test_one_column_gives_another():
    rng, cents = drawn()
    celsius, price = rng.integers(-200, 400, ROWS) / 10, cents(100, 90_000)
    assert found(
        celsius=celsius, fahrenheit=(1.8 * celsius + 32).round(1), price=price, log_price=np.log(price),
        log_more=np.log(price + 1).round(4), root=np.sqrt(price), square=(price * price).round(4), inverse=1 / price,
    ) == {
        "fahrenheit = 1.8 * celsius + 32", "log_price = log(price)", "log_more = log(price + 1)", "root = sqrt(price)",
        "square = price * price", "inverse = 1 / price",
    }  # fmt: skip


def test_an_exponential_of_a_rounded_column():
    rng, _ = drawn()
    decades = rng.integers(0, 900, ROWS)
    assert found(decades=decades, grown=np.exp(0.02 * decades)) == {"grown = exp(0.02 * decades)"}


def test_decimals_that_were_cut_off_or_kept_in_single_precision_are_allowed_for():
    rng, _ = drawn()
    wage = rng.integers(100, 9000, ROWS)
    assert found(wage=wage, log_wage=np.floor(np.log(wage) * 1e4) / 1e4) == {"log_wage = log(wage) - 5e-05"}
    noise = 4e-7 * np.sin(wage)
    assert found(wage=wage, log_wage=(np.log(wage) + noise).round(6)) == {"log_wage = log(wage)"}


def test_floats_once_kept_in_32_bits_follow_what_gave_them():
    """As statistics programs export them: 3.9100000858306885 stands for 3.91, and its logarithm has eight digits."""
    _, cents = drawn()
    wage = cents(150, 9000)
    log_wage = np.log(wage).astype(np.float32)
    rule = {"log_wage = log(wage)"}
    assert found(wage=wage, log_wage=log_wage) == rule
    assert found(wage=wage.astype(np.float32).astype(float), log_wage=log_wage.astype(float)) == rule
    assert found(wage=wage, log_wage=[repr(float(number)) for number in log_wage]) == rule


def test_a_logarithm_in_32_bits_has_fewer_values_than_its_column_and_a_square_of_it_follows_from_it():
    rng, _ = drawn()
    once = rng.uniform(3000, 90_000, ROWS // 2)
    pay = np.concatenate([once, once * 1.0000003]).astype(np.float32)
    log_pay = np.log(pay.astype(float)).astype(np.float32)
    assert len(np.unique(log_pay)) < len(np.unique(pay))
    rule = "log_pay = log(pay)"
    assert found(pay=pay.astype(float), log_pay=log_pay.astype(float)) == {rule}
    spend = rng.integers(100, 90_000, ROWS)
    logarithm = np.log(spend)
    assert found(spend=spend, logarithm=logarithm, squared=logarithm**2) == {
        "logarithm = log(spend)",
        "squared = logarithm * logarithm",
    }


def test_multiples_of_a_ratio_are_found_beside_a_constant():
    rng, cents = drawn()
    cost, people, cases = cents(500, 90_000), rng.integers(2000, 900_000, ROWS), rng.integers(1, 900, ROWS)
    price = (cost * rng.uniform(1.1, 2.5, ROWS)).round(2)
    margin, profit = (100 * (price - cost) / price).round(1), (price / cost - 1).round(3)
    assert found(cost=cost, price=price, margin=margin) == {"margin = -100 * cost / price + 100"}
    assert found(cost=cost, price=price, profit=profit) == {"profit = price / cost - 1"}
    assert found(people=people, cases=cases, rate=(1e5 * cases / people).round(2)) == {"rate = 100000 * cases / people"}
    margin[7] += 0.2
    assert found(cost=cost, price=price, margin=margin) == set()


def test_a_quotient_that_varies_far_less_than_its_parts_is_looked_at_as_one():
    rng, cents = drawn()
    people, area = rng.lognormal(12, 2, ROWS).astype(int), rng.integers(20, 300, ROWS)
    miles, paid = np.rint(people * rng.uniform(7, 12, ROWS)).astype(int), cents(9000, 99_999)
    table = pa.table({"people": people, "miles": miles, "each": (miles / people).round(3)})
    table = table.append_column("paid", pa.array(paid)).append_column("area", pa.array(area))
    table = table.append_column("rate", pa.array((100 * paid / area).round(1)))
    formulas = find_formulas(Rows(table, infer_schema(table)))
    assert {formula.words: formula.in_proportion for formula in formulas} == {
        "each = miles / people": True,
        "rate = 100 * paid / area": False,
    }


def test_a_ratio_where_it_is_known_and_another_column_where_it_is_not():
    rng, _ = drawn()
    won, lost = rng.integers(0, 40, ROWS), np.where(rng.random(ROWS) < 0.1, 0, rng.integers(1, 60, ROWS))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(lost == 0, 0, 100 * won / lost).round(2)
    assert found(won=won, lost=lost, share=share) == {"share = 100 * won / lost"}


def test_two_columns_give_a_third():
    rng, cents = drawn()
    price, pieces, area, paid = (
        cents(100, 9000),
        rng.integers(1, 40, ROWS),
        rng.integers(20, 300, ROWS),
        cents(9000, 99_999),
    )
    assert found(price=price, pieces=pieces, total=(price * pieces).round(2)) == {"total = price * pieces"}
    assert found(paid=paid, area=area, each=(paid / area).round(2)) == {"each = paid / area"}
    assert found(**{"net price": price, "tax": paid, "gross": (price + paid).round(2)}) == {"gross = `net price` + tax"}


def test_sums_of_several_are_found_with_their_constants():
    _, cents = drawn()
    fare, tip, toll, fee = cents(300, 9000), cents(0, 900), cents(0, 700), cents(0, 300)
    total = (fare + tip + toll - fee + 0.5).round(2)
    (words,) = found(total=total, fare=fare, tip=tip, toll=toll, fee=fee)
    target, text = words.split(" = ")
    assert {part.strip("+- ") for part in text.replace(" - ", " + ").split(" + ")} | {target} == {
        "total",
        "fare",
        "tip",
        "toll",
        "fee",
        "0.5",
    }


def test_a_mean_is_written_as_one():
    rng, _ = drawn()
    parts = {f"item{i}": rng.integers(1, 6, ROWS) for i in range(3)}
    score = (sum(parts.values()) / 3).round(2)
    assert found(**parts, score=score) == {"score = (item0 + item1 + item2) / 3"}


def test_days_and_hours_between_dates():
    rng, _ = drawn()
    start = DAY + rng.integers(0, 10**7, ROWS)
    end = start + rng.integers(0, 10**6, ROWS)
    hours = ((end - start).astype(np.int64) / 3600).round(2)
    assert found(start=start, end=end, hours=hours) == {"hours = 24 * (end - start)"}


def test_sums_of_products():
    rng, cents = drawn()
    price, pieces, tax, percent = (
        cents(100, 9000),
        rng.integers(1, 40, ROWS),
        cents(0, 500),
        rng.integers(0, 6, ROWS) * 5,
    )
    assert found(price=price, pieces=pieces, tax=tax, total=(price * pieces + tax).round(2)) == {
        "total = tax + price * pieces"
    }
    off = (price * pieces * (1 - percent / 100)).round(2)
    assert found(price=price, pieces=pieces, percent=percent, total=off) == {
        "total = price * pieces - 0.01 * price * pieces * percent"
    }


def test_whole_minutes_between_moments():
    rng, _ = drawn()
    start = DAY + rng.integers(0, 10**7, ROWS)
    end = start + rng.integers(0, 10**5, ROWS)
    seconds = (end - start).astype(np.int64)
    assert found(start=start, end=end, minutes=seconds // 60) == {"minutes = 1440 * (end - start) - 0.5"}


def test_what_was_added_is_not_rounded_away():
    rng, cents = drawn()
    price, pieces = cents(5000, 9000), rng.integers(1, 9, ROWS)
    assert found(price=price, pieces=pieces, total=(price * pieces + cents(0, 300)).round(2)) == set()


def test_a_chain_is_found_and_no_circle():
    rng, cents = drawn()
    net, rate = cents(100, 90_000), rng.integers(1, 30, ROWS)
    gross = net + rate
    formulas = found(net=net, rate=rate, gross=gross.round(2), pence=(gross * 100).round())
    assert len(formulas) == 2
    computed = {words.split(" = ")[0] for words in formulas}
    assert computed < {"net", "rate", "gross", "pence"}


def test_missing_cells_are_left_out_of_account():
    rng, cents = drawn()
    price, pieces = cents(100, 9000), rng.integers(1, 40, ROWS)
    total = pa.array((price * pieces).round(2), mask=rng.random(ROWS) < 0.3)
    assert found(price=price, pieces=pieces, total=total) == {"total = price * pieces"}


def test_one_row_that_breaks_it_and_it_is_no_formula():
    rng, cents = drawn()
    price, pieces = cents(100, 9000), rng.integers(1, 40, ROWS)
    total = (price * pieces).round(2)
    total[333] += 1
    assert found(price=price, pieces=pieces, total=total) == set()


@pytest.mark.parametrize("seed", range(8))
def test_noise_counts_and_gaps_give_nothing(seed):
    rng, cents = drawn(seed)
    zeros = rng.random((3, ROWS)) < 0.9
    columns = {
        **{f"normal{i}": rng.normal(50, 9, ROWS).round(1) for i in range(3)},
        **{f"count{i}": rng.poisson(1.5, ROWS) for i in range(3)},
        **{f"mostly zero{i}": np.where(zeros[i], 0, rng.integers(1, 5000, ROWS)) for i in range(3)},
        "age": rng.integers(17, 90, ROWS),
        "price": cents(0, 99_999),
        "gaps": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.5),
        "few": pa.array(rng.normal(size=ROWS), mask=np.arange(ROWS) > 30),
        "day": DAY + rng.integers(0, 10**8, ROWS),
        "huge": rng.integers(2**61, 2**62, ROWS),
        "flag": rng.integers(0, 2, ROWS),
    }
    assert found(**columns) == set()


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([-1, 1, 2, 5, -3, 0.5]), min_size=2, max_size=5),
    st.integers(-50, 50),
)
def test_any_sum_with_plain_factors_is_found_and_kept(seed, factors, constant):
    rng = np.random.default_rng(seed)
    parts = {f"p{i}": rng.integers(0, 4000, ROWS) for i in range(len(factors))}
    total = sum(factor * part for factor, part in zip(factors, parts.values(), strict=True)) + constant
    assert len(found(**parts, total=total)) == 1


def test_what_is_declared_goes_first():
    rng, cents = drawn()
    price, pieces = cents(100, 9000), rng.integers(1, 40, ROWS)
    table = pa.table({"price": price, "pieces": pieces, "total": (price * pieces).round(2)})
    free = with_rules_to_keep(table, infer_schema(table))
    assert [rule.words for rule in free.constraints] == ["total = price * pieces"]
    again = with_rules_to_keep(table, free)
    assert again == free
