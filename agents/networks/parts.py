"""What an observation is made of, and which of it enters a network how: pure data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from prefrontal.agents.common.errors import ConfigError
from prefrontal.agents.networks.config import NetworkConfig
from prefrontal.checking import check

FIRST, LATER = 16, 32  # channels of the first convolution, and of those after it


@dataclass(frozen=True)
class Part:
    """A part of a flat observation: so many numbers as its shape has, in the order of the array.

    Attributes:
        kind: `numbers`, measured on some scale; `symbols`, zeros and ones, or bytes; `image`;
            `grid`, numbers of three bounded dimensions, which may be meant as an image.
        shape: Of the array.
        unit: What the number 1 of the flat observation was in the array (255 of a byte).
        whole: Whether the array holds whole numbers that fit into a byte.
    """

    kind: Literal["numbers", "symbols", "image", "grid"]
    shape: tuple[int, ...]
    unit: float = 1.0
    whole: bool = False

    def __post_init__(self) -> None:
        """Check the values, which may come from a file."""
        check(self)
        if self.kind in ("image", "grid") and len(self.shape) not in (2, 3):
            raise ValueError(f"an image has 2 or 3 dimensions, not {list(self.shape)}")
        if any(size < 1 for size in self.shape) or not self.unit > 0:
            raise ValueError(f"shape and unit must be positive, not {self.shape}, {self.unit}")

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def channels_first(self) -> bool:
        """Whether the first dimension of an image is that of the channels, in place of the last.

        The two other sides are equal, or there are fewer channels than rows or columns.
        """
        if len(self.shape) == 2:
            return False
        first, second, last = self.shape
        return first != second and (second == last or first < last)

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        if len(self.shape) == 2:
            return 1, *self.shape
        if self.channels_first:
            return self.shape[0], self.shape[1], self.shape[2]
        return self.shape[2], self.shape[0], self.shape[1]


Parts = Sequence[Part]


@dataclass(frozen=True)
class Convolution:
    """One layer of a convolutional network.

    Attributes:
        inputs: Channels that it reads.
        outputs: Channels that it writes.
        kernel: Height and width of the weights.
        stride: Steps from one place to the next, the same in both directions.
        size: Height and width of what it writes.
    """

    inputs: int
    outputs: int
    kernel: tuple[int, int]
    stride: int
    size: tuple[int, int]


def convolutions(image: tuple[int, int, int]) -> list[Convolution]:
    """Return the layers for an image of so many channels, rows and columns.

    - A first layer of 16 channels and 8 x 8 weights, 4 apart, where both sides have 36 or more
      (as of Mnih et al. 2016);
    - layers of 32 channels (16 if the first) and 4 x 4 weights, 2 apart, while a side has more
      than 12;
    - where none of these is built, of a side of 12 or less, two layers of 3 x 3 weights, 1 apart.

    A side that is shorter than the weights is read whole.
    """
    channels, height, width = image
    layers: list[Convolution] = []
    size = height, width

    def add(kernel: int, stride: int) -> None:
        nonlocal size
        inputs = layers[-1].outputs if layers else channels
        shape = min(kernel, size[0]), min(kernel, size[1])
        size = (size[0] - shape[0]) // stride + 1, (size[1] - shape[1]) // stride + 1
        layers.append(Convolution(inputs, LATER if layers else FIRST, shape, stride, size))

    if min(size) >= 36:
        add(8, 4)
    while max(size) > 12:
        add(4, 2)
    if not layers:
        add(3, 1)
        add(3, 1)
    return layers


@dataclass(frozen=True)
class Division:
    """How a flat observation with its inputs is divided by a network.

    What the core is given is the code of each image, then all other numbers in their order.

    Attributes:
        input_size: Numbers I of the flat observation, with its inputs.
        parts: What the observation is made of; none if nobody knows.
        config: The network.

    Raises:
        ConfigError: The parts have more numbers than the observation, or none is an image of bytes
            where images are said to show symbols.
    """

    input_size: int
    parts: tuple[Part, ...]
    config: NetworkConfig

    def __post_init__(self) -> None:
        """Check that the parts are in the observation."""
        drawn = [part for _, part in self.images]
        if (total := sum(part.size for part in self.parts)) > self.input_size:
            raise ConfigError(f"parts of {total} numbers are not in {self.input_size} inputs")
        if self.config.image_symbols and self.parts and not any(self.symbols(x) for x in drawn):
            raise ConfigError("--image-symbols: the observation has no image of bytes to encode")

    @cached_property
    def images(self) -> tuple[tuple[slice, Part], ...]:
        """Where the images are that go through a convolutional network."""
        kinds = pictured(self.config.encoder)
        return tuple((place, part) for place, part in self._places() if part.kind in kinds)

    @cached_property
    def scaled(self) -> tuple[slice, ...]:
        """Where the numbers are that are normalised."""
        if not self.config.normalise_observations:
            return ()
        kinds = {"numbers", "grid"} - set(pictured(self.config.encoder))
        return tuple(place for place, part in self._places() if part.kind in kinds)

    @property
    def others(self) -> list[int]:
        """Which numbers are not of these images."""
        drawn = {row for place, _ in self.images for row in range(place.start, place.stop)}
        return [row for row in range(self.input_size) if row not in drawn]

    @property
    def numbers(self) -> int:
        """How many numbers are normalised."""
        return sum(place.stop - place.start for place in self.scaled)

    @property
    def codes(self) -> int:
        """How many numbers all images become."""
        return len(self.images) * self.config.image_units

    @property
    def core_inputs(self) -> int:
        """How many numbers the core is given."""
        return self.input_size - sum(part.size for _, part in self.images) + self.codes

    def shapes(self, part: Part) -> list[tuple[int, ...]]:
        """Return the shapes of weights and biases for an image: convolutions, then a linear layer.

        All are followed by rectified units. Of symbols, one linear layer: weights of each symbol in
        each place, and of each symbol anywhere in a channel.
        """
        units = self.config.image_units
        if symbols := self.symbols(part):
            return [(part.size * symbols, units), (part.image[0] * symbols, units), (units,)]
        layers = convolutions(part.image)
        shapes: list[tuple[int, ...]] = []
        for one in layers:
            shapes += [(one.outputs, one.inputs, *one.kernel), (one.outputs,)]
        area = layers[-1].size[0] * layers[-1].size[1]
        return [*shapes, (units, layers[-1].outputs * area), (units,)]

    def symbols(self, part: Part) -> int:
        """Return how many symbols there are in a place of an image; 0: its bytes are brightness."""
        return (self.config.image_symbols or 0) if part.whole else 0

    @property
    def parameters(self) -> int:
        """Numbers that a member has for its images, and for mean and deviation."""
        images = sum(math.prod(shape) for _, part in self.images for shape in self.shapes(part))
        return images + 2 * self.numbers + bool(self.numbers)

    @property
    def kept(self) -> float:
        """Numbers of four bytes that a step keeps of an observation as it was shown."""
        pixels = sum(part.size / (4 if part.whole else 1) for _, part in self.images)
        return pixels + self.numbers

    def _places(self) -> list[tuple[slice, Part]]:
        places, start = [], 0
        for part in self.parts:
            places.append((slice(start, start + part.size), part))
            start += part.size
        return places


def pictured(encoder: str) -> tuple[str, ...]:
    """Return which kinds of parts go through a convolutional network."""
    return {"auto": ("image",), "cnn": ("image", "grid"), "flat": ()}[encoder]


def require_flat(who: str, parts: Parts, network: NetworkConfig | None = None) -> None:
    """Check that a learner that cannot encode observations need not.

    Args:
        who: The learner.
        parts: What observations are made of.
        network: Its network, if it is one that has encoders.

    Raises:
        ConfigError: There are images to encode, or numbers to normalise.
    """
    kinds = pictured("auto" if network is None else network.encoder)
    if any(part.kind in kinds for part in parts):
        way = "" if network is None else ", or --encoder flat to learn from single pixels"
        raise ConfigError(f"{who} has no encoder of images: take --algorithm a2c{way}")
    if network is not None and network.normalise_observations:
        raise ConfigError(
            f"{who} does not normalise observations: leave --normalise-observations out, or take "
            "--algorithm a2c"
        )
