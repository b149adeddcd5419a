"""Training under differential privacy: what the proof assumes holds in the code, and the known leaks stay shut."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from lookalike.accountant import poisson_gaussian
from lookalike.errors import NotFittedError, PrivacyError, SettingsError
from lookalike.ledger import Budget, Ledger
from lookalike.model.autoregressive import Autoregressive
from lookalike.model.base import Generator
from lookalike.model.counts.noised import noised_counts
from lookalike.model.ctgan import CTGAN
from lookalike.model.nets.clipping import add_clipped
from lookalike.model.nets.critic import Critic
from lookalike.model.nets.flat import gradient_of
from lookalike.model.nets.masked import MaskedNet
from lookalike.model.nets.passes import hide_gradients
from lookalike.model.training import private
from lookalike.model.tvae import TVAE
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable
from lookalike.testing import proven_epsilon

pytest.importorskip("dp_accounting")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:dp_accounting")
SMALL: dict[type, dict[str, Any]] = {
    Autoregressive: {"embedding_dim": 3, "hidden": 4},
    CTGAN: {"embedding_dim": 4, "generator_dim": (8,), "discriminator_dim": (6,), "discriminator_steps": 2},
}
CHEAP = {"noise_multiplier": 3.0, "epochs": 2, "batch_size": 150}
SURE = 6.1
"""Standard deviations beyond which chance goes once in 10⁹."""


@pytest.fixture(params=list(SMALL), ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> type[Any]:
    return request.param


def build(engine: type[Any], **changes: Any) -> Any:
    return engine(engine.Settings.build({**SMALL[engine], **changes}))


def a_plan(table: EncodedTable, *, rate: float = 0.5, sigma: float = 1.0, bound: float = 1.0) -> private.Plan:
    counts = [np.ones(column.cardinality) for column in table.columns]
    return private.Plan(counts, counts, 0, 0.0, 10.0, rate, 1, 1, sigma, bound)


def a_task(engine: type[Any], table: EncodedTable, plan: private.Plan) -> Any:
    still: dict[str, float] = {
        name: 1e-12 for name in engine.Settings.model_fields if name == "learning_rate" or name.endswith("_lr")
    }
    if engine is CTGAN:
        still["discriminator_steps"] = 2**31
    task = engine.private_task(table, plan, build(engine, privacy="default", **still).settings, 0)
    task.begin_epoch()
    return task  # its weights stay where they are, so that one step is like another


def weights_of(task: Any) -> torch.Tensor:
    """What the noise falls on: the net's weights, or the critic's."""
    return (task.critic_weights if hasattr(task, "critic_weights") else task.weights).master


def weights(engine: Generator) -> list[bytes]:
    return [array.tobytes() for array in engine.state()[1].values()]


# ------------------------------------------------------------------------------------------- gradients of single records


def a_net(seed: int) -> tuple[MaskedNet, torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(seed)
    columns = [
        EncodedColumn("a", 3, np.zeros(3, bool)),
        EncodedColumn("b", 9, np.ones(9, bool), True, np.arange(9.0)),
        EncodedColumn("c", 1, np.zeros(1, bool)),
        EncodedColumn("d", 7, np.ones(7, bool), True, np.array([*range(6), np.nan])),
    ]
    net = MaskedNet(columns, [np.arange(c.cardinality) + 1 for c in columns], 4, 5, draws, any_order=True)
    for weight in net.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=draws)
        weight.grad = torch.zeros_like(weight)
    codes = torch.stack([torch.randint(c.cardinality, (40,), generator=draws) for c in columns], 1)
    return net, codes, net.sees(torch.randperm(len(columns), generator=draws))


def flat_gradient(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([gradient_of(weight).flatten() for weight in net.parameters()])


@pytest.mark.parametrize("seed", range(3))
def test_the_nets_gradients_of_records_are_those_of_vmap(seed: int):
    net, codes, seen = a_net(seed)
    names = {name: weight.detach() for name, weight in net.named_parameters()}
    buffers = dict(net.named_buffers())

    def surprise(values: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(net, (values, buffers), (row[None], seen))
        return torch.stack([functional.cross_entropy(part, row[j][None]) for j, part in enumerate(logits)]).sum()

    each = torch.func.vmap(torch.func.grad(surprise), (None, 0))(names, codes)
    each = torch.cat([each[name].flatten(1) for name in names], 1)
    norms, bound = each.norm(dim=1), float(each.norm(dim=1).median())
    assert torch.allclose(add_clipped(net, codes, seen, bound), norms, rtol=1e-4)
    clipped = (each * (bound / norms).clamp(max=1)[:, None]).sum(0)
    assert torch.allclose(flat_gradient(net), clipped, atol=1e-4 * bound)


def a_critic(seed: int) -> tuple[Critic, list[Any]]:
    draws = torch.Generator().manual_seed(seed)
    critic = Critic(7, 7, 3, (8, 5), 1, draws)
    for weight in critic.parameters():
        weight.grad = torch.zeros_like(weight)
    rows = [torch.randn(12, 7, generator=draws) for _ in range(2)]
    condition, share = torch.randint(3, (12,), generator=draws), torch.rand(12, 1, generator=draws)
    return critic, [*rows, condition, share, critic.masks(36, draws)]


@pytest.mark.parametrize("seed", range(3))
def test_the_critics_gradients_of_records_are_those_of_one_record_at_a_time(seed: int):
    critic, (fake, real, condition, share, masks) = a_critic(seed)
    each = []
    for i in range(12):
        critic.zero_grad(set_to_none=False)
        alone = [mask[[i, 12 + i, 24 + i]] for mask in masks]
        critic.teach(torch.cat([fake[[i]], real[[i]]]), condition[[i]], share[[i]], alone, 10.0)
        each.append(flat_gradient(critic))
    critic.zero_grad(set_to_none=False)
    norms = torch.stack(each).norm(dim=1)
    bound = float(norms.median())
    assert torch.allclose(
        critic.teach_clipped(torch.cat([fake, real]), condition, share, masks, 10.0, bound), norms, rtol=1e-4
    )
    clipped = (torch.stack(each) * (bound / norms).clamp(max=1)[:, None]).sum(0)
    assert torch.allclose(flat_gradient(critic), clipped, atol=1e-4 * bound)


@pytest.mark.parametrize("blown_up", [1.0, 1e3, 1e18, 1e30])
def test_one_record_moves_the_clipped_sum_by_the_bound_at_most(blown_up: float):
    net, codes, seen = a_net(1)
    for weight in net.parameters():
        weight.data *= blown_up  # weights that diverged must not let a record through
    for bound in (1e-3, 0.5):
        net.zero_grad(set_to_none=False)
        add_clipped(net, codes[:-1], seen, bound)
        before = flat_gradient(net)
        net.zero_grad(set_to_none=False)
        add_clipped(net, codes, seen, bound)
        assert (flat_gradient(net) - before).norm() <= bound * (1 + 1e-4)
    critic, (fake, real, condition, share, masks) = a_critic(1)
    real[-1] *= blown_up
    sums = []
    for n in (11, 12):
        critic.zero_grad(set_to_none=False)
        part = [torch.cat([mask[k * 12 : k * 12 + n] for k in range(3)]) for mask in masks]
        critic.teach_clipped(torch.cat([fake[:n], real[:n]]), condition[:n], share[:n], part, 10.0, 0.5)
        sums.append(flat_gradient(critic))
    assert (sums[1] - sums[0]).norm() <= 0.5 * (1 + 1e-4)


def test_no_record_shows_in_anothers_gradient(toy: EncodedTable):
    """BatchNorm in training mode would carry one record's condition into the fakes of all."""
    task = a_task(CTGAN, toy, a_plan(toy))
    task.weights.net.eval()
    states = [draws.get_state() for draws in (task.draws, task.noise)]
    norms = []
    for last in (70, 71):
        for draws, state in zip((task.draws, task.noise), states, strict=True):
            draws.set_state(state)
        norms.append(task.add_clipped(torch.tensor([*range(64), last])))
    assert torch.equal(norms[0][:64], norms[1][:64])
    task.step(0)
    assert task.weights.net.training  # and the generator learns with BatchNorm's own statistics again


