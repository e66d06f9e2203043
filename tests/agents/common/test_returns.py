"""Returns against hand-computed values, direct sums and each other."""

import pytest
import torch
from torch import Tensor

from prefrontal.agents.common.returns import gae, monte_carlo, n_step, next_values, rpe, vtrace


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)  # [T, 1]


@pytest.fixture
def trajectory() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)
    shape = (12, 3, 4)  # [T, P, B]

    def draw() -> Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64)

    return {
        "r_t": draw(),
        "v_tm1": draw(),
        "discount_t": torch.tensor([0.5, 0.9, 1.0], dtype=torch.float64).reshape(1, 3, 1),
    }


def test_monte_carlo_by_hand() -> None:
    # G_2 = 4, G_1 = 2 + 0.5 * 4 = 4, G_0 = 1 + 0.5 * 4 = 3
    torch.testing.assert_close(monte_carlo(column(1, 2, 4), 0.5), column(3, 4, 4))


def test_rpe_by_hand() -> None:
    # 1 + 0.5 * 2 - 1, 0 + 0.5 * 4 - 2, 3 + 0 - 4
    v_tm1 = column(1, 2, 4)
    delta = rpe(column(1, 0, 3), 0.5, v_tm1, next_values(v_tm1))
    torch.testing.assert_close(delta, column(1, 0, -1))


def test_n_step_by_hand() -> None:
    r_t, v_t = column(1, 2, 4, 8), column(10, 20, 30, 40)
    torch.testing.assert_close(n_step(r_t, 0.5, v_t, 1), column(6, 12, 19, 28))
    # 1 + 0.5 (2 + 0.5 * 20), 2 + 0.5 (4 + 0.5 * 30), 4 + 0.5 (8 + 0.5 * 40), 8 + 0.5 * 40
    torch.testing.assert_close(n_step(r_t, 0.5, v_t, 2), column(7, 11.5, 18, 28))


def test_gae_by_hand() -> None:
    # delta = (1, 0, -1) as above; A_2 = -1, A_1 = 0 + 0.25 * -1, A_0 = 1 + 0.25 * -0.25
    advantages, targets = gae(column(1, 0, 3), 0.5, column(1, 2, 4), lambda_=0.5)
    torch.testing.assert_close(advantages, column(0.9375, -0.25, -1))
    torch.testing.assert_close(targets, column(1.9375, 1.75, 3))


def test_vtrace_by_hand() -> None:
    # rho = (0.5, 2, 1), rho_bar = 1.5, c_bar = 1; td errors (1, 0, -1) as above.
    # delta = (0.5, 0, -1); trace = 0.5 * (0.5, 1, 1)
    # corrections: -1; 0 + 0.5 * -1 = -0.5; 0.5 + 0.25 * -0.5 = 0.375
    advantages, targets = vtrace(
        column(1, 0, 3), 0.5, column(1, 2, 4), column(0.5, 2, 1), rho_bar=1.5, c_bar=1.0
    )
    torch.testing.assert_close(targets, column(1.375, 1.5, 3))
    # 0.5 (1 + 0.5 * 1.5 - 1), 1.5 (0 + 0.5 * 3 - 2), 1 (3 + 0 - 4)
    torch.testing.assert_close(advantages, column(0.375, -0.75, -1))


def test_monte_carlo_is_the_direct_sum(trajectory: dict[str, Tensor]) -> None:
    r_t, discount = trajectory["r_t"], trajectory["discount_t"]
    returns = monte_carlo(r_t, discount)
    for t in range(12):
        weights = discount.expand_as(r_t)[0] ** torch.arange(12 - t).reshape(-1, 1, 1)
        torch.testing.assert_close(returns[t], (weights * r_t[t:]).sum(0))


@pytest.mark.parametrize("n", [1, 2, 5, 11, 12, 40])
def test_n_step_is_the_direct_sum(trajectory: dict[str, Tensor], n: int) -> None:
    r_t, discount, v_t = trajectory["r_t"], trajectory["discount_t"], trajectory["v_tm1"]
    returns = n_step(r_t, discount, v_t, n)
    for t in range(12):
        end = min(t + n, 12)
        direct = v_t[end - 1]
        for k in reversed(range(t, end)):
            direct = r_t[k] + discount[0] * direct
        torch.testing.assert_close(returns[t], direct)


