"""What becomes of observations before the core: images to codes, numbers to a common scale.

Every member has a small convolutional network of its own for each image. While an agent acts,
images are encoded step by step and kept as they were shown (bytes stay bytes). For the gradient
the recorded codes are a function of the parameters: its backward pass encodes all recorded images
once more, a few hundred at a time, so that no activations have to be kept.

Members are a loop: on CPUs that is two to four times faster with images of 64 x 64 than one grouped
convolution (which `torch.func.vmap` makes too), and as fast with those of 7 x 7.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.cores import uniform
from prefrontal.agents.networks.parts import Division, Part, convolutions
from prefrontal.agents.networks.vectorised import Tape

CLIP = 10.0  # deviations at which normalised numbers are cut
EPSILON = 1e-8  # added to a variance
PIXELS = 2**21  # of the images that are encoded at once


class Seen:
    """What networks were shown in each step, before it was encoded.

    Attributes:
        images: ``[T, P, B, pixels]`` of each image: bytes, or numbers where it has no bytes.
        numbers: What is normalised, as it was, ``[T, P, B, K]``.
    """

    def __init__(self, encoder: Encoder, steps: int, batch: int) -> None:
        like, shape = encoder.parameters, (steps, len(encoder.parameters), batch)
        self.images = [
            torch.zeros(*shape, part.size, dtype=_stored(part, like.dtype), device=like.device)
            for _, part in encoder.division.images
        ]
        self.numbers = like.new_zeros(*shape, encoder.division.numbers)

    def apart(self) -> Seen:
        """Return the same of P * B members with one episode each."""
        alone = copy.copy(self)
        alone.images = [x.flatten(1, 2).unsqueeze(2) for x in self.images]
        alone.numbers = self.numbers.flatten(1, 2).unsqueeze(2)
        return alone


class Encoder:
    """The encoders of P members.

    Args:
        division: What is encoded.
        members: Number of members P.
        dtype: Number type.
        device: Where parameters live.

    Attributes:
        parameters: ``[P, n]``: weights for each image, then mean and deviation of each number and
            how many observations they are of; the gradient of these is 0.
    """

    def __init__(
        self, division: Division, members: int, dtype: torch.dtype, device: torch.device | str
    ) -> None:
        self.division = division
        self.parameters = torch.zeros(members, division.parameters, dtype=dtype, device=device)
        self.others = torch.tensor(division.others, dtype=torch.int64, device=device)
        places = {row: index for index, row in enumerate(division.others)}
        rows = [places[row] for one in division.scaled for row in range(one.start, one.stop)]
        self.rows = torch.tensor(rows, dtype=torch.int64, device=device)  # among the others

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one member's initial parameters ``[n]``.

        Weights are uniform in ±1, see `encode`, biases and means 0, deviations 1.
        """
        parts = []
        for _, part in self.division.images:
            for shape in self.division.shapes(part):
                one = torch.zeros(shape)
                if len(shape) > 1:
                    uniform(one, 1, generator)
                parts.append(one.flatten())
        count = self.division.numbers
        parts += [torch.zeros(count), torch.ones(count), torch.zeros(int(count > 0))]
        return torch.cat(parts)

    # SHOW

    @torch.no_grad()
    def __call__(self, source: Tensor, seen: Seen, t: int) -> Tensor:
        """Keep flat observations ``[P, I, B]`` as those of a step; return what cores are given."""
        images = zip(seen.images, self.division.images, strict=True)
        for kept, (place, part) in images:
            shown = source[:, place].transpose(1, 2)
            kept[t] = (shown * part.unit).round_().clamp_(0, 255) if part.whole else shown
            symbols = self.division.symbols(part)
            if symbols and (largest := int(kept[t].max())) >= symbols:
                raise ConfigError(
                    f"there is a symbol {largest} in an image: --image-symbols must be at least "
                    f"{largest + 1}, or left out if bytes are brightness"
                )
        others = source.index_select(1, self.others)
        if len(self.rows):
            seen.numbers[t] = others[:, self.rows].transpose(1, 2)
            others[:, self.rows] = self._normalised(seen.numbers[t]).transpose(1, 2)
        if not seen.images:
            return others
        return torch.cat([self._codes(seen, slice(t, t + 1))[0], others], 1)

    @torch.no_grad()
    def again(self, tapes: Sequence[Tape]) -> None:
        """Encode what tapes have seen once more, with the present parameters."""
        seen, used, codes = tapes[0].seen, tapes[0].used, self.division.codes
        if seen.images:
            for t, code in enumerate(self._codes(seen, slice(used))):
                for tape in tapes:
                    tape.x_t[t][:, :codes] = code
        if len(self.rows):
            for t, one in enumerate(self._normalised(seen.numbers[:used]).transpose(2, 3)):
                for tape in tapes:
                    tape.x_t[t][:, codes + self.rows] = one

    # KEEP

    def kept(self, tapes: Sequence[Tape], slots: int) -> dict[str, Tensor]:
        """Return what was shown in the first steps, ``[P, B, T, ...]`` by name; see `stored`."""
        seen, codes = tapes[0].seen, self.division.codes
        given = self.raw(torch.stack(tapes[0].x_t[:slots]), seen)
        others = given[:, :, codes:].permute(1, 3, 0, 2)
        images = {f"image{i}": x[:slots].permute(1, 2, 0, 3) for i, x in enumerate(seen.images)}
        return {"observation": others} | images

    def raw(self, given: Tensor, seen: Seen) -> Tensor:
        """Write numbers as they were shown into what cores were given ``[T, P, I, B]``."""
        if len(self.rows):
            given[:, :, self.division.codes + self.rows] = seen.numbers[: len(given)].mT
        return given

    def recall(self, tapes: Sequence[Tape], kept: Mapping[str, Tensor]) -> None:
        """Write what `kept` returned, or some of it; `again` encodes it."""
        seen, codes = tapes[0].seen, self.division.codes
        others = kept["observation"].permute(2, 0, 3, 1)
        for tape in tapes:
            tape.used = len(others)
            for x, source in zip(tape.x_t, others, strict=False):
                x[:, codes:] = source
        seen.numbers[: len(others)] = others[:, :, self.rows].transpose(2, 3)
        for index, image in enumerate(seen.images):
            image[: len(others)] = kept[f"image{index}"].permute(2, 0, 1, 3)

    # IMAGES

    def attach(self, tapes: Sequence[Tape], parameters: Tensor) -> Tensor:
        """Return the codes on tapes ``[T, P, F, B]`` as a function of `parameters` ``[P, n]``."""
        tape = tapes[0]
        codes = torch.stack([x[:, : self.division.codes] for x in tape.x_t[: tape.used]])
        found: Tensor = _Recorded.apply(parameters, codes, self, tape.seen)
        return found

    def encode(self, index: int, weights: Tensor, pixels: Tensor) -> Tensor:
        """Map pixels ``[n, pixels]`` of an image to codes ``[n, F]``; differentiable.

        Images of symbols go through one linear layer, of what is in each place and of what is
        anywhere in each channel, one-hot; others through convolutions and a linear layer.
        Weights and biases of a layer with n inputs are those that are stored, times √(6 / n). So
        what passes through rectified units keeps its size at first (He et al. 2015), and a step of
        the size that suits a core is small where many inputs come together (equalised step sizes,
        Karras et al. 2018).

        Args:
            index: Which image.
            weights: Of one member for this image, flat.
            pixels: As they are kept.
        """
        part, shapes = self.division.images[index][1], self._shapes[index]
        parts = weights.split([math.prod(shape) for shape in shapes])
        views = [one.view(shape) for one, shape in zip(parts, shapes, strict=True)]
        if symbols := self.division.symbols(part):
            return self._symbols(part, symbols, views, pixels.long())
        shape = part.shape if len(part.shape) == 3 else (*part.shape, 1)
        x = pixels.to(weights.dtype).unflatten(1, shape)
        x = x if part.channels_first else x.permute(0, 3, 1, 2)
        for index in range(0, len(shapes), 2):
            gain = math.sqrt(6 / math.prod(shapes[index][1:]))
            views[index], views[index + 1] = views[index] * gain, views[index + 1] * gain
        if part.whole:
            views[0] = views[0] / part.unit
        layers = zip(convolutions(part.image), views[::2], views[1::2], strict=False)
        for layer, weight, bias in layers:
            weight = weight.contiguous(memory_format=torch.channels_last)
            x = F.conv2d(x, weight, bias, layer.stride).relu_()
        return F.linear(x.flatten(1), views[-2], views[-1]).relu_()

    def _symbols(
        self, part: Part, symbols: int, weights: Sequence[Tensor], shown: Tensor
    ) -> Tensor:
        """Map symbols ``[n, pixels]`` to codes: those in their places, and those that are there."""
        places = torch.arange(part.size, device=shown.device)
        channels, height, width = part.image
        channel = places // (height * width) if part.channels_first else places % channels
        placed, anywhere, bias = (x * math.sqrt(6 / part.size) for x in weights)
        there = bias.new_zeros(len(shown), channels * symbols)
        there.scatter_(1, shown + symbols * channel, 1)
        code = F.embedding_bag(shown + symbols * places, placed, mode="sum")
        return (code + there @ anywhere + bias).relu_()

    def weights(self, parameters: Tensor, member: int) -> list[Tensor]:
        """Return the flat weights of one member for each image."""
        sizes = [sum(map(math.prod, shapes)) for shapes in self._shapes]
        return list(parameters[member, : sum(sizes)].split(sizes))

    @property
    def _shapes(self) -> list[list[tuple[int, ...]]]:
        return [self.division.shapes(part) for _, part in self.division.images]

    def _codes(self, seen: Seen, steps: slice) -> Tensor:
        """Return the codes of all images in some steps, ``[T, P, F, B]``."""
        members = []
        for member in range(len(self.parameters)):
            codes = []
            for index, weights in enumerate(self.weights(self.parameters, member)):
                pixels = seen.images[index][steps, member]
                chunks = pixels.flatten(0, 1).split(self.at_once(index))
                each = torch.cat([self.encode(index, weights, chunk) for chunk in chunks])
                codes.append(each.unflatten(0, pixels.shape[:2]))
            members.append(torch.cat(codes, 2))
        return torch.stack(members, 1).transpose(2, 3)

    def at_once(self, index: int) -> int:
        """Return how many of an image are encoded in one call."""
        return min(1024, max(16, PIXELS // self.division.images[index][1].size))

    # NUMBERS

    def _statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and deviation ``[P, K]`` and count ``[P, 1]``, views of the parameters."""
        count = self.division.numbers
        mean, deviation, seen = self.parameters[:, -2 * count - 1 :].split([count, count, 1], 1)
        return mean, deviation, seen

    def _normalised(self, numbers: Tensor) -> Tensor:
        """Return numbers ``[..., P, B, K]`` at mean 0 and deviation 1, cut at ±`CLIP`."""
        mean, deviation, _ = (x.unsqueeze(1) for x in self._statistics())
        return ((numbers - mean) / deviation).clamp_(-CLIP, CLIP)

    @torch.no_grad()
    def follow(self, tapes: Sequence[Tape], mask: Tensor | None, steps: int) -> None:
        """Take what was seen in new episodes into mean and deviation.

        Two sets of observations are joined exactly (Chan, Golub & LeVeque 1983): with n, m and M
        their count, mean and sum of squared distances from it, and δ = m_2 - m_1,
        m = m_1 + δ n_2 / n and M = M_1 + M_2 + δ² n_1 n_2 / n.

        Args:
            tapes: The recording.
            mask: 1 until an episode has ended, ``[T, P, B]``; None: all have full length.
            steps: Steps T.
        """
        if not len(self.rows):
            return
        seen = tapes[0].seen
        numbers = seen.numbers[:steps].double()  # [T, P, B, K]
        weight = torch.ones_like(numbers[..., :1]) if mask is None else mask.double().unsqueeze(3)
        new = weight.sum((0, 2))  # [P, 1]
        mean_2 = (numbers * weight).sum((0, 2)) / new
        apart = (numbers - mean_2.unsqueeze(1)).square()
        mean, deviation, count = self._statistics()
        before, total = count.double(), count.double() + new
        delta = mean_2 - mean
        squares = (apart * weight).sum((0, 2)) + delta.square() * before * new / total
        squares += (deviation.double().square() - EPSILON).clamp(min=0) * before
        mean.copy_(mean + delta * new / total)
        deviation.copy_((squares / total + EPSILON).sqrt())
        count.copy_(total)


class _Recorded(torch.autograd.Function):
    """Recorded codes as a function of the parameters that they were computed with."""

    @staticmethod
    def forward(
        ctx: Any, parameters: Tensor, codes: Tensor, encoder: Encoder, seen: Seen
    ) -> Tensor:
        ctx.encoder, ctx.seen = encoder, seen
        ctx.save_for_backward(parameters)
        return codes

    @staticmethod
    def backward(ctx: Any, *d_codes: Tensor) -> tuple[Tensor, None, None, None]:
        (parameters,) = ctx.saved_tensors
        encoder, (codes,) = ctx.encoder, d_codes
        gradient = torch.zeros_like(parameters)
        for member in range(len(parameters)):
            rows = codes[:, member].transpose(1, 2).flatten(0, 1)  # [T * B, F]
            found = encoder.weights(gradient, member)  # views
            for index, weights in enumerate(encoder.weights(parameters, member)):
                units = encoder.division.config.image_units
                back = rows[:, index * units : (index + 1) * units]
                alive = back.abs().amax(1).nonzero()[:, 0]  # nothing is learned after an end
                pixels = ctx.seen.images[index][: len(codes), member].flatten(0, 1)
                for chunk in alive.split(encoder.at_once(index)):
                    with torch.enable_grad():
                        leaf = weights.detach().requires_grad_()
                        said = encoder.encode(index, leaf, pixels[chunk])
                    (one,) = torch.autograd.grad(said, leaf, back[chunk])
                    found[index] += one
        return gradient, None, None, None


def stored(division: Division, dtype: torch.dtype) -> dict[str, tuple[int, torch.dtype]]:
    """Return how many numbers of which type are kept of a flat observation, by name."""
    images = [(part.size, _stored(part, dtype)) for _, part in division.images]
    others = division.core_inputs - division.codes
    return {"observation": (others, dtype)} | {f"image{i}": x for i, x in enumerate(images)}


def _stored(part: Part, dtype: torch.dtype) -> torch.dtype:
    return torch.uint8 if part.whole else dtype
