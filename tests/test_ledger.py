"""The ledger: published values, composition, refusals before anything is drawn, and words."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import pytest

from lookalike import noise
from lookalike.accountant import compose, gaussian, poisson_gaussian, threshold
from lookalike.errors import PrivacyError, SettingsError
from lookalike.ledger import Budget, Ledger, PrivacySettings, default_delta


def ledger(epsilon: float = 1.0, delta: float = 1e-5, **how) -> Ledger:
    return Ledger(Budget(epsilon=epsilon, delta=delta), **how)


def spent(*mechanisms, delta=1e-5, **how) -> Ledger:
    account = ledger(1e6, delta, **how)
    for one in mechanisms:
        account.spend("test", one)
    return account


def gaussian_delta(sigma: float, epsilon: float) -> float:
    """Balle and Wang 2018 (theorem 8): the exact δ of a Gaussian mechanism of sensitivity 1."""
    cdf = lambda x: 0.5 * math.erfc(-x / math.sqrt(2))  # noqa: E731
    return cdf(0.5 / sigma - epsilon * sigma) - math.exp(epsilon) * cdf(-0.5 / sigma - epsilon * sigma)


def test_one_gaussian_costs_what_the_closed_form_says():
    for sigma in (0.6, 3.73, 20.0):
        account = spent(gaussian(sigma))
        assert gaussian_delta(sigma, account.epsilon()) == pytest.approx(1e-5, rel=1e-3)


def test_dp_sgd_costs_what_was_published():
    """TensorFlow Privacy's MNIST example: 60,000 rows, batches of 250, noise 1.1, 60 epochs: ε = 2.92 at δ = 1e-5, by RDP and
    the conversion of Mironov 2017 (proposition 3). Today's conversion (Canonne, Kamath and Steinke 2020) is tighter."""
    dp = pytest.importorskip("dp_accounting")
    rate, steps = 250 / 60_000, 14_400
    accountant = dp.rdp.RdpAccountant()
    accountant.compose(dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(1.1)), steps)
    classical = np.min(accountant.rdp + math.log(1e5) / (accountant.orders - 1))
    account = spent(poisson_gaussian(rate, 1.1, steps))
    assert classical == pytest.approx(2.92, abs=0.1)
    assert account.epsilon() < account.epsilon(accountant="rdp") < classical
    assert account.epsilon() == pytest.approx(2.35, abs=0.05)


@pytest.mark.parametrize("mechanism", [gaussian(3.0, 7), poisson_gaussian(0.02, 1.2, 300)], ids=lambda one: one.kind)
def test_the_two_accountants_agree_and_rdp_is_the_looser(mechanism):
    account = spent(mechanism)
    tight, loose = account.epsilon(), account.epsilon(accountant="rdp")
    assert tight <= loose * (1 + 1e-6) <= 1.35 * tight


