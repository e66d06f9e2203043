"""Images become codes, and numbers get a common scale, before the core."""

import math

import numpy as np
import pytest
import torch

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.kernels.build import available
from prefrontal.agents.networks.actor_critic import ActorCritic
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.agents.networks.encoder import Encoder, Seen
from prefrontal.agents.networks.parts import Division, Part, convolutions, require_flat
from prefrontal.agents.networks.sizes import parameter_counts

IMAGE = Part("image", (5, 4, 2), 255.0, True)
NUMBERS = Part("numbers", (3,))
PARTS = (NUMBERS, IMAGE, Part("symbols", (2,)))
INPUTS = 3 + 40 + 2 + 1  # and a reward


@pytest.mark.parametrize(
    ("shape", "image", "last", "strides"),
    [
        ((1, 1, 3), (3, 1, 1), (1, 1), [1, 1]),
        ((1, 5), (1, 1, 5), (1, 1), [1, 1]),
        ((7, 7, 3), (3, 7, 7), (3, 3), [1, 1]),
        ((10, 10, 4), (4, 10, 10), (6, 6), [1, 1]),
        ((12, 12), (1, 12, 12), (8, 8), [1, 1]),
        ((5, 100), (1, 5, 100), (1, 10), [2, 2, 2]),
        ((28, 28), (1, 28, 28), (5, 5), [2, 2]),
        ((64, 64, 3), (3, 64, 64), (6, 6), [4, 2]),
        ((3, 64, 64), (3, 64, 64), (6, 6), [4, 2]),
        ((84, 84), (1, 84, 84), (9, 9), [4, 2]),
        ((96, 96, 3), (3, 96, 96), (10, 10), [4, 2]),
        ((210, 160, 3), (3, 210, 160), (11, 8), [4, 2, 2]),
        ((3, 210, 160), (3, 210, 160), (11, 8), [4, 2, 2]),
        ((7, 7, 20), (20, 7, 7), (3, 3), [1, 1]),
    ],
)
def test_layers_fit_the_size_of_an_image(shape, image, last, strides):
    part = Part("image", shape)
    assert part.image == image
    layers = convolutions(image)
    assert layers[-1].size == last
    assert [layer.stride for layer in layers] == strides
    assert [layer.outputs for layer in layers] == [16, 32, 32][: len(layers)]


def encoder(parts=PARTS, members=1, inputs=INPUTS, dtype=torch.float64, **config):
    division = Division(inputs, tuple(parts), NetworkConfig(image_units=6, **config))
    made = Encoder(division, members, dtype, "cpu")
    rows = [made.initial(torch.Generator().manual_seed(m)) for m in range(members)]
    made.parameters.copy_(torch.stack(rows))
    return made


def test_a_code_is_that_of_the_equations():
    """Convolution by convolution, in loops: a 4 x 4 image, where the second layer sees it whole."""
    made = encoder([Part("image", (4, 4), 255.0, True)], inputs=16)
    made.parameters += 0.01  # biases that are not zero
    shapes = made.division.shapes(made.division.images[0][1])
    assert shapes == [(16, 1, 3, 3), (16,), (32, 16, 2, 2), (32,), (6, 32), (6,)]
    sizes = [math.prod(shape) for shape in shapes]
    parts = made.parameters[0].split(sizes)
    w1, b1, w2, b2, w3, b3 = (
        part.numpy().reshape(shape) for part, shape in zip(parts, shapes, strict=True)
    )
    w1, b1 = w1 * np.sqrt(6 / 9), b1 * np.sqrt(6 / 9)  # equalised step sizes
    w2, b2 = w2 * np.sqrt(6 / 64), b2 * np.sqrt(6 / 64)
    w3, b3 = w3 * np.sqrt(6 / 32), b3 * np.sqrt(6 / 32)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4))
    first = np.zeros((16, 2, 2))
    for o in range(16):
        for i in range(2):
            for j in range(2):
                first[o, i, j] = b1[o] + (w1[o, 0] * pixels[i : i + 3, j : j + 3]).sum() / 255
    second = b2 + (w2 * first.clip(0)).sum((1, 2, 3))
    code = (b3 + w3 @ second.clip(0)).clip(0)
    given = torch.from_numpy(pixels.reshape(1, 16).astype(np.uint8))
    found = made.encode(0, made.weights(made.parameters, 0)[0], given)
    assert (code > 0).any()
    np.testing.assert_allclose(found[0], code, rtol=1e-12)


