"""The learning rule against a plain re-implementation.

Beside it: what must hold whoever learns beside whom.
"""

from dataclasses import dataclass, field, replace

import pytest
import torch

from prefrontal.agents import A2C, A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.errors import PrefrontalError, TrainingError
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.helpers import a2c, learner, reference_heads, register_countdown

# --- one update, re-implemented ---


@dataclass
class Seen:
    """What a learner did in one update."""

    trajectory: object = None
    x: torch.Tensor = None
    steps: list = field(default_factory=list)  # (parameters, gradient, rate) of each pass
    fits: list = field(
        default_factory=list
    )  # (critic's parameters, features, targets) of each pass


def observed_update(subject: A2C) -> Seen:
    """One update with everything it hands on written down."""
    seen = Seen()
    subject._at_once = lambda learned: False  # each pass by itself
    collect, step = subject.rollout.collect, subject.optimiser.step

    def spied_collect(*args, **kwargs):
        trajectory = collect(*args, **kwargs)
        tensors = ("actions", "rewards", "mask", "truncated", "privileged")
        copies = {n: v.clone() for n in tensors if (v := getattr(trajectory, n)) is not None}
        seen.trajectory = replace(trajectory, **copies)
        seen.x = torch.stack(trajectory.tapes[0].x_t[: trajectory.tapes[0].used]).double()
        return trajectory

    def spied_step(parameters, gradient, rate):
        seen.steps.append((parameters.clone().double(), gradient.clone().double(), rate.clone()))
        step(parameters, gradient, rate)

    subject.rollout.collect, subject.optimiser.step = spied_collect, spied_step
    if subject.critic is not None:
        fit = subject.critic.fit

        def spied_fit(features, values, targets, *rest):
            *rest, passes = rest
            for _ in range(passes):
                before = subject.critic.parameters.clone().double()
                seen.fits.append((before, features.clone().double(), targets.clone().double()))
                error = fit(features, subject.critic.values(features), targets, *rest, 1)
            return error

        subject.critic.fit = spied_fit
    subject.update()
    return seen


def heads(subject: A2C, flat: torch.Tensor, x: torch.Tensor):
    """Logits ``[T, P, K, B]``, values ``[T, P, B]`` and the actor's states ``[T, P, H, B]``."""
    nets, members = subject.model.nets, range(len(subject.members))
    parts = flat.split([net.parameters.shape[1] for net in nets], dim=1)
    read = [
        [reference_heads(n, p, x, m) for m in members] for n, p in zip(nets, parts, strict=True)
    ]
    outputs = [torch.stack([one[0] for one in per_net], dim=1) for per_net in read]
    hidden = torch.stack([torch.stack(one[1]) for one in read[0]], dim=1)
    if len(nets) == 1:
        return outputs[0][:, :, :-1], outputs[0][:, :, -1], hidden
    return outputs[0], outputs[1][:, :, 0], hidden


def episodes(trajectory):
    """Every episode as (member, row, length, whether a time limit cut it)."""
    steps, members, batch = trajectory.actions.shape
    for m in range(members):
        for b in range(batch):
            if trajectory.mask is None:
                yield m, b, steps, False
            else:
                yield m, b, int(trajectory.mask[:, m, b].sum()), bool(trajectory.truncated[m, b])


def targets_of(config: A2CConfig, trajectory, values: torch.Tensor, discount: float):
    """Advantages and value targets ``[T, P, B]``, episode by episode, from the definitions.

    They are 0 after the end.
    """
    advantages, targets = (torch.zeros(trajectory.actions.shape).double() for _ in range(2))
    for m, b, length, cut in episodes(trajectory):
        v = [values[t, m, b].item() for t in range(length)]
        v.append(values[length, m, b].item() if cut else 0.0)
        r = trajectory.rewards[:length, m, b].tolist()
        for t in range(length):
            if config.n_step is not None:
                end = min(t + config.n_step, length)
                target = sum(discount ** (k - t) * r[k] for k in range(t, end))
                target += discount ** (end - t) * v[end]
            else:
                decay = discount * config.gae_lambda
                delta = [r[k] + discount * v[k + 1] - v[k] for k in range(t, length)]
                target = v[t] + sum(decay**k * d for k, d in enumerate(delta))
            targets[t, m, b], advantages[t, m, b] = target, target - v[t]
    return advantages, targets


