"""Every model against numbers computed by hand, and what all of them have in common."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prefrontal.behaviour.models.catalogue import find, names
from prefrontal.behaviour.models.kalman import Kalman
from prefrontal.behaviour.models.run import run
from prefrontal.behaviour.models.simulate import values_of
from prefrontal.behaviour.table import behaviour


def ran(name, theta, choice, reward, arms=2, options=None, **more):
    data = behaviour([choice], [reward], arms, **more)
    model = find(name, arms=arms, **(options or {}))
    made = run(model, values_of(model, theta, 1), data, latents=True)
    return {"log_p": made.log_p[0], **{key: value[0] for key, value in made.latents.items()}}


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def softmax(*values):
    p = np.exp(values)
    return p / p.sum()


def normal(x):
    return torch.special.ndtr(torch.tensor(x, dtype=torch.float64)).item()


def test_random():
    made = ran("random", {}, [0, 2, 1], [1, 0, 1], 3)
    near(made["policy"], np.full((3, 3), 1 / 3))
    made = ran("biased-random", {"bias_0": 1.0, "bias_1": -0.5}, [0, 2, 1], [1, 0, 1], 3)
    near(made["policy"], [softmax(1, -0.5, 0)] * 3)


def test_win_stay_lose_shift():
    made = ran("wsls", {"win_stay": 0.8, "lose_shift": 0.6}, [0, 0, 2, 1], [1, 0, 2, 1], 3)
    p = [[1 / 3] * 3, [0.8, 0.1, 0.1], [0.4, 0.3, 0.3], [0.1, 0.1, 0.8]]
    near(made["policy"], p)
    near(made["log_p"].exp(), [1 / 3, 0.8, 0.3, 0.1])
    made = ran(
        "wsls", {"win_stay": 1.0, "lose_shift": 1.0}, [0, 1], [2, 3], options={"threshold": 2.5}
    )
    near(made["policy"][1], [0, 1])


def test_win_stay_where_an_arm_is_not_there():
    available = np.array([[[True] * 3, [False, True, True], [True, False, True]]])
    theta = {"win_stay": 0.8, "lose_shift": 0.6}
    made = ran("wsls", theta, [0, 1, 0], [1, 1, 0], 3, available=available)
    near(made["policy"], [[1 / 3] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5]])


def test_rescorla_wagner_with_all_additions():
    theta = {
        "learning_rate_positive": 0.5,
        "learning_rate_negative": 0.2,
        "inverse_temperature": 2.0,
        "forgetting_rate": 0.1,
        "perseveration": 0.3,
        "lapse": 0.1,
        "bias": -0.4,
    }
    name = "rw+bias+lapse+persev+forget+dual"
    made = ran(name, theta, [0, 0, 1], [1, 0, 1], options={"start_value": 0.2})
    # 0.2 + 0.5 * 0.8; then 0.6 - 0.2 * 0.6; the other arm stays at its start.
    near(made["values"], [[0.2, 0.2], [0.6, 0.2], [0.48, 0.2]])
    near(made["rpe"], [0.8, -0.6, 0.8])
    rows = [(0.4 - 0.4, 0.4), (1.2 + 0.3 - 0.4, 0.4), (0.96 + 0.3 - 0.4, 0.4)]
    near(made["policy"], [0.9 * softmax(*row) + 0.05 for row in rows])


def test_forgetting_goes_back_to_the_start():
    theta = {"learning_rate": 0.5, "inverse_temperature": 2.0, "forgetting_rate": 0.25}
    made = ran("rw+forget", theta, [0, 1, 1], [1, 1, 1])
    near(made["values"], [[0, 0], [0.5, 0], [0.375, 0.5]])


def test_pearce_hall():
    theta = {"learning_rate": 0.5, "associability_rate": 0.4, "inverse_temperature": 3.0}
    made = ran("pearce-hall", theta, [0, 0, 1, 0], [0.5, 0.25, 1, 1])
    # delta .5: Q = .5 * 1 * .5 = .25, A = 1 + .4 (.5 - 1) = .8; delta 0: A = .8 - .4 * .8 = .48.
    near(made["values"], [[0, 0], [0.25, 0], [0.25, 0], [0.25, 0.5]])
    near(made["associability"], [[1, 1], [0.8, 1], [0.48, 1], [0.48, 1]])
    near(made["policy"][1], softmax(0.75, 0))
    near(made["rpe"], [0.5, 0, 1, 0.75])


def test_kalman():
    options = {"prior_variance": (10, 40), "noise_variance": 10.0}
    theta = {"value_weight": 0.3, "relative_uncertainty_weight": -0.2, "scaled_value_weight": 0.7}
    # Gains 10/20 and 40/50: means 4 and 8, variances 5 and 8.
    for name, x in {
        "kalman-value": 0.3 * (4 - 8),
        "kalman-ucb": 0.3 * (4 - 8) - 0.2 * (5**0.5 - 8**0.5),
        "kalman-thompson": 0.7 * (4 - 8) / 13**0.5,
        "kalman-hybrid": 0.7 * (4 - 8) / 13**0.5 - 0.2 * (5**0.5 - 8**0.5),
    }.items():
        made = ran(name, theta, [0, 1, 1], [8, 10, 0], options=options)
        near(made["values"], [[0, 0], [4, 0], [4, 8]])
        near(made["variances"], [[10, 40], [5, 40], [5, 8]])
        near(made["policy"][2], [normal(x), normal(-x)])
        near(made["rpe"], [8, 10, -8])


def test_kalman_of_an_arm_that_is_sure():
    theta = {"scaled_value_weight": 1.0}
    made = ran("kalman-thompson", theta, [1, 0], [5, 5], options={"prior_variance": (10, 0)})
    near(made["values"][1], [0, 0])
    near(made["variances"][1], [10, 0])


def test_hidden_state():
    theta = {"hazard": 0.1, "contrast": 0.6, "inverse_temperature": 2.0}
    made = ran("hidden-state", theta, [0, 0, 1], [1, 0, 1])
    # A win: .8 against .2; then .9 * .8 + .1 * .2 = .74. A loss: .74 * .2 : .26 * .8.
    posterior = 0.148 / (0.148 + 0.208)
    beliefs = [0.5, 0.74, 0.9 * posterior + 0.1 * (1 - posterior)]
    near(made["belief"][:, 0], beliefs)
    near(made["policy"][1], softmax(1.48, 0.52))
    near(made["rpe"][:2], [0.5, -(0.74 * 0.8 + 0.26 * 0.2)])
    three = ran("hidden-state", theta, [2, 0], [-1, 1], 3)
    weights = np.array([0.8, 0.8, 0.2]) / 1.8
    near(three["belief"][1], 0.9 * weights + 0.05 * (1 - weights))


def test_memory():
    theta = {
        "learning_rate": 0.2,
        "memory_decay": 0.25,
        "memory_weight": 0.9,
        "capacity": 2.0,
        "inverse_temperature": 4.0,
        "lapse": 0.1,
    }
    columns = {"stimulus": np.array([[0, 1, 0]]), "set_size": np.array([[3, 3, 3]])}
    made = ran("rlwm", theta, [0, 1, 0], [1, 0, 1], columns=columns)
    near(made["values"], [[[0.5, 0.5]] * 2, [[0.6, 0.5], [0.5, 0.5]], [[0.6, 0.5], [0.5, 0.4]]])
    near(made["memory"][2], [[0.875, 0.5], [0.5, 0]])
    slow, fast = softmax(2.4, 2.0), softmax(3.5, 2.0)
    weight = -0.9 * np.log(np.exp(-20) + np.exp(-20 * 2 / 3)) / 20
    assert weight == pytest.approx(0.9 * 2 / 3, abs=1e-4)
    mixed = (1 - weight) * slow + weight * fast
    near(made["policy"][2], 0.9 * mixed + 0.05)


def table(trials=12):
    rng = np.random.default_rng(3)
    shape = (2, trials)
    return behaviour(
        rng.integers(0, 2, shape),
        rng.integers(0, 2, shape).astype(float),
        state2=rng.integers(0, 2, shape),
        choice2=rng.integers(0, 2, shape),
        columns={"stimulus": rng.integers(0, 3, shape), "set_size": np.full(shape, 3)},
    )


ALL = [*names(), "rw+dual+forget+persev+lapse+bias"]


@pytest.mark.parametrize("name", ALL)
def test_missed_trials_change_nothing(name):
    model, data = find(name), table()
    theta = model.theta(torch.randn(2, len(model.parameters), dtype=torch.float64))
    whole = run(model, theta, data, latents=True)
    gap = 5  # a missed trial before it
    more = {
        key: np.insert(getattr(data, key), gap, fill, axis=1)
        for key, fill in {
            "choice": -1,
            "reward": np.nan,
            "scored": False,
            "learned": False,
            "starts": False,
            "row": 99,
            "session": 0,
            "block": 0,
            "state2": -1,
            "choice2": -1,
            "scored2": False,
        }.items()
    }
    columns = {key: np.insert(value, gap, 0, axis=1) for key, value in data.columns.items()}
    missed = run(model, theta, replace(data, **more, columns=columns), latents=True)
    kept = [t for t in range(13) if t != gap]
    assert torch.equal(missed.log_p[..., kept], whole.log_p)
    assert not missed.log_p[..., gap].any()
    for key, value in whole.latents.items():
        assert torch.equal(missed.latents[key][:, kept], value), key


@pytest.mark.parametrize("name", ALL)
def test_a_forced_choice_is_learned_from_and_a_new_block_is_a_new_start(name):
    model, data = find(name), table()
    theta = model.theta(torch.randn(2, len(model.parameters), dtype=torch.float64))
    whole = run(model, theta, data)
    scored = np.ones((2, 12), bool)
    scored[:, 4] = False
    forced = run(model, theta, data.masked(scored))
    assert torch.equal(forced.log_p[..., 5:], whole.log_p[..., 5:])
    assert not forced.log_p[..., 4].any()
    starts = data.starts.copy()
    starts[:, 6] = True
    anew = run(model, theta, replace(data, starts=starts))
    assert torch.equal(anew.log_p[..., :6], whole.log_p[..., :6])
    start = run(model, theta, data, latents=True).latents["policy"][:, 0]
    again = run(model, theta, replace(data, starts=starts), latents=True).latents["policy"][:, 6]
    torch.testing.assert_close(again, start, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_gradients_and_many_vectors_at_once(name):
    model, data = find(name), table(6)
    size = len(model.parameters)
    if not size:
        return
    raw = torch.randn(3, 2, size, dtype=torch.float64, requires_grad=True)
    total = run(model, model.theta(raw), data).total
    assert total.shape == (3, 2)
    one = run(model, model.theta(raw[1]), data).total
    torch.testing.assert_close(total[1], one, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: run(model, model.theta(x), data).total, raw[0])


@pytest.mark.parametrize("name", ALL)
def test_gradients_where_an_arm_is_not_there(name):
    model, data = find(name), table(8)
    available = (data.choice[..., None] == np.arange(2)) | (np.arange(8) % 3 > 0)[:, None]
    data = replace(data, available=available)
    raw = torch.randn(2, len(model.parameters), dtype=torch.float64, requires_grad=True)
    ran = run(model, model.theta(raw), data, latents=True)
    assert not ran.latents["policy"].detach().numpy()[~available].any()
    torch.testing.assert_close(ran.latents["policy"].sum(-1), torch.ones(2, 8).double())
    if len(model.parameters):
        (gradient,) = torch.autograd.grad(ran.total.sum(), raw)
        assert bool(gradient.isfinite().all())


@pytest.mark.parametrize(
    ("stimulus", "said"),
    [
        (np.array([[0.0, -1.0]]), "stimuli that are numbered from 0"),
        (np.array([[0.0, 0.5]]), "stimuli that are numbered from 0"),
        (np.array([["a", "b"]]), "rlwm needs stimulus as numbers: give its texts codes"),
    ],
)
def test_stimuli_that_are_no_numbers(stimulus, said):
    theta = values_of(find("rlwm"), {one.name: 0.5 for one in find("rlwm").parameters}, 1)
    columns = {"stimulus": stimulus, "set_size": np.full((1, 2), 2)}
    data = behaviour([[0, 1]], [[1, 1]], columns=columns)
    with pytest.raises(ValueError, match=said):
        run(find("rlwm"), theta, data)


@pytest.mark.parametrize("name", ALL)
def test_rewards_in_another_unit(name):
    """Ten times the rewards, and parameters in that unit, are the same likelihood."""
    model, data = find(name), table()
    raw = torch.randn(2, len(model.parameters), dtype=torch.float64)
    theta = model.theta(raw)
    expected = run(model, theta, data).total
    scaled = replace(data, reward=10 * data.reward)
    units = {one.name: one.unit for one in model.parameters}
    changed = {key: value * 10 ** units[key] for key, value in theta.items()}
    found = run(model.in_unit(10.0), changed, scaled).total
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("wslt", {}, "there is no model 'wslt'; did you mean 'wsls'?"),
        ("hybrd", {}, "did you mean 'hybrid'"),
        ("rw+dul", {}, "rw has no addition 'dul'; did you mean 'dual'"),
        ("hybrid+dual", {}, "only rw takes additions, not hybrid"),
        ("kalman-ucb", {"prior_varianse": 1}, "no option 'prior_varianse'; did you mean 'prior_v"),
        ("kalman-ucb", {"prior_variance": (1, 2, 3)}, "kalman-ucb: prior_variance must be one"),
        ("kalman-ucb", {"noise_variance": 0}, "noise_variance must be above 0"),
        ("rlwm", {"arms": 2, "beta": 1}, "rlwm has no option"),
    ],
)
def test_names_and_options_that_are_wrong(name, options, text):
    with pytest.raises(ValueError, match=text.replace("?", r"\?").replace("+", r"\+")):
        find(name, **options)


def test_names():
    assert find("rw+persev+dual").name == "rw+dual+persev"
    assert [find(name).name for name in names()] == list(names())
    assert find("kalman-ucb", prior_variance=5) == Kalman("ucb", (5.0,))
    assert len({one.name for one in find("hybrid").parameters}) == 7


def test_the_wrong_number_of_arms():
    with pytest.raises(ValueError, match="kalman-value chooses between 2 arms"):
        ran("kalman-value", {"value_weight": 1.0}, [0, 2], [1, 1], 3)
    model, data = find("rw+bias"), behaviour([[0, 2]], [[1, 1]], 3)
    theta = model.theta(torch.zeros(1, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="the data have 3 arms"):
        run(model, theta, data)