@pytest.mark.parametrize("first", [False, True])
def test_every_symbol_has_weights_in_every_place_and_for_being_there(first):
    """Row by row: the sum of the weights of what is in each place, and anywhere in each channel."""
    shape = (2, 3, 3) if first else (3, 3, 2)
    made = encoder([Part("image", shape, 255.0, True)], inputs=18, image_symbols=4)
    made.parameters += 0.01
    assert made.division.shapes(made.division.images[0][1]) == [(72, 6), (8, 6), (6,)]
    placed, anywhere, bias = made.parameters[0].split([432, 48, 6])
    placed, anywhere = placed.view(18, 4, 6), anywhere.view(2, 4, 6)
    image = [3, 0, 1, 0, 2, 2, 0, 2, 3, 1, 0, 0, 2, 2, 0, 0, 1, 2]
    code = bias + sum(placed[place, symbol] for place, symbol in enumerate(image))
    for channel in range(2):
        there = set(image[9 * channel :][:9] if first else image[channel::2])
        code = code + sum(anywhere[channel, symbol] for symbol in there)
    found = made.encode(0, made.weights(made.parameters, 0)[0], torch.tensor([image]).byte())
    torch.testing.assert_close(found[0], code.clamp(min=0) * math.sqrt(6 / 18))
    assert (found > 0).any()
    weights = made.weights(made.parameters, 0)[0].clone().requires_grad_()
    images = torch.randint(4, (3, 18), dtype=torch.uint8)
    assert torch.autograd.gradcheck(lambda w: made.encode(0, w, images), weights, fast_mode=True)


def test_symbols_that_cannot_be():
    division = [Part("image", (2, 3), 255.0, True)]
    made = encoder(division, inputs=6, image_symbols=4)
    shown = torch.tensor([[0.0], [1], [2], [3], [4], [0]], dtype=torch.float64)[None] / 255
    with pytest.raises(ConfigError, match="symbol 4 in an image: --image-symbols must be at leas"):
        made(shown, Seen(made, 1, 1), 0)
    with pytest.raises(ConfigError, match="no image of bytes"):
        encoder([Part("numbers", (6,))], inputs=6, image_symbols=4)


def test_channels_may_stand_first_or_last():
    pixels = torch.randint(256, (7, 5, 4, 3), dtype=torch.uint8)
    codes = []
    for shape, given in (((5, 4, 3), pixels), ((3, 5, 4), pixels.permute(0, 3, 1, 2))):
        made = encoder([Part("image", shape, 255.0, True)], inputs=60)
        weights = made.weights(made.parameters, 0)[0]
        codes.append(made.encode(0, weights, given.flatten(1)))
    torch.testing.assert_close(codes[0], codes[1])


def test_gradients_of_codes():
    made = encoder([IMAGE], inputs=40)
    pixels = torch.randint(256, (3, 40), dtype=torch.uint8)
    made.parameters.add_(0.02)
    weights = made.weights(made.parameters, 0)[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: made.encode(0, w, pixels), weights, fast_mode=True)


def model(core="gru", members=2, parts=PARTS, dtype=torch.float64, **config):
    network = NetworkConfig(core=core, hidden_size=4, image_units=6, **config)
    made = ActorCritic(INPUTS, 2, network, members, dtype, parts=parts)
    made.initialise([torch.Generator().manual_seed(m) for m in range(members)])
    return made