def test_no_seed_drives_what_is_drawn_for_a_record(toy: EncodedTable):
    """With a known one, a record less would change, by its place, what all after it get, and so count for more than one."""
    rows, norms = torch.arange(50), []
    for _ in range(2):
        task = a_task(CTGAN, toy, a_plan(toy))
        assert not task.generators, "a checkpoint must not tell what was drawn"
        norms.append(task.add_clipped(rows))
    assert not torch.equal(*norms)


def test_a_records_condition_is_its_own_code(toy: EncodedTable):
    task = a_task(CTGAN, toy, a_plan(toy))
    rows = torch.arange(200)
    conditions = task._own(rows)
    column, code, _, _ = task.targets
    chosen = np.array(task.chosen)[column[conditions].numpy()]
    assert np.array_equal(toy.codes[rows, chosen], code[conditions].numpy())
    assert set(chosen) == set(task.chosen)


# ---------------------------------------------------------------------------------------------------- sampling and noise


def test_rows_take_part_as_in_a_poisson_sample():
    rows, rate, draws = 1_000, 0.3, 400
    taken = np.zeros((draws, rows))
    for draw in taken:
        draw[private.poisson_sample(rows, rate)] = 1
    sizes, variance = taken.sum(1), rows * rate * (1 - rate)
    assert abs(sizes.mean() - rows * rate) < SURE * math.sqrt(variance / draws)
    assert abs(sizes.var(ddof=1) / variance - 1) < SURE * math.sqrt(2 / draws)  # a batch of fixed size has none
    each = taken.sum(0)
    assert np.abs(each - draws * rate).max() < (SURE + 1.5) * math.sqrt(draws * rate * (1 - rate))
    neighbours = (taken[:, :-1] * taken[:, 1:]).mean()
    assert abs(neighbours - rate**2) < SURE * 2 * rate / math.sqrt(taken[:, :-1].size)


