"""Actor-critics: layouts, initial weights, flat parameters, what earlier versions stored."""

import pytest
import torch

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.common.plain import from_plain
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.compiled import CompiledLSTM
from prefrontal.agents.networks.config import HeadConfig, NetworkConfig
from prefrontal.agents.networks.plain import PlainNet

STEPS, INPUTS, ACTIONS, BATCH = 6, 3, 2, 4


def made(dtype=torch.float64, members=2, **config) -> ActorCritic:
    model = ActorCritic(INPUTS, ACTIONS, NetworkConfig(hidden_size=5, **config), members, dtype)
    model.initialise([torch.Generator().manual_seed(10 + m) for m in range(members)])
    return model


def recorded(model: ActorCritic):
    x = torch.randn(STEPS, model.members, INPUTS, BATCH, generator=torch.Generator().manual_seed(1))
    tapes = model.tapes(STEPS, BATCH)
    model.begin(tapes)
    logits = []
    for t in range(STEPS):
        for tape in tapes:
            tape.x_t[t].copy_(x[t])
        logits.append(model.step(tapes, t).clone())
    return tapes, torch.stack(logits)


@pytest.mark.parametrize("layout", ["shared", "separate"])
@pytest.mark.parametrize("core", ["lstm", "gru", "none"])
def test_heads_are_what_was_stepped(core, layout):
    model = made(core=core, layout=layout)
    tapes, stepped = recorded(model)
    logits, values = model.heads(tapes, model.parameters.requires_grad_())
    torch.testing.assert_close(logits, stepped, rtol=0, atol=1e-12)
    torch.testing.assert_close(model.heads(tapes)[1], values, rtol=0, atol=1e-12)
    assert values.shape == (STEPS, 2, BATCH)
    if layout == "shared":
        assert torch.equal(model.heads(tapes)[1], tapes[0].heads[:, :, ACTIONS])


def test_separate_cores_share_nothing():
    model = made(layout="separate")
    tapes, _ = recorded(model)
    parameters = model.parameters.requires_grad_()
    logits, values = model.heads(tapes, parameters)
    actor = model.nets[0].parameters.shape[1]
    for heads, own in ((logits, slice(0, actor)), (values, slice(actor, None))):
        (gradient,) = torch.autograd.grad(heads.square().sum(), parameters, retain_graph=True)
        assert gradient[:, own].abs().max() > 1e-3
        gradient[:, own] = 0
        assert not gradient.any()


def test_the_fast_lstm_is_taken_where_it_can_be(monkeypatch):
    monkeypatch.setattr("prefrontal.agents.networks.actor_critic.available", lambda: True)
    assert isinstance(made(torch.float32).nets[0], CompiledLSTM)
    assert isinstance(made(torch.float64).nets[0], PlainNet)
    assert isinstance(made(torch.float32, embedding_size=3).nets[0], PlainNet)
    assert isinstance(made(torch.float32, core="gru").nets[0], PlainNet)
    monkeypatch.setattr("prefrontal.agents.networks.actor_critic.available", lambda: False)
    assert isinstance(made(torch.float32).nets[0], PlainNet)


def test_the_courses_agent_has_its_number_of_parameters():
    course = NetworkConfig(core="relu", hidden_size=100, embedding_size=100)
    assert ActorCritic(9, 2, course, 3).parameters.shape == (3, 11_403)