def test_gae_limits(trajectory: dict[str, Tensor]) -> None:
    r_t, discount, v_tm1 = trajectory["r_t"], trajectory["discount_t"], trajectory["v_tm1"]
    full = gae(r_t, discount, v_tm1, 1.0)
    torch.testing.assert_close(full.targets, monte_carlo(r_t, discount))
    torch.testing.assert_close(full.advantages, monte_carlo(r_t, discount) - v_tm1)
    short = gae(r_t, discount, v_tm1, 0.0)
    torch.testing.assert_close(short.advantages, rpe(r_t, discount, v_tm1, next_values(v_tm1)))


def test_gae_is_the_mixture_of_n_step_returns(trajectory: dict[str, Tensor]) -> None:
    r_t, discount, v_tm1 = trajectory["r_t"], trajectory["discount_t"], trajectory["v_tm1"]
    v_t = next_values(v_tm1)
    mixture = torch.zeros_like(r_t)
    for n in range(1, 13):
        mixture += 0.2 * 0.8 ** (n - 1) * n_step(r_t, discount, v_t, n)
    mixture += 0.8**12 * n_step(r_t, discount, v_t, 12)  # all longer returns end at T
    torch.testing.assert_close(gae(r_t, discount, v_tm1, 0.8).targets, mixture)


def test_vtrace_on_policy_is_the_n_step_return(trajectory: dict[str, Tensor]) -> None:
    r_t, discount, v_tm1 = trajectory["r_t"], trajectory["discount_t"], trajectory["v_tm1"]
    estimate = vtrace(r_t, discount, v_tm1, torch.ones_like(r_t))
    expected = n_step(r_t, discount, next_values(v_tm1), 12)
    torch.testing.assert_close(estimate.targets, expected)
    torch.testing.assert_close(estimate.advantages, expected - v_tm1)


def test_vtrace_with_a_trace_and_with_n_steps_by_hand() -> None:
    # as above: rho = (0.5, 2, 1), delta = (0.5, 0, -1), v = (1, 2, 4)
    given = (column(1, 0, 3), 0.5, column(1, 2, 4), column(0.5, 2, 1))
    advantages, targets = vtrace(*given, rho_bar=1.5, c_bar=1.0, lambda_=0.5)
    # x_2 = -1; x_1 = 0 + 0.5 * 0.5 * -1; x_0 = 0.5 + 0.5 * 0.5 * 0.5 * -0.25
    torch.testing.assert_close(targets, column(1 + 0.46875, 2 - 0.25, 3))
    # 0.5 (1 + 0.5 (2 + 0.5 * -0.25) - 1), 1.5 (0.5 (4 + 0.5 * -1) - 2), 1 (3 - 4)
    torch.testing.assert_close(advantages, column(0.46875, -0.375, -1))
    advantages, targets = vtrace(*given, rho_bar=1.5, c_bar=1.0, n=2)
    # two differences at most: 0.5 + 0.25 * 0, 0 + 0.5 * -1, -1
    torch.testing.assert_close(targets, column(1.5, 1.5, 3))
    # one of them after the next state: 0.5 (1 + 0.5 (2 + 0) - 1), 1.5 (0.5 (4 - 1) - 2), 1 (3 - 4)
    torch.testing.assert_close(advantages, column(0.5, -0.75, -1))