def test_the_noise_has_its_deviation_even_where_no_row_takes_part(engine: type[Any], toy: EncodedTable):
    plan = a_plan(toy, rate=1e-12, sigma=1.7, bound=0.4)
    task = a_task(engine, toy, plan)
    gradient = gradient_of(weights_of(task)).fill_(1.0)
    if engine is Autoregressive:  # what no column may see is no weight
        (net,) = task.fitted.nets
        hide_gradients(net, net.sees())
    weights, noise = gradient == 1, []
    while sum(map(len, noise)) < 40_000:
        task.step(0)
        assert (gradient[~weights] == 0).all()
        noise.append(gradient[weights] * plan.batch)
    found = torch.cat(noise).double()
    count = len(found)
    assert abs(float(found.std()) / (1.7 * 0.4) - 1) < SURE / math.sqrt(2 * count)
    assert abs(float(found.mean())) < SURE * 1.7 * 0.4 / math.sqrt(count)
    kurtosis = float(((found - found.mean()) ** 4).mean() / found.var() ** 2)
    assert abs(kurtosis - 3) < SURE * math.sqrt(24 / count)


def test_rows_of_one_subject_get_noise_for_all_of_them(toy: EncodedTable):
    plan = dataclasses.replace(a_plan(toy, sigma=1.5), per_subject=3)
    assert plan.deviation == 4.5
    assert plan.mechanism == poisson_gaussian(1 - 0.5**3, 1.5, 1)


def test_a_seed_fixes_neither_noise_nor_samples(engine: type[Any], toy: EncodedTable):
    first, second = build(engine, **CHEAP), build(engine, **CHEAP)
    first.fit(toy, seed=3, run=Run())
    second.fit(toy, seed=3, run=Run())
    assert weights(first) != weights(second)
    assert not np.array_equal(private.poisson_sample(1_000, 0.5), private.poisson_sample(1_000, 0.5))
    counts, again = (noised_counts(toy, 50.0)[0] for _ in range(2))
    assert not np.array_equal(np.concatenate(counts), np.concatenate(again))


# ----------------------------------------------------------------------------------------------------------- the attack