def expected_gradient(subject, seen, parameters, advantages, targets, old, entropy_coef):
    """Clipped gradient of one pass.

    Each member's loss a mean over the steps that its episodes really had.
    """
    config, trajectory = subject.config, seen.trajectory
    leaf = parameters.clone().requires_grad_()
    logits, values, _ = heads(subject, leaf, seen.x)
    log_probs = logits[: trajectory.steps].log_softmax(2)
    chosen = log_probs.gather(2, trajectory.actions.unsqueeze(2)).squeeze(2)
    losses = []
    for member in range(len(subject.members)):
        terms = []
        for m, b, length, _ in episodes(trajectory):
            if m != member:
                continue
            part = (slice(0, length), m, b)
            gain = chosen[part] * advantages[part]
            if config.passes > 1:
                ratio = (chosen[part] - old[part]).exp()
                clipped = ratio.clamp(1 - config.clip_ratio, 1 + config.clip_ratio)
                gain = torch.minimum(ratio * advantages[part], clipped * advantages[part])
            p = log_probs[:length, m, :, b]
            entropy = -(p.exp() * p).sum(1)
            error = (targets[part] - values[:length, m, b]).square()
            terms.append(-gain + config.value_coef * error - entropy_coef * entropy)
        losses.append(torch.cat(terms).mean())
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), leaf)
    scale = (config.clip_norm / (gradient.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1)
    return gradient * scale


def over_real_steps(x, trajectory, member):
    parts = [x[:n, m, b] for m, b, n, _ in episodes(trajectory) if m == member]
    return torch.cat(parts)


CASES = {
    "plain": {},
    "gae": {"gae_lambda": 0.7, "discount": 0.9},
    "n-step": {"n_step": 2, "discount": 0.9},
    "normalised": {"normalise_advantages": True, "gae_lambda": 0.9},
    "passes": {"passes": 4, "learning_rate": 0.05, "clip_ratio": 0.05},
    "privileged": {"critic": "privileged", "gae_lambda": 0.8, "learning_rate": 0.02},
    "all": {"critic": "privileged", "passes": 4, "normalise_advantages": True, "gae_lambda": 0.95},
    "tight clip": {"clip_norm": 1e-3},
    "rmsprop": {"optimiser": "rmsprop", "value_coef": 0.05},
}


def check_update(subject: A2C, progress: float = 0.0) -> Seen:
    """One update of `subject` against the re-implementation."""
    config = subject.config
    seen = observed_update(subject)
    trajectory = seen.trajectory
    assert len(seen.steps) == config.passes
    first = seen.steps[0][0]
    logits, values, hidden = heads(subject, first, seen.x)
    log_probs = logits[: trajectory.steps].log_softmax(2)
    old = log_probs.gather(2, trajectory.actions.unsqueeze(2)).squeeze(2)
    discount = config.discount
    if config.discount_final is not None:
        share = min(1.0, progress / config.discount_anneal)
        discount += share * (config.discount_final - discount)
    share = min(1.0, progress / config.entropy_anneal)
    entropy_coef = config.entropy_coef + share * (config.entropy_coef_final - config.entropy_coef)
    rate = config.learning_rate + progress * (config.learning_rate_final - config.learning_rate)
    advantages, targets = targets_of(config, trajectory, values, discount)
    if subject.critic is not None:
        steps, members, batch = trajectory.actions.shape
        parameters, features, goal = seen.fits[0]
        wanted = torch.cat(
            [
                hidden[:steps].transpose(2, 3),
                trajectory.privileged.double(),
                torch.ones(steps, members, batch, 1),
            ],
            dim=3,
        )
        found = features.unflatten(2, (steps, batch)).permute(2, 0, 3, 1)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
        units = config.critic.units
        w, second = (
            parameters[:, : -units - 1].unflatten(1, (units, -1)),
            parameters[:, -units - 1 :],
        )
        active = torch.einsum("pui,tpbi->tpbu", w, wanted).relu()
        seen_values = torch.einsum("pu,tpbu->tpb", second[:, :-1], active) + second[None, :, -1:]
        advantages, critic_targets = targets_of(config, trajectory, seen_values, discount)
        torch.testing.assert_close(
            goal, critic_targets.transpose(0, 1).flatten(1), rtol=0, atol=1e-4
        )
        assert len(seen.fits) == config.passes
    if config.normalise_advantages:
        for member in range(len(subject.members)):
            real = over_real_steps(advantages, trajectory, member)
            one = advantages[:, member]
            advantages[:, member] = (one - real.mean()) / real.std(correction=0)
    for parameters, gradient, used_rate in seen.steps:
        wanted = expected_gradient(
            subject, seen, parameters, advantages, targets, old, entropy_coef
        )
        assert wanted.norm(dim=1).min() > 1e-4
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=2e-5 * wanted.abs().max())
        rates = torch.full_like(used_rate, rate)
        torch.testing.assert_close(used_rate, rates, rtol=1e-5, atol=0)
    return seen


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_plain_loss(case):
    check_update(learner(range(2), batch=5, **CASES[case]))