def shown(members=2, batch=3, steps=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(steps, members, INPUTS, batch, generator=g, dtype=torch.float64)
    x[:, :, 3:43] = (x[:, :, 3:43] * 255).round() / 255
    return x


def play(made, x):
    tapes = made.tapes(len(x), x.shape[3])
    made.begin(tapes)
    for t, source in enumerate(x):
        made.show(tapes, t, source.to(made.dtype))
        made.step(tapes, t)
    return tapes


def loss_of(made, tapes, parameters):
    logits, values = made.heads(tapes, parameters)
    return (logits.square().sum((0, 2, 3)) + values.sum((0, 2))).sum()


@pytest.mark.parametrize("core", ["gru", "none", "attention"])
@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_the_gradient_reaches_the_encoder_through_time(core, layout):
    """That of the recording equals that of finite differences of a new recording."""
    made, x = model(core, layout=layout), shown()
    tapes = play(made, x)
    assert tapes[0].seen.images[0].dtype == torch.uint8
    parameters = made.parameters.requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(made, tapes, parameters), parameters)
    flat, step = parameters.detach(), 1e-6
    size = made.encoder.parameters.shape[1]
    for index in torch.randint(size, (6,)).tolist():
        losses = []
        for sign in (1, -1):
            moved = flat.clone()
            moved[:, -size + index] += sign * step
            made.set_parameters(moved)
            losses.append(loss_of(made, play(made, x), moved).item())
        slope = (losses[0] - losses[1]) / (2 * step)
        assert slope == pytest.approx(gradient[:, -size + index].sum().item(), abs=1e-6)
    assert (gradient[:, -size:] != 0).any(1).all()


def test_members_are_encoded_as_each_alone():
    made, x = model(members=3), shown(3)
    together = loss_and_gradient(made, x)
    for member in range(3):
        alone = made.like(1)
        alone.set_parameters(made.parameters[member : member + 1])
        outputs, gradient = loss_and_gradient(alone, x[:, member : member + 1])
        torch.testing.assert_close(outputs[:, 0], together[0][:, member])
        torch.testing.assert_close(gradient[0], together[1][member])


def loss_and_gradient(made, x):
    tapes = play(made, x)
    parameters = made.parameters.requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(made, tapes, parameters), parameters)
    return tapes[0].heads.clone(), gradient


@pytest.mark.skipif(not available(), reason="there is no C++ compiler here")
@pytest.mark.parametrize("batch", [1, 16, 37])
@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_the_compiled_lstm_sends_its_gradient_to_the_encoder(batch, layout):
    x = shown(2, batch, 9)
    fast = model("lstm", dtype=torch.float32, layout=layout)
    exact = model("lstm", layout=layout)
    exact.set_parameters(fast.parameters.double())
    assert type(fast.nets[0]) is not type(exact.nets[0])
    for mine, theirs in zip(loss_and_gradient(fast, x), loss_and_gradient(exact, x), strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-4, atol=1e-5)


def test_repeating_a_recording_encodes_it_anew():
    made, x = model(normalise_observations=True), shown()
    tapes = play(made, x)
    made.set_parameters(made.parameters * 1.1)
    made.unroll(tapes)
    again = [tape.x.clone() for tape in tapes]
    for mine, theirs in zip(again, play(made, x), strict=True):
        torch.testing.assert_close(mine, theirs.x)


@pytest.mark.parametrize("core", ["lstm", "gru"])
def test_what_is_kept_of_a_recording_is_what_was_shown(core):
    made, x = model(core, dtype=torch.float32, normalise_observations=True), shown()
    tapes = play(made, x)
    made.encoder.follow(tapes, None, len(x))
    tapes = play(made, x)
    kept = made.kept(tapes, 3)
    assert {name: value.shape for name, value in kept.items()} == {
        "observation": (2, 3, 3, 6),
        "image0": (2, 3, 3, 40),
    }
    others = [*range(3), 43, 44, 45]
    torch.testing.assert_close(kept["observation"].double(), x[:3, :, others].permute(1, 3, 0, 2))
    new = made.tapes(3, 3)
    made.recall(new, kept)
    made.unroll(new)
    torch.testing.assert_close(new[0].heads, tapes[0].heads[:3])