def canaries(engine: type[Any], sigma: float, runs: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a white-box attack that sees every noised sum, with one record in the table and with none (the worst case:
    nobody to hide behind): the sum projected on that record's own gradient at these weights, a step a run."""
    columns = EncodedColumn("a", 2, np.zeros(2, bool)), EncodedColumn("b", 3, np.zeros(3, bool))
    one = EncodedTable(columns, np.array([[1, 2]], np.int32), np.zeros((1, 2)))
    plan = a_plan(one, rate=rate, sigma=sigma, bound=0.1)
    scores = np.zeros((2, runs))
    for side, table in enumerate((one, one.take(np.arange(0)))):
        task, twin = a_task(engine, table, plan), a_task(engine, one, plan)
        for run in range(runs):
            direction = own_gradient(task, twin)
            task.step(0)
            noised = gradient_of(weights_of(task)) * plan.batch
            scores[side, run] = float(noised @ direction) / max(float(direction.norm()), 1e-12) / plan.bound
    return scores[0], scores[1]


def own_gradient(task: Any, twin: Any) -> torch.Tensor:
    """The record's clipped gradient at the weights that ``task`` has, and under the draws that it will make."""
    weights_of(twin).data.copy_(weights_of(task).data)
    if hasattr(task, "critic_weights"):
        twin.net.load_state_dict(task.net.state_dict())
        for draws in ("draws", "noise"):
            getattr(twin, draws).set_state(getattr(task, draws).get_state())
    gradient = gradient_of(weights_of(twin)).zero_()
    if hasattr(twin, "critic_weights"):
        twin.weights.net.eval()
        twin.add_clipped(torch.tensor([0]))
    else:
        (net,), (order,) = twin.fitted.nets, twin.fitted.orders
        add_clipped(net, twin.codes[:, order].long(), net.sees(), twin.plan.bound)
    return gradient.clone()


def test_the_best_attack_proves_less_than_is_claimed_and_more_without_noise(engine: type[Any]):
    rate, sigma, runs = 0.95, 2.5, 150
    ledger = Ledger(Budget(epsilon=100, delta=1e-5))
    ledger.spend("training", poisson_gaussian(rate, sigma, 1))
    with_it, without_it = canaries(engine, sigma, runs, rate)
    assert proven_epsilon(with_it, without_it, 1e-5) <= ledger.epsilon()
    assert abs(with_it.mean() - without_it.mean() - rate) < SURE * sigma * math.sqrt(2 / runs)
    assert abs(without_it.std() / sigma - 1) < SURE / math.sqrt(2 * runs)
    told, untold = canaries(engine, 1e-9, runs, rate)
    # the canary is clipped to the bound and shows as just that wherever it takes part, so the attack is as strong as one can be
    assert np.abs(told - (told > 0.5)).max() < 1e-5 and (told > 0.5).mean() > 0.8 and np.abs(untold).max() < 1e-5
    assert proven_epsilon(told, untold, 1e-5) > ledger.epsilon(), (
        "an audit that noise switched off does not fail is no audit"
    )


def test_rounding_takes_nothing_from_what_an_attack_proves():
    told, nothing = np.ones(150), np.zeros(150)
    rounded = np.concatenate([told[:75], told[75:] - 1e-9])
    assert proven_epsilon(rounded, nothing, 1e-5) == proven_epsilon(told, nothing, 1e-5) > 2


# ------------------------------------------------------------------------------------------------- budget and settings


def test_two_of_epsilon_noise_and_epochs_give_the_third(engine: type[Any], toy: EncodedTable):
    settings = {**SMALL[engine], "batch_size": 150}

    def planned(**changes: Any) -> tuple[private.Plan, Ledger]:
        built = engine.Settings.build({**settings, **changes}).privately()
        ledger = built.ledger()
        return private.make_plan(toy, built, ledger), ledger

    plan, ledger = planned(target_epsilon=3.0, epochs=5)
    assert plan.epochs == 5 and 2.9 < ledger.epsilon() <= 3.0
    plan, ledger = planned(target_epsilon=3.0, noise_multiplier=4.0)
    more = plan.mechanism.replace(count=plan.mechanism.count + plan.steps)
    assert plan.noise_multiplier == 4.0 and ledger.epsilon() <= 3.0
    ledger.spends[-1] = ledger.spends[-1].replace(mechanism=more)
    assert ledger.epsilon() > 3.0  # one epoch more would be too many
    plan, ledger = planned(noise_multiplier=4.0, epochs=3)
    assert (plan.noise_multiplier, plan.epochs, ledger.budget.epsilon) == (4.0, 3, ledger.epsilon())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_epsilon": 1.0, "noise_multiplier": 1.0, "epochs": 3}, "all three are set.*Leave one out"),
        ({"noise_multiplier": 1.0}, "noise_multiplier=1.0 stands alone. Set target_epsilon or epochs"),
        ({"target_epsilon": -1.0}, "however: target_epsilon=-1.0"),
        ({"privacy": "none"}, "however: privacy='none'"),
        ({"privacy": "default", "early_stopping": True}, "early_stopping must be False.*would have to be paid for"),
    ],
)
def test_settings_that_say_too_much_or_too_little_are_refused(engine: type[Any], toy: EncodedTable, changes, message):
    with pytest.raises(SettingsError, match=message):
        build(engine, **changes).fit(toy, seed=0, run=Run())
    with pytest.raises(SettingsError, match=message):
        engine.check(engine.Settings.build(changes), 600)