@pytest.mark.parametrize("case", ["plain", "gae", "n-step", "normalised", "passes"])
def test_gradients_with_episodes_of_unequal_length(case):
    """Values are bootstrapped where a time limit cut an episode, not where it ended."""
    network = NetworkConfig(hidden_size=8)
    spec = EnvironmentSpec(register_countdown(), ("action", "reward"))
    envs = make_envs(spec, range(2), 10)
    subject = A2C(envs, network, a2c(**CASES[case]), [0, 1], 10, 1000, 0)
    trajectory = check_update(subject).trajectory
    assert trajectory.truncated.any()
    assert not trajectory.truncated.all()
    assert not trajectory.mask.all()


@pytest.mark.parametrize("core", ["gru", "rnn", "none"])
@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_gradients_of_other_networks(core, layout):
    network = NetworkConfig(core=core, layout=layout, hidden_size=8)
    check_update(learner(range(2), network=network, passes=2, critic="privileged"))


def test_schedules():
    subject = learner(
        batch=5,
        trials=10,
        total_steps=500,
        learning_rate=0.01,
        learning_rate_final=0.002,
        entropy_coef=0.2,
        entropy_coef_final=0.1,
        entropy_anneal=0.5,
        discount=0.5,
        discount_final=0.9,
        discount_anneal=0.25,
    )
    for update in range(12):
        progress = min(1.0, update * 50 / 500)
        check_update(subject, progress)
    assert subject.steps.tolist() == [600.0]


def test_what_comes_after_the_end_of_an_episode_does_not_matter():
    spec = EnvironmentSpec(register_countdown(), ("action", "reward"))
    gradients = []
    for spoil in (False, True):
        envs = make_envs(spec, [0], 12)
        subject = A2C(envs, NetworkConfig(hidden_size=8), A2CConfig(passes=2), [0], 12, 1000, 0)
        collect = subject.rollout.collect

        def spoilt(collect=collect, subject=subject):
            trajectory = collect()
            length = trajectory.mask.sum(0)[0]  # [B]
            for t in range(trajectory.tapes[0].used):
                trajectory.tapes[0].x_t[t][0, :, length < t] += 5.0
            subject.model.unroll(trajectory.tapes)
            return trajectory

        if spoil:
            subject.rollout.collect = spoilt
        gradients.append([g for _, g, _ in observed_update(subject).steps])
    for clean, dirty in zip(*gradients, strict=True):
        assert torch.equal(clean, dirty)