@pytest.mark.parametrize(
    "case", [{"lambda_": 0.7}, {"lambda_": 0.0}, {"n": 1}, {"n": 3}, {"n": 40}]
)
def test_vtrace_on_policy_is_gae_and_the_n_step_return(
    trajectory: dict[str, Tensor], case: dict[str, float]
) -> None:
    r_t, discount, v_tm1 = trajectory["r_t"], trajectory["discount_t"], trajectory["v_tm1"]
    found = vtrace(r_t, discount, v_tm1, torch.ones_like(r_t), **case)
    if "n" in case:
        wanted = n_step(r_t, discount, next_values(v_tm1), case["n"])
        torch.testing.assert_close(found.targets, wanted)
        torch.testing.assert_close(found.advantages, wanted - v_tm1)
    else:
        same = gae(r_t, discount, v_tm1, case["lambda_"])
        torch.testing.assert_close(found.targets, same.targets)
        torch.testing.assert_close(found.advantages, same.advantages)


def test_vtrace_is_the_published_sum(trajectory: dict[str, Tensor]) -> None:
    r_t, v_tm1 = trajectory["r_t"], trajectory["v_tm1"]
    ratios = torch.rand(r_t.shape, generator=torch.Generator().manual_seed(1)).double() * 3
    rho, c = ratios.clamp(max=1.5), ratios.clamp(max=0.8)
    v_t = next_values(v_tm1)
    discount = trajectory["discount_t"][0]
    targets = vtrace(r_t, discount[None], v_tm1, ratios, rho_bar=1.5, c_bar=0.8).targets
    for s in range(12):  # Espeholt et al. (2018), equation 1
        total = v_tm1[s].clone()
        for t in range(s, 12):
            delta = rho[t] * (r_t[t] + discount * v_t[t] - v_tm1[t])
            total += discount ** (t - s) * c[s:t].prod(0) * delta
        torch.testing.assert_close(targets[s], total)


def test_members_have_their_own_discount(trajectory: dict[str, Tensor]) -> None:
    r_t, discount, v_tm1 = trajectory["r_t"], trajectory["discount_t"], trajectory["v_tm1"]
    together = gae(r_t, discount, v_tm1, 0.8).advantages
    for p in range(3):
        alone = gae(r_t[:, p], float(discount[0, p, 0]), v_tm1[:, p], 0.8).advantages
        torch.testing.assert_close(together[:, p], alone, rtol=0, atol=0)


def test_nothing_crosses_the_end_of_an_episode(trajectory: dict[str, Tensor]) -> None:
    r_t, v_tm1 = trajectory["r_t"].clone(), trajectory["v_tm1"]
    discount = torch.full_like(r_t, 0.9)
    r_t[5:] = 0.0  # the episode ended with step 5 ...
    discount[4:] = 0.0
    v_t, ratios = next_values(v_tm1), torch.full_like(r_t, 0.7)
    long = (
        monte_carlo(r_t, discount),
        n_step(r_t, discount, v_t, 3),
        gae(r_t, discount, v_tm1, 0.8).advantages,
        vtrace(r_t, discount, v_tm1, ratios).targets,
        vtrace(r_t, discount, v_tm1, ratios).advantages,
    )
    r_5, v_5 = r_t[:5], v_tm1[:5]
    short = (  # ... so it must look like one of five steps that ends in value 0
        monte_carlo(r_5, 0.9),
        n_step(r_5, 0.9, next_values(v_5), 3),
        gae(r_5, 0.9, v_5, 0.8).advantages,
        vtrace(r_5, 0.9, v_5, ratios[:5]).targets,
        vtrace(r_5, 0.9, v_5, ratios[:5]).advantages,
    )
    for padded, expected in zip(long, short, strict=True):
        torch.testing.assert_close(padded[:5], expected)
    assert (long[0][5:] == 0).all()


@pytest.mark.parametrize("steps", [1, 2, 39, 40, 41, 48, 49, 50, 101])
def test_long_episodes_are_accumulated_as_short_ones(steps: int) -> None:
    """In blocks or step by step: the recursion itself, and its gradient."""
    g = torch.Generator().manual_seed(steps)
    shape = (steps, 2, 3)
    r_t, discount_t = (torch.rand(shape, generator=g, dtype=torch.float64) for _ in range(2))
    r_t.requires_grad_()
    for discounts in (discount_t, discount_t[:1, :, :1], torch.tensor(0.9, dtype=torch.float64)):
        wanted, y = [], torch.zeros(2, 3, dtype=torch.float64)
        each = discounts.expand(shape)
        for t in reversed(range(steps)):
            y = r_t[t] + each[t] * y
            wanted.insert(0, y)
        found = monte_carlo(r_t, discounts)
        torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-13, atol=1e-13)
        gradients = [torch.autograd.grad(x[0].sum(), r_t)[0] for x in (found, torch.stack(wanted))]
        torch.testing.assert_close(*gradients, rtol=1e-13, atol=1e-13)