@pytest.mark.parametrize("name", ["max_grad_norm", "target_delta"])
def test_what_a_budget_needs_is_not_ignored_without_one(engine: type[Any], name: str):
    with pytest.raises(SettingsError, match=f"{name} goes with differential privacy.*Set target_epsilon"):
        engine.check(engine.Settings.build({name: 0.5}), 600)


@pytest.mark.parametrize(
    "changes", [{"pac": 10}, {"log_frequency": True}, {"diversity": 1.0}, {"precision": "bfloat16"}]
)
def test_what_would_not_be_accounted_right_is_refused(changes: dict[str, Any]):
    """Conditional batches, above all: rows drawn by their code are no Poisson sample."""
    with pytest.raises(SettingsError, match=f"under differential privacy {next(iter(changes))} must be"):
        build(CTGAN, target_epsilon=3.0, **changes)


def test_the_named_presets():
    found = {name: CTGAN.Settings.build({"privacy": name}) for name in private.PRESETS}
    told = {name: (s.demanded("target_epsilon"), s.demanded("noise_multiplier"), s.bound) for name, s in found.items()}
    assert told == {"default": (8.0, 1.1, 1.0), "balanced": (10.0, 0.8, 1.5), "high-privacy": (4.0, 1.5, 0.5)}
    changed = CTGAN.Settings.build({"privacy": "balanced", "max_grad_norm": 2.0, "target_epsilon": 3.0})
    assert (changed.demanded("target_epsilon"), changed.bound) == (3.0, 2.0)


def test_nothing_is_trained_where_the_first_epoch_is_too_dear(engine: type[Any], toy: EncodedTable, tmp_path: Path):
    model, run = build(engine, target_epsilon=0.5, noise_multiplier=0.4), Run(tmp_path)
    with pytest.raises(PrivacyError, match=r"at least one epoch must be within ε = 0\.5.*Nothing was trained"):
        model.fit(toy, seed=0, run=run)
    assert run.losses == [] and not (tmp_path / "checkpoint.twin").exists()
    with pytest.raises(NotFittedError):
        model.sample(1, seed=0)


def test_a_budget_that_was_spent_refuses(engine: type[Any], toy: EncodedTable):
    ledger = Ledger(Budget(epsilon=2.0, delta=1e-5))
    build(engine, epochs=2, batch_size=150).fit(toy, seed=0, run=Run(), ledger=ledger)
    assert [entry.purpose for entry in ledger.spends] == ["marginals", "training"]
    assert 1.9 < ledger.epsilon() <= 2.0
    with pytest.raises(PrivacyError):
        build(engine, epochs=2, batch_size=150).fit(toy, seed=0, run=Run(), ledger=ledger)
    with pytest.raises(PrivacyError, match="target_epsilon is a part of the budget"):
        build(engine, target_epsilon=5.0).fit(toy, seed=0, run=Run(), ledger=ledger)


def test_counts_that_came_with_the_codes_are_not_paid_for_again(toy: EncodedTable):
    noised = noised_counts(toy, 5.0)
    columns = tuple(
        dataclasses.replace(column, measured=counts.astype(float), deviations=deviations)
        for column, counts, deviations in zip(toy.columns, *noised, strict=True)
    )
    ledger = Ledger(Budget(epsilon=3.0, delta=1e-5))
    table = EncodedTable(columns, toy.codes, toy.residuals)
    build(Autoregressive, epochs=2, batch_size=150).fit(table, seed=0, run=Run(), ledger=ledger)
    assert [entry.purpose for entry in ledger.spends] == ["training"]


