"""Recurrent TD3: rules by hand, phases, exact resumption, independence of members, learning."""

from dataclasses import replace

import pytest
import torch

from prefrontal.agents.base import updates
from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.packed import Packing
from prefrontal.agents.rollout.environments import make_envs
from prefrontal.agents.rollout.spec import EnvironmentSpec
from prefrontal.agents.td3.config import TD3NetworkConfig
from prefrontal.agents.td3.learner import make_learner
from prefrontal.agents.td3.member import Member, Progress
from prefrontal.agents.td3.networks import stacks
from prefrontal.agents.td3.play import Exploration, play
from prefrontal.agents.td3.update import (
    LINEAR,
    Batch,
    Networks,
    critic_targets,
    initial_weights,
    kept,
    smooth,
)
from tests.agents.td3.reach import FIREFLY, QUICK, RECALL, job

SMALL = TD3NetworkConfig("actor3", "critic5", scale=0.05)


def networks(config=QUICK, network=SMALL, seed=0):
    return Networks(network, 6, 2, config, initial_weights(network, 6, 2, [0], seed))


def batch(lengths=(4, 3, 3, 1), seed=0):
    chance, packing = torch.Generator().manual_seed(seed), Packing(lengths)
    rows = packing.rows
    x = torch.randn(rows, 6, generator=chance)
    action = 2 * torch.rand(rows, 2, generator=chance) - 1
    action[1::3] *= 0.05  # stops
    return Batch(x, action, torch.rand(rows, generator=chance), packing)


# --- the target ---


def test_smoothing_never_crosses_the_stop_threshold():
    chance = torch.Generator().manual_seed(0)
    action = 2 * torch.rand(20_000, 2, generator=chance) - 1
    action[:8000] *= 0.15  # many near the threshold
    action[0] = torch.tensor([0.1, 0.0])
    noise = (0.05 * torch.randn(20_000, 2, generator=chance)).clamp(-0.1, 0.1)
    smoothed = smooth(action, noise, 0.1)
    stop = action.abs().amax(1) < 0.1
    assert 1000 < stop.sum() < 19_000
    assert torch.equal(smoothed.abs().amax(1) < 0.1, stop)
    large = action.abs() >= 0.1
    assert torch.equal(smoothed[large].sign(), action[large].sign())
    assert smoothed.abs().max() <= 1
    assert (smoothed != action).float().mean() > 0.9


def test_smoothing_by_hand():
    action = torch.tensor([[0.09, -0.02], [0.5, 0.05], [-0.12, 0.0], [0.97, 1.0]])
    noise = torch.tensor([[0.05, 0.05], [-0.1, 0.08], [0.1, -0.03], [0.1, -0.05]])
    expected = torch.tensor([[0.1, 0.03], [0.4, 0.13], [-0.1, -0.03], [1.0, 0.95]])
    torch.testing.assert_close(smooth(action, noise, 0.1), expected)
    torch.testing.assert_close(smooth(action, noise, 0.0)[0], torch.tensor([0.14, 0.03]))


def test_targets_by_hand():
    packing = Packing((3, 1))  # rows: a0 b0 a1 a2
    reward = torch.tensor([1.0, 2.0, 3.0, 4.0])
    after = torch.tensor([100.0, 100.0, 10.0, 20.0])
    given = Batch(torch.zeros(4, 6), torch.zeros(4, 2), reward, packing)
    none = torch.zeros(4)
    assert critic_targets(given, after, 0.5, none).tolist() == [1 + 5, 2, 3 + 10, 4]
    # a2: 4. a1: 3 + (.5 20 + .5 4) / 2 = 9. a0: 1 + (.75 10 + .25 9) / 2 = 5.875
    trace = torch.tensor([0.9, 0.9, 0.25, 0.5])
    assert critic_targets(given, after, 0.5, trace).tolist() == [5.875, 2, 9, 4]


def test_traces_are_cut_where_only_one_of_two_actions_stops():
    done = torch.tensor([[0.0, 0.05], [0.0, 0.05], [0.5, 0.0], [-0.2, 0.9]])
    would = torch.tensor([[-0.09, 0.0], [0.0, -0.1], [0.02, 0.02], [0.3, 0.0]])
    assert kept(done, would, 0.1).tolist() == [True, False, False, True]
    assert kept(done, would, 0.0).all()  # where nothing is a stop