@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_values_are_learned_in_units_of_the_returns(layout):
    """As with returns, a value's read-out and their errors divided by the unit."""
    network = NetworkConfig(hidden_size=5, layout=layout)
    given = {"network": network, "batch": 3, "clip_norm": 1e9, "discount": 0.9, "value_coef": 0.5}
    subject = learner(normalise_values=True, **given)
    seen = observed_update(subject)
    flat, gradient, rate = seen.steps[0]
    _, values, _ = heads(subject, flat, seen.x)
    _, targets = targets_of(subject.config, seen.trajectory, values, 0.9)
    unit = float(targets.square().mean().sqrt())
    assert 0.1 < unit < 10
    assert abs(unit - 1) > 0.05
    (_, plain, plain_rate), *_ = observed_update(
        learner(**given | {"value_coef": 0.5 / unit**2})
    ).steps
    of_values = subject.model.value_weights()
    assert of_values.sum() == 6
    assert of_values[-6:].all()
    factor = torch.where(of_values, unit, 1.0).unsqueeze(0)
    torch.testing.assert_close(gradient, plain * factor.double(), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(rate, plain_rate * factor, rtol=1e-5, atol=0)


def test_units_of_values_do_not_go_with_replay():
    with pytest.raises(ValueError, match="normalise_values is not for replay"):
        a2c(normalise_values=True, replay="uniform")


def test_metrics():
    subject = learner(range(2), batch=5, trials=4)
    seen = {}
    collect = subject.rollout.collect
    subject.rollout.collect = lambda: seen.setdefault("trajectory", collect())
    metrics = subject.update()
    logits, _ = subject.model.heads(seen["trajectory"].tapes)
    p = logits.softmax(2)
    torch.testing.assert_close(
        metrics["entropy"].float(), -(p * p.log()).sum(2).mean((0, 2)), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        metrics["return"].float(), seen["trajectory"].rewards.sum(0).mean(1), rtol=1e-6, atol=0
    )
    assert {value.shape for value in metrics.values()} == {(2,)}
    assert {value.dtype for value in metrics.values()} == {torch.float64}


# --- learning ---


def rewards_after(subject: A2C, updates: int, last: int = 30) -> torch.Tensor:
    """Reward a step of each member over the last updates."""
    returns = [subject.update()["return"] for _ in range(updates)][-last:]
    return torch.stack(returns).mean(0) / subject.rollout.steps


@pytest.mark.parametrize("config", [{}, {"passes": 4, "normalise_advantages": True}])
def test_learns_which_action_pays(config):
    spec = EnvironmentSpec(register_countdown(), ())
    envs = make_envs(spec, range(2), 8)
    algorithm = a2c(learning_rate=0.02, **config)
    subject = A2C(envs, NetworkConfig(hidden_size=8), algorithm, [0, 1], 8, 80 * 24, 0)
    best = [subject.update()["return"] for _ in range(80)][-20:]
    # the best action pays 3, episodes are 3 steps long on average, and chance is 2 a step
    assert (torch.stack(best).mean(0) > 8).all()


def bandit(inputs: tuple[str, ...], updates: int, **config) -> A2C:
    spec = EnvironmentSpec("prefrontal/CorrelatedBandit-v0", inputs, {"trials": 10})
    algorithm = a2c(learning_rate=0.02, discount=0.6, entropy_coef=0.1, **config)
    privileged = algorithm.critic.baseline == "privileged"
    envs = make_envs(spec, range(3), 16, privileged=privileged)
    network = NetworkConfig(hidden_size=16, input_gain=3.0)
    return A2C(envs, network, algorithm, range(3), 16, updates * 160, 0)


def test_learns_to_learn_and_falls_to_chance_without_the_reward():
    """Two arms that pay p and 1 - p.

    To remember rewards is worth more than .15 a trial, to remember choices nothing.
    """
    seeing = rewards_after(bandit(("action", "centred_reward", "time"), 150), 150)
    assert (seeing > 0.62).all()
    blind = rewards_after(bandit(("action", "time"), 150), 150)
    assert (blind - 0.5).abs().max() < 0.03


def test_learns_to_learn_with_the_privileged_critic():
    """Which never shows the agent what it sees: without the reward it helps to nothing."""
    config = {"critic": "privileged", "passes": 4, "normalise_advantages": True}
    seeing = rewards_after(bandit(("action", "centred_reward"), 60, **config), 60, last=15)
    assert (seeing > 0.62).all()
    blind = rewards_after(bandit(("action",), 60, **config), 60, last=15)
    assert (blind - 0.5).abs().max() < 0.04


# --- exactness ---


def curve(subject: A2C, updates: int = 5):
    return [subject.update() for _ in range(updates)], subject.state()


def same(one, other, rows=None) -> bool:
    """Whether metrics and states are equal, bit by bit.

    Members of the other are compared up to rounding.
    """
    metrics, state = one
    their_metrics, their_state = other
    pairs = [(value, their_state[name]) for name, value in state.items()] + [
        (value, theirs[name])
        for mine, theirs in zip(metrics, their_metrics, strict=True)
        for name, value in mine.items()
    ]
    if rows is None:
        return all(torch.equal(mine, theirs) for mine, theirs in pairs)
    return all(
        torch.allclose(mine.double(), theirs[rows].double(), rtol=1e-3, atol=1e-4)
        for mine, theirs in pairs
    )


EXACT = {
    "default": {"batch": 16, "network": NetworkConfig()},
    "odd sizes": {
        "batch": 5,
        "network": NetworkConfig(hidden_size=7),
        "normalise_advantages": True,
    },
    "one episode": {"batch": 1, "trials": 20, "optimiser": "rmsprop"},
    "everything": {
        "batch": 10,
        "network": NetworkConfig(hidden_size=33, layout="separate"),
        "critic": "privileged",
        "passes": 3,
        "normalise_advantages": True,
        "critic_units": 13,
    },
    "gru": {"batch": 3, "network": NetworkConfig(core="gru", hidden_size=9)},
    "rnn": {"batch": 3, "network": NetworkConfig(core="rnn", hidden_size=9)},
}


@pytest.mark.parametrize("case", EXACT)
def test_a_member_learns_the_same_whoever_is_beside_it(case):
    together = curve(learner([0, 4, 7], seed=3, **EXACT[case]))
    for rows in ([0], [1], [2], [2, 1]):
        members = [[0, 4, 7][row] for row in rows]
        assert same(curve(learner(members, seed=3, **EXACT[case])), together, rows)


def test_a_member_of_unequal_episodes_learns_the_same_whoever_is_beside_it():
    def made(members):
        envs = make_envs(EnvironmentSpec(register_countdown(), ("action",)), members, 7)
        config = A2CConfig(normalise_advantages=True, passes=2)
        return A2C(envs, NetworkConfig(hidden_size=8), config, members, 7, 10_000, 3)

    together = curve(made([0, 1, 2]), 8)
    assert same(curve(made([1]), 8), together, [1])


def test_the_seed_decides():
    first, second, other = (curve(learner(range(2), seed=seed)) for seed in (1, 1, 2))
    assert same(first, second)
    assert not torch.equal(first[1]["weights"], other[1]["weights"])
    assert not torch.equal(first[1]["weights"][0], first[1]["weights"][1])


@pytest.mark.parametrize("case", EXACT)
def test_goes_on_exactly_from_its_state(case):
    straight = learner([0, 4], **EXACT[case])
    for _ in range(3):
        straight.update()
    state = straight.state()
    assert all(len(value) == 2 for value in state.values())
    resumed = learner([0, 4], **EXACT[case])
    resumed.update()  # whatever it did before is forgotten
    resumed.set_state(state)
    assert same(curve(straight), curve(resumed))


def test_a_state_is_a_copy():
    subject = learner()
    state = subject.state()
    before = {name: value.clone() for name, value in state.items()}
    subject.update()
    assert all(torch.equal(state[name], before[name]) for name in state)


# --- errors ---


@pytest.mark.parametrize("passes", [1, 3])
def test_a_loss_that_is_not_a_number_names_the_member(passes):
    subject = learner([3, 7], passes=passes)
    subject.update()
    weights = subject.model.parameters
    weights[1, 5] = float("nan")
    subject.model.set_parameters(weights)
    with pytest.raises(TrainingError, match=r"member 7 is not a number at step 24.*learning-rate"):
        subject.update()
    assert torch.equal(subject.model.parameters[0], weights[0])
    assert subject.optimiser.count == passes  # those of the first update


def test_a_privileged_critic_needs_something_to_see():
    envs = make_envs(EnvironmentSpec(register_countdown()), [0], 2)
    with pytest.raises(PrefrontalError, match='critic="privileged" needs an environment'):
        A2C(envs, NetworkConfig(), a2c(critic="privileged"), [0], 2, 100, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", -1.0),
        ("learning_rate", float("nan")),
        ("learning_rate_final", -0.1),
        ("epsilon", 0.0),
        ("clip_norm", 0.0),
        ("discount", 1.1),
        ("discount", float("nan")),
        ("discount_final", -0.1),
        ("discount_anneal", 0.0),
        ("gae_lambda", 2.0),
        ("n_step", 0),
        ("value_coef", -1.0),
        ("entropy_coef", -0.1),
        ("entropy_coef_final", -0.1),
        ("entropy_anneal", 0.0),
        ("critic_units", 0),
        ("critic_learning_rate", 0.0),
        ("passes", 0),
        ("clip_ratio", 0.0),
    ],
)
def test_hyper_parameters_have_ranges(name, value):
    with pytest.raises(ValueError, match=name):
        a2c(**{name: value})