def test_an_engine_that_cannot_is_refused(toy: EncodedTable):
    assert (Autoregressive.takes_ledger, CTGAN.takes_ledger, TVAE.takes_ledger) == (True, True, False)
    with pytest.raises(SettingsError, match="tvae does not. Use autoregressive or ctgan"):
        TVAE().fit(toy, seed=0, run=Run(), ledger=Ledger(Budget(epsilon=1, delta=1e-5)))


# ---------------------------------------------------------------------------------------------------------- known leaks


def test_nothing_of_rows_is_told_while_training(engine: type[Any], toy: EncodedTable):
    run = Run()
    build(engine, **CHEAP).fit(toy, seed=0, run=run)
    assert run.losses == [{"epoch": 1}, {"epoch": 2}]
    assert set(run.notes) == {"privacy", "training"}
    assert set(run.notes["training"]) == {"epochs", "kept_epoch", "steps_per_epoch", "precision"}
    assert run.notes["training"]["kept_epoch"] == 2, "the last state, not the best one"


def held(thing: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Every array and list that can be reached from an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, (np.ndarray, torch.Tensor)):
        yield thing
    elif isinstance(thing, dict):
        yield thing
        for part in thing.values():
            yield from held(part, seen)
    elif isinstance(thing, (list, tuple, set)):
        yield thing
        for part in thing:
            yield from held(part, seen)
    elif hasattr(thing, "__dict__"):
        yield from held(vars(thing), seen)


def test_no_rows_are_kept_in_the_model(engine: type[Any], make_toy: Callable[..., EncodedTable]):
    table = make_toy(601)
    model, run = build(engine, **CHEAP), Run()
    model.fit(table, seed=0, run=run)
    for part in [*held(model), *held(model.state()), *held(run.notes), *held(run.losses)]:
        sizes = part.shape if isinstance(part, (np.ndarray, torch.Tensor)) else (len(part),)
        assert 601 not in sizes and 601 * len(table.columns) not in sizes, part


class Hurried(Run):
    """Time is up as soon as training has begun."""

    looks = 0

    @property
    def out_of_time(self) -> bool:
        self.looks += 1
        return self.looks > 1


class Interrupted(Run):
    """Ctrl-C after the first epoch."""

    def epoch(self, epoch, epochs, losses):
        super().epoch(epoch, epochs, losses)
        if epoch == 1:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_with_what_was_paid_for(engine: type[Any], toy: EncodedTable, tmp_path: Path):
    first, second = build(engine, **CHEAP), build(engine, **CHEAP)
    broken, resumed = Interrupted(tmp_path), Run(tmp_path, resume=True)
    first.fit(toy, seed=0, run=broken)
    stored = Run(tmp_path, resume=True).load_checkpoint()
    assert stored is not None
    second.fit(toy, seed=0, run=resumed)
    assert resumed.notes["privacy"] == broken.notes["privacy"]  # the very counts and noise, not new ones
    assert second.ledger.to_dict() == first.ledger.to_dict()
    assert [row["epoch"] for row in resumed.losses] == [1, 2]
    plan = stored[0]["task"]["plan"]
    assert [len(part) for part in plan["counts"]] == [column.cardinality for column in toy.columns]


def test_a_checkpoint_holds_no_digest_of_rows(engine: type[Any], toy: EncodedTable, make_toy, tmp_path: Path):
    """Whoever has the file could tell whether a guess at all rows is right."""
    marks = []
    for name, table in (("a", toy), ("b", make_toy(300, seed=9))):
        build(engine, **CHEAP).fit(table, seed=0, run=Hurried(tmp_path / name))
        found = Run(tmp_path / name, resume=True).load_checkpoint()
        assert found is not None and found[0]["epoch"] == 1, "an epoch is taken whole, or not at all"
        marks.append(found[0]["fingerprint"])
    assert marks[0] == marks[1]


def test_every_awkward_table_trains_privately(engine: type[Any], awkward: EncodedTable):
    model = build(engine, noise_multiplier=3.0, epochs=1)
    model.fit(awkward, seed=0, run=Run())
    state, arrays = model.state()
    again = engine.from_state(awkward.columns, model.settings, json.loads(json.dumps(state)), arrays)
    assert np.array_equal(model.sample(7, seed=1).codes, again.sample(7, seed=1).codes)