@pytest.mark.parametrize("tape", ["compiled", "plain"])
def test_one_update_is_that_of_autograd(tape, monkeypatch):
    """Critics' loss, actor's loss and Adam, written out with ordinary operations."""
    if tape == "plain":
        for module in ("networks", "adam"):
            monkeypatch.setattr(f"prefrontal.agents.td3.{module}.available", lambda name: False)
    config = replace(QUICK, actor_delay=1, stop_threshold=0.1, target_noise=0.0, saturation=0.3)
    nets, given = networks(config), batch()
    nets.actor[:, -2:] = torch.tensor([2.0, -0.1])  # the read-out's biases: some actions saturate
    before = {name: getattr(nets, name).clone() for name in ("actor", "critics")}
    nets.target_critics += 0.1 * torch.randn_like(nets.target_critics)  # so that they differ
    nets.target_actor += 0.1 * torch.randn_like(nets.target_actor)
    targets = {name: getattr(nets, name).clone() for name in ("target_actor", "target_critics")}
    nets.learn(given, 1e-2, torch.Generator(), 0.7)

    from tests.agents.td3.test_networks import unrolled

    actor, critic, packing = nets.actor_stack, nets.critic_stack, given.packing
    x, first = given.observation[None], len(packing.lengths)
    pair = x.expand(2, -1, -1)

    def of_critic(flat, action):
        both = flat if len(flat) == 2 else flat.expand(2, -1)
        return unrolled(critic, both, pair, action.expand(2, -1, -1), packing)[:, :, 0]

    def of_actor(flat):
        return unrolled(actor, flat.expand(2, -1), pair, None, packing)[0]

    following = torch.cat([given.action[:first], of_actor(targets["target_actor"]).tanh()[first:]])
    after = of_critic(targets["target_critics"], following).amin(0)
    y = given.reward.clone()
    where = {
        (s, t): row
        for row, (s, t) in enumerate(
            zip(packing.sequence.tolist(), packing.step.tolist(), strict=True)
        )
    }
    for (s, t), row in sorted(where.items(), key=lambda item: -item[0][1]):
        if (s, t + 1) in where:
            later = where[s, t + 1]
            stops = [bool(a[later].abs().max() < 0.1) for a in (following, given.action)]
            weight = config.trace if stops[0] == stops[1] else 0.0
            y[row] += config.discount * ((1 - weight) * after[later] + weight * y[later])
    critics = before["critics"].clone().requires_grad_()
    loss = sum((of_critic(critics, given.action)[k] - y.detach()).square().mean() for k in range(2))
    adam = torch.optim.Adam([critics], lr=1e-2, eps=config.epsilon)
    loss.backward()
    adam.step()
    torch.testing.assert_close(nets.critics, critics.detach(), atol=2e-5, rtol=1e-4)

    weights = before["actor"].clone().requires_grad_()
    out = of_actor(weights)
    q = of_critic(nets.critics[:1], out.tanh())[0]
    excess = out - out.clamp(-LINEAR, LINEAR)
    assert 0 < excess.count_nonzero() < excess.numel()
    imitation = 0.7 * q.detach().abs().mean() * (out.tanh() - given.action).square().mean()
    (-q.mean() + imitation + config.saturation * excess.square().sum(1).mean()).backward()
    adam = torch.optim.Adam([weights], lr=1e-2, eps=config.epsilon)
    adam.step()
    torch.testing.assert_close(nets.actor, weights.detach(), atol=2e-5, rtol=1e-4)
    tau = config.target_rate
    for name in ("actor", "critics"):
        old, new = targets[f"target_{name}"], getattr(nets, name)
        torch.testing.assert_close(getattr(nets, f"target_{name}"), (1 - tau) * old + tau * new)


def test_actor_and_targets_wait():
    nets, given = networks(replace(QUICK, actor_delay=3)), batch()
    names = ("actor", "critics", "target_actor", "target_critics")
    moved = []
    for _ in range(6):
        old = {name: getattr(nets, name).clone() for name in names}
        nets.learn(given, 1e-3, torch.Generator())
        moved.append([not torch.equal(old[name], getattr(nets, name)) for name in names])
    assert moved == [[False, True, False, False]] * 2 + [[True] * 4] + [
        [False, True, False, False]
    ] * 2 + [[True] * 4]