def test_gradients_flow_only_through_what_is_given(trajectory: dict[str, Tensor]) -> None:
    r_t, discount, values = trajectory["r_t"], trajectory["discount_t"], trajectory["v_tm1"]
    v_tm1 = values.clone().requires_grad_()
    ratios = torch.ones_like(r_t)
    for estimate in (
        gae(r_t, discount, v_tm1.detach(), 0.9),
        vtrace(r_t, discount, v_tm1.detach(), ratios),
    ):
        assert not estimate.advantages.requires_grad
        assert not estimate.targets.requires_grad
    # The value loss against detached targets touches each value once: d/dv 0.5 (target - v)^2.
    targets = gae(r_t, discount, v_tm1.detach(), 0.9).targets
    (gradient,) = torch.autograd.grad(0.5 * ((targets - v_tm1) ** 2).sum(), v_tm1)
    torch.testing.assert_close(gradient, values - targets)


def test_functions_are_differentiable() -> None:
    g = torch.Generator().manual_seed(2)
    r, v, rho = (
        torch.rand(5, 2, 2, generator=g, dtype=torch.float64).requires_grad_() for _ in range(3)
    )
    discount = torch.full((1, 2, 1), 0.9, dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(lambda r, d: monte_carlo(r, d), (r, discount))
    assert check(lambda r, d, v: n_step(r, d, v, 3), (r, discount, v))
    assert check(lambda r, d, v: tuple(gae(r, d, v, 0.8)), (r, discount, v))
    assert check(
        lambda r, d, v, rho: tuple(vtrace(r, d, v, rho, rho_bar=0.5, c_bar=0.25)),
        (r, discount, v, rho),
    )


def test_inputs_are_left_alone_and_float32_stays(trajectory: dict[str, Tensor]) -> None:
    r_t, v_tm1 = trajectory["r_t"].float(), trajectory["v_tm1"].float()
    before = r_t.clone(), v_tm1.clone()
    # A float64 discount must not promote the result.
    estimate = gae(r_t, trajectory["discount_t"], v_tm1, 0.9)
    assert estimate.targets.dtype == torch.float32
    assert torch.equal(r_t, before[0])
    assert torch.equal(v_tm1, before[1])


def test_bad_arguments_say_what_would_be_right() -> None:
    r_t, v = torch.zeros(5, 2, 3), torch.zeros(5, 2, 3)
    with pytest.raises(ValueError, match=r"v_tm1 must have the shape of r_t, \[5, 2, 3\]"):
        gae(r_t, 0.9, torch.zeros(5, 3))
    with pytest.raises(TypeError, match="v_tm1 must have the dtype of r_t"):
        gae(r_t, 0.9, v.double())
    with pytest.raises(ValueError, match=r"discount_t must be a number or broadcast .* got \[2\]"):
        monte_carlo(r_t, torch.ones(2))
    with pytest.raises(ValueError, match=r"discount_t .* got \[4, 1, 1\]"):
        monte_carlo(r_t, torch.ones(4, 1, 1))
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        n_step(r_t, 0.9, v, 0)
    with pytest.raises(ValueError, match="c_bar must not exceed rho_bar"):
        vtrace(r_t, 0.9, v, torch.ones(5, 2, 3), rho_bar=0.5)
    with pytest.raises(ValueError, match="T at least 1"):
        monte_carlo(torch.zeros(0, 2), 0.9)
    with pytest.raises(TypeError, match="floating-point"):
        monte_carlo(torch.zeros(5, dtype=torch.int64), 0.9)