@pytest.mark.parametrize("delta", [1e-2, 1e-5])
@pytest.mark.parametrize(
    ("first", "second"),
    [((0.3, 1.0), None), ((0.3, 1.0), (0.3, 1.0)), ((0.05, 0.7), (0.05, 0.7)), ((0.3, 1.0), (1.0, 2.0))],
    ids=["one step", "two steps", "a small rate", "a table and a step"],
)
def test_what_is_composed_costs_what_its_densities_say(first, second, delta):
    """The accountant against δ = ∫ (p − e^ε q)⁺ of the worst pair of densities, with a row and without, summed over a grid."""

    def masses(rate: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
        points = np.linspace(-12 * sigma, 1 + 12 * sigma, 2_001)
        without, moved = (np.exp(-(((points - middle) / sigma) ** 2) / 2) for middle in (0, 1))
        without, moved = without / without.sum(), moved / moved.sum()
        return (1 - rate) * without + rate * moved, without

    parts = [one for one in (first, second) if one is not None]
    spent_on = [gaussian(sigma) if rate == 1 else poisson_gaussian(rate, sigma, 1) for rate, sigma in parts]
    epsilon = compose(spent_on, delta)
    row, none = (
        functools.reduce(np.multiply.outer, side) for side in zip(*[masses(*one) for one in parts], strict=True)
    )
    found = max(np.maximum(p - math.exp(epsilon) * q, 0).sum() for p, q in ((row, none), (none, row)))
    assert found == pytest.approx(delta, rel=2e-3)


def test_gaussians_compose_by_their_squares():
    many, one = spent(gaussian(5.0, 4), gaussian(10.0, 16)), spent(gaussian(1 / math.sqrt(4 / 25 + 16 / 100)))
    assert many.epsilon() == pytest.approx(one.epsilon(), rel=1e-6)
    steps = spent(*2 * [poisson_gaussian(0.1, 1.0, 2)])
    assert steps.epsilon() == pytest.approx(spent(poisson_gaussian(0.1, 1.0, 4)).epsilon(), rel=1e-3)
    mixed = spent(gaussian(5.0), poisson_gaussian(0.01, 1.0, 100))
    assert mixed.epsilon() > max(spent(gaussian(5.0)).epsilon(), spent(poisson_gaussian(0.01, 1.0, 100)).epsilon())


def test_zcdp_bounds_the_exact_cost():
    """ρ + 2 √(ρ ln 1/δ), with ρ = ½ (Bun and Steinke 2016, proposition 1.3)."""
    assert spent(gaussian(1.0)).epsilon() < 0.5 + 2 * math.sqrt(0.5 * math.log(1 / 1e-5))


def test_disjoint_parts_cost_as_the_dearest_of_them():
    account = spent(gaussian(8.0))
    branches = {part: account.branch() for part in "abc"}
    for branch, sigma in zip(branches.values(), (4.0, 3.0, 5.0), strict=True):
        branch.spend("training", gaussian(sigma))
    account.join("ensemble", branches)
    assert account.epsilon() == pytest.approx(spent(gaussian(8.0), gaussian(3.0)).epsilon(), rel=1e-9)
    sequential = spent(gaussian(8.0), gaussian(4.0), gaussian(3.0), gaussian(5.0))
    assert account.epsilon() < sequential.epsilon()


def test_thresholds_are_taken_off_delta():
    account = spent(gaussian(3.73), threshold(4e-6), threshold(3e-6))
    assert account.thresholds == pytest.approx(7e-6)
    assert gaussian_delta(3.73, account.epsilon()) == pytest.approx(3e-6, rel=1e-3)
    with pytest.raises(PrivacyError, match="ε = inf"):
        account.spend("domain", threshold(3.1e-6))


def test_what_is_too_dear_is_refused_and_leaves_no_trace():
    account = ledger(1.0)
    account.spend("domain", gaussian(4.0))
    before = account.epsilon()
    for much in (gaussian(4.0), poisson_gaussian(0.1, 0.8, 500)):
        with pytest.raises(
            PrivacyError, match=r"within ε = 1 at δ = 1e-05, however: with training .*it would be ε = \d"
        ):
            account.spend("training", much)
    assert account.epsilon() == before and len(account.spends) == 1
    with pytest.raises(PrivacyError, match="inf"):
        account.spend("training", gaussian(0.0))


def test_shares_of_the_budget_add_up_to_it():
    account = ledger(3.0)
    account.spend("domain", gaussian(account.sigma(0.25, 7), 7))
    account.spend("marginals", gaussian(account.sigma(0.75, 105), 105))
    assert account.epsilon() == pytest.approx(3.0, rel=1e-4)
    with pytest.raises(PrivacyError):
        account.spend("marginals", gaussian(1_000.0))
    with pytest.raises(PrivacyError, match="share=0"):
        account.sigma(0.0)


def test_calibration_leaves_nothing_and_exceeds_nothing():
    account = ledger(3.0)
    account.spend("domain", gaussian(account.sigma(0.2)))
    found = account.calibrate(lambda sigma: poisson_gaussian(0.02, sigma, 50))
    account.spend("training", found)
    assert 2.95 < account.epsilon() <= 3.0
    with pytest.raises(PrivacyError, match="there must be budget left"):
        account.calibrate(lambda sigma: gaussian(sigma), share=0.5)
    half = ledger(3.0)
    half.spend("training", half.calibrate(lambda sigma: gaussian(sigma), share=0.5))
    assert 1.47 < half.epsilon() <= 1.5


def test_gaussian_tables_may_use_up_what_is_left_and_no_more():
    account = ledger(3.0)
    account.spend("domain", gaussian(account.sigma(0.25, thresholds=4e-6)))
    account.spend("domain", threshold(4e-6))
    assert account.unspent == pytest.approx(0.75, rel=1e-5)  # at the δ that the threshold left
    account.spend("marginals", gaussian(account.sigma(account.unspent, 9, thresholds=4e-6), 9))
    assert 2.999 < account.epsilon() <= 3.0
    assert 0 <= account.unspent < 1e-5
    mixed = ledger(3.0)
    mixed.spend("training", poisson_gaussian(0.01, 30.0, 10))
    assert mixed.unspent == 0.0, "what DP-SGD costs is no share of squares"


def test_a_lower_limit_is_a_share_of_what_is_left_on_the_same_account():
    account = ledger(2.0, rows_per_subject=3, subject="patient", public=["names"], rows_are_public=True)
    account.spend("domain", gaussian(8.0))
    before = account.epsilon()
    lower = account.limited(0.5)
    lower.spend("training", lower.calibrate(lambda sigma: gaussian(sigma)))
    assert before + 0.48 * (2.0 - before) < account.epsilon() == lower.epsilon() <= before + 0.5 * (2.0 - before)
    with pytest.raises(PrivacyError):
        lower.spend("training", gaussian(20.0))
    account.spend("training", gaussian(20.0))
    for other in (lower, account.branch()):
        told = {name: value for name, value in other.to_dict().items() if name != "budget"}
        assert told == {name: value for name, value in account.to_dict().items() if name != "budget"}


def test_branches_spend_side_by_side_and_join_as_the_dearest():
    account = ledger(2.0)
    account.spend("domain", gaussian(8.0))
    branches = {name: account.branch() for name in "ab"}
    for branch, sigma in zip(branches.values(), (3.0, 4.0), strict=True):
        branch.spend("training", gaussian(sigma))
        assert branch.epsilon() == pytest.approx(spent(gaussian(8.0), gaussian(sigma)).epsilon())
    assert len(account.spends) == 1 and not account.branch().rows_are_public
    account.join("members", branches)
    assert account.epsilon() == pytest.approx(branches["a"].epsilon())
    assert [entry.disjoint for entry in account.spends] == [None, ("members", "a"), ("members", "b")]
    with pytest.raises(PrivacyError, match="goes on from the account it joins, however: that of 'c' does not"):
        account.join("members", {"c": ledger(2.0)})
    ledger(2.0).spend("training", gaussian(2.05))
    with pytest.raises(PrivacyError):
        account.branch().spend("training", gaussian(2.05))  # beside what was spent before it is too dear


def test_it_survives_json_and_speaks_plainly():
    account = ledger(2.0, rows_per_subject=3, subject="patient", public=["column names"])
    account.spend("domain", gaussian(9.0, 2), "age, city")
    account.spend("training", poisson_gaussian(0.01, 1.5, 100))
    branch = account.branch()
    branch.spend("training", gaussian(20.0))
    account.join("ensemble", {"1": branch})
    again = Ledger.from_dict(json.loads(json.dumps(account.to_dict())))
    assert again.to_dict() == account.to_dict() and repr(again) == repr(account)
    words = repr(account)
    for said in (
        "δ = 1e-05",
        "all rows of one 'patient'",
        "at most 3 rows",
        "probability 0.01",
        "column names",
        "age, city",
    ):
        assert said in words
    assert "one row, added or removed" in repr(ledger())
    assert "one subject with at most 2 rows" in repr(ledger(rows_per_subject=2))
    assert "not public" in repr(ledger()) and "not public" not in repr(ledger(rows_are_public=True))


def test_delta_stays_well_below_one_in_rows():
    for rows in (1, 50, 24_395, 10**6, 10**8):
        assert 0 < default_delta(rows) <= min(1e-5, 0.1 / rows)


@pytest.mark.parametrize(
    "values", [{"epsilon": 0, "delta": 1e-5}, {"epsilon": 1, "delta": 0}, {"epsilon": 1, "delta": 1}]
)
def test_a_budget_is_above_zero(values):
    with pytest.raises(SettingsError):
        Budget.build(values)


def test_a_subject_has_a_row():
    """With none, noise for the rows of a subject would be no noise."""
    with pytest.raises(PrivacyError, match="rows_per_subject=0"):
        ledger(rows_per_subject=0)
    with pytest.raises(SettingsError, match="rows_per_subject=0"):
        PrivacySettings.build({"epsilon": 1, "rows_per_subject": 0})


# ---------------------------------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("deviation", [0.8, 25.0, 1e6])
def test_noise_has_its_deviation_and_its_shape(deviation):
    drawn = noise.integers((40, 1000), deviation)
    assert drawn.shape == (40, 1000)
    wanted = math.sqrt(deviation**2 + 1 / 12)  # rounding adds a twelfth
    assert drawn.std() == pytest.approx(wanted, rel=0.03)
    assert abs(drawn.mean()) < 6.1 * wanted / 200  # of 40,000: beyond it once in 10^9 runs
    if deviation > 10:
        assert (np.abs(drawn) > 2 * wanted).mean() == pytest.approx(0.0455, abs=0.008)


def test_no_seed_fixes_the_noise():
    first = noise.integers(50, 100.0)
    np.random.seed(0)  # noqa: NPY002 - what a user might think drives it
    second = noise.integers(50, 100.0)
    np.random.seed(0)  # noqa: NPY002
    assert not np.array_equal(second, noise.integers(50, 100.0)) and not np.array_equal(first, second)
    generators = noise.fresh_generator(), noise.fresh_generator()
    assert not np.array_equal(*(one.standard_normal(8) for one in generators))
    assert noise.fresh_seed() != noise.fresh_seed()