def test_it_computes_on_the_cpu_alone():
    with pytest.raises(ConfigError, match="computes on the CPU, not on cuda:0"):
        make_learner(replace(job(), device="cuda:0"), [0])


def test_networks_that_are_taken_are_their_own_targets():
    nets, others = networks(), networks(seed=1)
    nets.learn(batch(), 1e-2, torch.Generator())
    one_critic = others.weights()[0, : others.actor_stack.size + others.critic_stack.size]
    second = nets.critics[1].clone()
    nets.take(one_critic)
    assert torch.equal(nets.actor, others.actor)
    assert torch.equal(nets.critics[0], others.critics[0])
    assert torch.equal(nets.critics[1], second)
    assert torch.equal(nets.target_actor, nets.actor)
    assert torch.equal(nets.target_critics, nets.critics)


# --- play ---


def test_exploration_leaves_stops_alone_and_counts_them():
    """The actor always says 0: the first action is the noise, the next one a stop."""
    envs = make_envs(FIREFLY, [0], 6, facts=True, discrete=False)
    envs.reset(seed=0)
    stack, _ = stacks(SMALL, 6, 2)
    noise = torch.full((35, 6, 2), 0.5)
    exploration = Exploration(noise, 0.1, torch.zeros(35, 6, dtype=torch.bool))
    played = play(envs, stack, torch.zeros(1, stack.size), exploration)
    assert played.lengths.tolist() == [2] * 6
    assert played.action[:, 0].eq(0.5).all()
    assert not played.action[:, 1].any()
    assert played.trials == 6
    still = play(envs, stack, torch.zeros(1, stack.size))
    assert still.lengths.tolist() == [35] * 6  # never started: nothing to stop


def test_who_forgets_begins_every_trial_as_the_first():
    spec = replace(FIREFLY, kwargs={**FIREFLY.kwargs, "targets": 2, "trial_steps": 4})
    stack, _ = stacks(SMALL, 6, 2)
    flat = 0.3 * torch.randn(1, stack.size, generator=torch.Generator().manual_seed(0))
    for forget in (True, False):
        envs = make_envs(spec, [0], 3, facts=True, discrete=False)
        envs.reset(seed=0)
        played = play(envs, stack, flat, keep=True, forget=forget)
        ends = played.facts["ended"][:, :-1].nonzero()
        rows, after = ends[:, 0], ends[:, 1] + 1
        assert len(rows) >= 3
        seen = played.observation[rows, after]
        fresh, _ = stack.step(flat, seen[None], stack.begin(len(rows), flat))
        same = torch.isclose(played.action[rows, after], fresh[0].tanh()).all(1)
        assert bool(same.all()) if forget else not bool(same.any())


def test_random_rows_follow_their_noise():
    envs = make_envs(FIREFLY, [0], 4, facts=True, discrete=False)
    envs.reset(seed=0)
    stack, _ = stacks(SMALL, 6, 2)
    stops = torch.zeros(35, 4, dtype=torch.bool)
    stops[7, 0] = stops[0] = True  # before the first movement nothing stops
    noise = torch.full((35, 4, 2), 0.3)
    exploration = Exploration(noise, 0.1, stops, random_rows=2)
    played = play(envs, stack, torch.zeros(1, stack.size), exploration)
    assert played.lengths.tolist() == [8, 35, 2, 2]
    assert played.action[0, :7].eq(torch.tensor(0.3)).all()
    assert not played.action[0, 7].any()


# --- a member ---


def test_phases_follow_validation(monkeypatch):
    found = iter([0.1, 0.3, 0.5, 0.85, 0.2, 0.9])
    member = Member(job(), replace(QUICK, first_phase_every=16, validation_every=16), 0)

    def validate(self):
        self.progress.validation = next(found)
        if self.progress.phase == 2 and self.progress.validation > self.config.final_phase_reward:
            self.progress.phase = 3

    monkeypatch.setattr(Member, "_validate", validate)
    seen = []
    for _ in range(12):
        row = member.round()
        seen.append((row["phase"], row["trials"], len(member.memory), member.steps))
    assert seen[:4] == [(1, 8, 8, 0), (1, 16, 16, 0), (1, 24, 24, 0), (2, 0, 0, 0)]
    assert seen[4:6] == [(2, 8, 8, 24), (2, 16, 16, 48)]
    assert [row[0] for row in seen[6:]] == [2, 3, 3, 3, 3, 3]