def test_numbers_get_mean_0_and_deviation_1():
    made = encoder(members=2, normalise_observations=True, dtype=torch.float32)
    assert made.rows.tolist() == [0, 1, 2]
    g = np.random.default_rng(0)
    seen, everything = Seen(made, 5, 4), [[], []]
    for _ in range(3):
        x = (
            g.normal(3, [[[[1]], [[50]]]], (5, 2, INPUTS, 4))
            * np.array([1, 100, 1e-3] + [1] * 43)[None, None, :, None]
        )
        mask = np.ones((5, 2, 4))
        mask[3:, 0, :2] = 0
        for t in range(5):
            made(torch.tensor(x[t], dtype=torch.float32), seen, t)
        tape = type("Tape", (), {"seen": seen})()
        made.follow([tape], torch.tensor(mask), 5)
        for p in range(2):
            everything[p].append(x[:, p, :3].swapaxes(1, 2)[mask[:, p] > 0])
    mean, deviation, count = made._statistics()
    for p in range(2):
        every = np.concatenate(everything[p])
        assert count[p].item() == len(every) == (48 if p == 0 else 60)
        np.testing.assert_allclose(mean[p], every.mean(0), rtol=1e-4)
        np.testing.assert_allclose(deviation[p], np.sqrt(every.var(0) + 1e-8), rtol=1e-3)
    given = torch.tensor(x[0], dtype=torch.float32)
    given[0, 0, 0], given[0, 43, 0] = 1e9, 1e9
    out = made(given, seen, 0)
    wanted = (given[:, :3] - mean.unsqueeze(2)) / deviation.unsqueeze(2)
    torch.testing.assert_close(out[:, 6:9], wanted.clamp(-10, 10))
    assert out[0, 6, 0] == 10
    torch.testing.assert_close(out[:, 9:], given[:, 43:])  # symbols and inputs stay


def test_statistics_have_no_gradient():
    made, x = model(normalise_observations=True), shown()
    _, gradient = loss_and_gradient(made, x)
    assert (gradient[:, -7:] == 0).all()
    assert (gradient[:, -8] != 0).any()


def test_without_images_and_numbers_nothing_is_encoded():
    plain, flat = model(parts=()), model(encoder="flat")
    assert plain.encoder is None
    assert flat.encoder is None
    assert plain.parameters.shape == flat.parameters.shape
    torch.testing.assert_close(play(plain, shown())[0].heads, play(flat, shown())[0].heads)


def test_numbers_of_three_dimensions_are_an_image_where_asked():
    parts = (Part("grid", (5, 4, 2)),)
    assert not Division(40, parts, NetworkConfig()).images
    assert len(Division(40, parts, NetworkConfig(encoder="cnn")).images) == 1
    scaled = NetworkConfig(normalise_observations=True)
    assert Division(40, parts, scaled).numbers == 40


def test_sizes_are_known_without_making_them():
    config = NetworkConfig(hidden_size=4, image_units=6, normalise_observations=True)
    made = ActorCritic(INPUTS, 2, config, 1, parts=PARTS)
    counts = parameter_counts(INPUTS, 2, config, PARTS)
    assert counts == [net.parameters.shape[1] for net in (*made.nets, made.encoder)]


def test_parts_must_be_in_the_observation():
    with pytest.raises(ConfigError, match="parts of 40 numbers are not in 9 inputs"):
        Division(9, (IMAGE,), NetworkConfig())
    with pytest.raises(ValueError, match="2 or 3 dimensions"):
        Part("image", (4, 4, 4, 4))


def test_learners_without_encoder_say_so():
    with pytest.raises(ConfigError, match="evolution has no encoder of images: take --algo"):
        require_flat("evolution", PARTS)
    require_flat("evolution", PARTS, NetworkConfig(encoder="flat"))
    with pytest.raises(ConfigError, match="does not normalise observations"):
        require_flat("evolution", (NUMBERS,), NetworkConfig(normalise_observations=True))
