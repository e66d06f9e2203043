"""A member rounds alike wherever it stands in a population: odd sizes, every core and layout, both kernels.

What holds: on one machine, with one thread a process and the same kernel (compiled or PyTorch), a member's weights and metrics
are the same bits alone, at any place among others, and in another process. Across machines, kernels, numbers of threads or on a
GPU they are not.
"""

import itertools

import pytest
import torch

import prefrontal.agents.networks.recurrent
from prefrontal.agents import A2C, A2CConfig, EnvironmentSpec, NetworkConfig
from prefrontal.agents.common.products import CACHE_LINE, blocks
from prefrontal.agents.networks.cores import CORES
from prefrontal.agents.rollout.environments import make_envs
from tests.agents.helpers import BANDIT, a2c

# Hidden units and episodes that fill no cache line.
SIZES = [(5, 1), (17, 3), (20, 33), (33, 1), (33, 7), (100, 1), (64, 33)]
SHAPES = [
    (core, layout, *SIZES[index % len(SIZES)])
    for index, (core, layout) in enumerate(itertools.product(CORES, ("shared", "separate", "belief")))
]  # fmt: skip
CASES = [(*shape, False) for shape in SHAPES]
CASES += [(*shape, True) for shape in SHAPES if shape[0] == "lstm"]  # what is compiled


def learned(members, core, layout, hidden, batch, config):
    network = NetworkConfig(
        core=core, hidden_size=hidden, layout=layout, learned_initial_state=True, head_units=13,
        head_layers=2, head_activation="tanh",
    )  # fmt: skip
    spec = EnvironmentSpec(BANDIT, kwargs={"trials": 5})
    envs = make_envs(spec, members, batch, privileged=config.critic.baseline == "privileged")
    subject = A2C(envs, network, config, members, batch, 10_000, 3)
    metrics = [subject.update() for _ in range(2)]
    return metrics, subject.state()


@pytest.mark.parametrize(("core", "layout", "hidden", "batch", "compiled"), CASES)
def test_a_member_learns_the_same_wherever_it_stands(
    core, layout, hidden, batch, compiled, monkeypatch
):
    if not compiled:
        monkeypatch.setattr(prefrontal.agents.networks.recurrent, "available", lambda: False)
    for config in (
        A2CConfig(),
        a2c(critic="privileged", passes=4, critic_units=13, normalise_advantages=True),
    ):
        metrics, state = learned([0, 1, 2, 3, 4], core, layout, hidden, batch, config)
        for rows in ([1], [3], [4, 2]):
            alone, weights = learned(rows, core, layout, hidden, batch, config)
            for name, value in weights.items():
                assert torch.equal(value, state[name][rows]), name
            for mine, theirs in zip(alone, metrics, strict=True):
                for name, value in mine.items():
                    assert torch.equal(value, theirs[name][rows]), name


@pytest.mark.parametrize("rows", [1, 3, 20])
@pytest.mark.parametrize("inner", [13, 17, 33])
@pytest.mark.parametrize("columns", [3, 15, 33, 330])
def test_products_of_blocks_round_each_member_alike(rows, inner, columns):
    """Without the gaps of `blocks` these products are rounded otherwise for members at odd places."""
    kind = {"dtype": torch.float32, "device": "cpu"}
    generator = torch.Generator().manual_seed(0)

    def made(members, height, width, values=None):
        block = blocks(1, members, height, width, kind, CACHE_LINE)[0]
        return block.normal_(generator=generator) if values is None else block.copy_(values)

    weight = torch.randn(8, rows, inner, generator=generator)
    right, delta = made(8, inner, columns), made(8, rows, columns)

    def products(weight, right, delta):
        members = len(weight)
        forward = torch.bmm(weight, right, out=made(members, rows, columns))
        back = torch.bmm(weight.transpose(1, 2), delta, out=made(members, inner, columns))
        return forward, back, torch.bmm(delta, right.transpose(1, 2))

    together = products(weight, right, delta)
    for member in (1, 3, 7):
        row = slice(member, member + 1)
        alone = products(
            weight[row].clone(),
            made(1, inner, columns, right[row]),
            made(1, rows, columns, delta[row]),
        )
        for one, all_of_them in zip(alone, together, strict=True):
            assert torch.equal(one[0], all_of_them[member])