def test_parameters_survive_a_round_trip_and_unroll_sees_new_ones():
    model, other = made(layout="separate"), made(layout="separate")
    other.set_parameters(model.parameters * 0.5)
    assert torch.equal(other.parameters, model.parameters * 0.5)
    tapes, stepped = recorded(model)
    copied, wanted = recorded(other)
    model.set_parameters(other.parameters)
    model.unroll(tapes)
    for mine, theirs in zip(model.heads(tapes), other.heads(copied), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(stepped, wanted)


READING = HeadConfig("noise", "noise", into_core=False)


@pytest.mark.parametrize(
    ("dtype", "config", "again"),
    [
        (torch.float64, {"core": "gru"}, False),
        (torch.float64, {"core": "none", "layout": "separate"}, False),
        (torch.float64, {"core": "gru", "heads": (READING,)}, True),
        (torch.float32, {"core": "lstm"}, True),
    ],
)
def test_refreshed_tapes_read_as_unrolled_ones(monkeypatch, dtype, config, again):
    """Steps are only repeated where what they recorded is read."""
    model = made(dtype, **config)
    steps, (tapes, _) = [], recorded(model)
    again = again and (dtype == torch.float64 or isinstance(model.nets[0], CompiledLSTM))
    model.set_parameters(model.parameters * 0.5)
    unroll = model.unroll
    monkeypatch.setattr(model, "unroll", lambda tapes: (steps.append(1), unroll(tapes)))
    model.refresh(tapes)
    refreshed = model.read(tapes, model.parameters)
    assert bool(steps) == again
    unroll(tapes)
    wanted = model.read(tapes, model.parameters)
    for mine, theirs in zip(refreshed[:2], wanted[:2], strict=True):
        assert torch.equal(mine, theirs)
    for name, theirs in wanted[2].items():
        assert torch.equal(refreshed[2][name], theirs)


def test_parameters_are_a_copy():
    model = made()
    model.parameters.zero_()
    assert model.parameters.any()


@pytest.mark.parametrize("core", ["lstm", "gru"])
def test_a_member_is_drawn_from_its_own_generator(core):
    model, alone = made(members=3, core=core), made(members=1, core=core)
    assert not torch.equal(model.parameters[0], model.parameters[1])
    assert torch.equal(model.parameters[0], alone.parameters[0])


def test_initial_weights():
    config = NetworkConfig(hidden_size=64, input_gain=3.0, forget_bias=2.0)
    model = ActorCritic(10, 2, config)
    model.initialise([torch.Generator().manual_seed(0)])
    weight, head = model.parameters[0].split([256 * 75, 3 * 65])
    weight, head, bound = weight.view(256, 75), head.view(3, 65), 1 / 8
    assert weight[:, 10:-1].abs().max() <= bound
    assert weight[:, 10:-1].std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert 2 * bound < weight[:, :10].abs().max() <= 3 * bound
    bias = weight[:, -1].view(4, 64)
    assert bias[1].mean() == pytest.approx(2.0, abs=0.05)
    assert bias[[0, 2, 3]].abs().max() <= bound
    assert bound / 2 < head.abs().max() <= bound


@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_weights_of_earlier_versions_are_read(layout):
    """Cores without memory had columns of zeros for the state that they lack."""
    model = made(core="none", layout=layout)
    old, start = [], 0
    for net in model.nets:
        size = net.parameters.shape[1]
        core, head = model.parameters[:, start : start + size].split([20, size - 20], dim=1)
        core = core.unflatten(1, (5, 4))
        wide = torch.cat([core[:, :, :3], torch.zeros(2, 5, 5), core[:, :, 3:]], 2)
        old += [wide.flatten(1), head]
        start += size
    assert torch.equal(model.upgraded(torch.cat(old, 1)), model.parameters)
    assert torch.equal(model.upgraded(model.parameters), model.parameters)


def test_settings_that_no_longer_exist_are_read_where_they_did_nothing():
    old = {"core": "gru", "learned_initial_state": False, "head_units": 48, "head_layers": 1}
    assert from_plain(NetworkConfig, old) == NetworkConfig(core="gru")
    with pytest.raises(ConfigError, match="learned_initial_state"):
        from_plain(NetworkConfig, {"learned_initial_state": True})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be at least 1"),
        ({"embedding_size": -1}, "embedding_size must not be negative"),
        ({"actor_reward": "rpe"}, "separate"),
        ({"rpe_discount": 1.5}, "rpe_discount must be between 0 and 1"),
    ],
)
def test_bad_settings_are_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**wrong)