def test_step_size_falls_in_phase_three():
    member = Member(job(trials=400), replace(QUICK, learning_rate=0.5, learning_rate_final=0.2), 0)
    assert member._learning_rate() == 0.5
    member.progress.phase, member.progress.final_phase_start = 3, 200
    for trials, rate in ((200, 0.2), (300, 0.11), (400, 0.02)):
        member.progress.trials = trials
        assert member._learning_rate() == pytest.approx(rate)


def test_imitation_is_for_phase_one(monkeypatch):
    member = Member(job(), replace(QUICK, imitation=0.7, learning_starts=8), 0)
    asked = []
    monkeypatch.setattr(
        member.nets, "learn", lambda batch, rate, chance, weight: asked.append(weight) or (0.0, 0.0)
    )
    for phase in (1, 2, 3):
        member.progress.phase = phase
        member._play()
        member._learn()
    assert sorted(set(asked[: len(asked) // 3])) == [0.7]
    assert not any(asked[len(asked) // 3 :])


def test_priorities_are_returns_and_a_floor_in_phase_one(monkeypatch):
    member = Member(job(), replace(QUICK, return_floor=0.5), 0)
    added = []
    monkeypatch.setattr(
        member.memory,
        "add",
        lambda data, lengths, priority: added.append((data["reward"], priority)),
    )
    member._play()
    reward, priority = added.pop()
    torch.testing.assert_close(priority[0], reward[0].sum(1) + 0.5)
    member.progress.phase = 2
    member._play()
    assert added.pop()[1].eq(1.0).all()


def test_agents_stop_at_random_as_often_as_asked():
    """Always at the first step of a trial under way; never before it; at the right rate."""
    config = replace(QUICK, stop_threshold=0.1, stop_chance=(1.0, 1.0, 1.0), learning_starts=800)
    member = Member(job(environment=FIREFLY), config, 0)
    member._play()
    sample = member.memory.sample(50)
    lengths, actions = sample.lengths[0], sample.data["action"][0]
    assert lengths.min() == 2  # before the first movement nothing stops
    assert not actions[torch.arange(50), lengths - 1].any()
    assert actions[torch.arange(50), lengths - 2].abs().amax(1).ge(0.1).all()
    seldom = replace(
        config, random_trials=1.0, random_trial_steps=5.0, return_floor=1e6, exploration=(0.8,) * 3
    )
    member = Member(job(environment=FIREFLY), seldom, 0)
    for _ in range(40):
        member._play()
    steps = member.memory.sample(2000).lengths[0].double().mean().item()
    assert 5.2 < steps < 6.8  # the first one and 5, or a little more where the first is small


def test_the_first_phase_is_played_without_observation_noise():
    member = Member(job(environment=FIREFLY), replace(QUICK, stop_threshold=0.1), 0)
    assert [envs.task.observation_noise for envs in member.envs] == [0.0, 0.1]
    assert [envs.task.observation_noise for envs in member.validation] == [0.1]
    tested = Member(job(environment=FIREFLY), replace(QUICK, validation_gains=(1.0, 2.0)), 0)
    assert [envs.task.gains for envs in tested.validation] == [(1.0,), (2.0,)]


def test_mirror_images_are_drawn_with_their_signs():
    config = replace(QUICK, stop_threshold=0.1, learning_starts=16)
    member = Member(job(config, FIREFLY), config, 0)
    for _ in range(3):
        member._play()
    stored = {tuple(row.tolist()) for row in member.memory.sample(400).data["action"][0, :, 0]}
    drawn, mirrored = set(), 0
    for given in member._batches(10):
        for row in given.action[: len(given.packing.lengths)]:
            image = (row * member.mirror[1]).tolist()
            mirrored += tuple(row.tolist()) not in stored and tuple(image) in stored
            drawn.add(tuple(row.tolist()) in stored or tuple(image) in stored)
    assert drawn == {True}
    assert 50 < mirrored < 110  # half of 160
    assert member.mirror is not None
    assert member.mirror[0].tolist() == [1, -1, -1, 1, 1, -1]


def run(members, rounds, config=QUICK):
    learner = make_learner(job(config, members=8), members)
    rows = [learner.update() for _ in range(rounds)]
    learner.close()
    return learner, rows


def test_a_member_learns_the_same_whoever_is_beside_it():
    alone, _ = run([3], 12)
    together, _ = run([1, 3], 12)
    one, both = alone.state(), together.state()
    assert one.keys() == both.keys()
    for name, value in one.items():
        assert torch.equal(value[0], both[name][1]), name


def test_resuming_is_exact():
    whole, rows = run([0, 1], 20)
    part, _ = run([0, 1], 9)
    again = make_learner(job(members=8), [0, 1])
    again.set_state({name: value.clone() for name, value in part.state().items()})
    more = [again.update() for _ in range(11)]
    for name, value in whole.state().items():
        assert torch.equal(value, again.state()[name]), name
    for name, value in rows[-1].items():
        assert torch.equal(value, more[-1][name]), name


def test_counters_of_a_checkpoint_are_read_in_their_order():
    """Checkpoints hold a row of numbers without names: the order of the fields must not change."""
    row = torch.tensor(
        [3, 400, 0.5, 0.25, 2, 200, 0.75, 0.5, 12, 0.1, 0.2, 0.9, 11], dtype=torch.float64
    )
    progress = Progress.of(row)
    assert progress == Progress(
        phase=3,
        trials=400,
        credit=0.5,
        best_rate=0.25,
        validated=2,
        final_phase_start=200,
        episode_return=0.75,
        rewarded=0.5,
        episode_steps=12.0,
        critic_loss=0.1,
        td_error=0.2,
        validation=0.9,
        validation_steps=11.0,
    )
    assert isinstance(progress.trials, int)
    assert torch.equal(progress.row(), row)
    assert list(progress.metrics().items()) == [
        ("return", 0.75),
        ("rewarded", 0.5),
        ("episode_steps", 12.0),
        ("critic_loss", 0.1),
        ("td_error", 0.2),
        ("validation", 0.9),
        ("validation_steps", 11.0),
        ("phase", 3.0),
        ("trials", 400.0),
    ]


def test_members_in_different_phases_have_states_of_one_shape():
    config = replace(QUICK, first_phase_reward=1.0, first_phase_trials=24)
    learner = make_learner(job(config), [0, 1])
    learner.members[0].round()
    for _ in range(5):
        learner.update()
    state = learner.state()
    assert state["weights"].shape[0] == 2
    learner.set_state(state)


def test_a_finished_member_rests():
    config = replace(QUICK, first_phase_reward=0.0, first_phase_trials=0)
    learner = make_learner(job(config, trials=16), [0])
    for _ in range(4):
        learner.update()
    assert learner.steps.tolist() == [48.0]
    weights = learner.state()["weights"]
    learner.update()
    assert torch.equal(weights, learner.state()["weights"])


def test_the_best_validated_agent_is_kept():
    config = replace(QUICK, first_phase_trials=0)
    member = Member(job(config), config, 0)
    for _ in range(12):
        member.round()
    assert member.progress.best_rate > 0
    best = member.best.clone()
    member.progress.best_rate = 1e9
    member.nets.actor += 1.0
    member._validate()
    assert torch.equal(member.state()["weights"], best)


def test_it_learns_to_recall():
    """A rewarded fraction above .9 where chance is .28: what was seen must be kept and said."""
    learner = make_learner(job(trials=800, seed=2), [0])
    while learner.steps.item() < 2400:
        row = learner.update()
    assert row["phase"].item() == 3
    assert learner.members[0].progress.best_rate * 3 > 0.9  # rewards a step, of three


def test_what_cannot_be_is_said():
    with pytest.raises(ConfigError, match="kind td3"):
        make_learner(replace(job(), network=NetworkConfig()), [0])
    bandit = EnvironmentSpec("prefrontal/TwoArmedBandit-v0")
    with pytest.raises(ConfigError, match="actions"):
        make_learner(job(environment=bandit), [0])


def test_a_whole_run_counts_its_rounds():
    assert updates(job(trials=400)) == 50
    assert QUICK.final_discount == QUICK.discount
    assert job(environment=RECALL).total_steps == 1200