def with_unequal_episodes(**config):
    spec = EnvironmentSpec(register_countdown(), ("action", "reward"))
    network = NetworkConfig(hidden_size=8)
    return A2C(make_envs(spec, range(2), 5), network, a2c(**config), [0, 1], 5, 1000, 0)


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("kind", ["bandit", "unequal episodes", "segments"])
def test_passes_by_one_call_are_those_one_after_another(kind, passes, monkeypatch):
    def made():
        if kind == "bandit":
            more = {"critic": "privileged", "normalise_values": passes > 1}
            return learner(range(2), batch=5, passes=passes, **more)
        return with_unequal_episodes(passes=passes, segment=7 if kind == "segments" else None)

    at_once, apart = made(), made()
    monkeypatch.setattr(apart, "_at_once", lambda learned: False)
    calls, net = [], at_once.model.nets[0]
    call = net.passes
    monkeypatch.setattr(net, "passes", lambda *given: calls.append(given[3]) or call(*given))
    for _ in range(3):
        ours, theirs = at_once.update(), apart.update()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(at_once.state(), apart.state(), rtol=1e-4, atol=1e-6)
    assert calls == [passes] * 3
    tape = at_once.rollout.tapes[0]
    assert (tape.starts is not None and tape.starts.any()) == (kind == "segments")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_later_pass_that_is_not_a_number_is_told(at_once, monkeypatch):
    subject = learner(range(2), batch=5, passes=2, learning_rate=1e38)
    if not at_once:
        monkeypatch.setattr(subject, "_at_once", lambda learned: False)
    with pytest.raises(TrainingError, match="member 0, 1 is not a number"):
        subject.update()
    assert subject.optimiser.count == (2 if at_once else 1)
