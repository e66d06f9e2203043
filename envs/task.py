"""The one base class of all tasks: dynamics as pure functions over batched torch tensors."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium import Space, spaces

from prefrontal.checking import check
from prefrontal.envs import pictures
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.outcomes import Outcomes, Telling, distrust, tried

Params = dict[str, Tensor]
State = dict[str, Any]
StepResult = tuple[State, Tensor, Tensor]  # state, observation [n, D], reward [n]
Mirror = tuple[tuple[float, ...], tuple[float, ...]]
LONGEST = 1_000_000  # steps of an episode at most: faces keep numbers of every one


class Past(NamedTuple):
    """What was done in one episode so far, for pictures.

    Attributes:
        actions: ``[t]`` int64 (``[t, A]`` float32 where continuous).
        rewards: ``[t]`` float32.
    """

    actions: np.ndarray
    rewards: np.ndarray

    @property
    def action(self) -> int | None:
        """The last action, where actions are discrete; None before the first."""
        return int(self.actions[-1]) if len(self.actions) else None

    @property
    def reward(self) -> float:
        """The last reward; 0 before the first."""
        return float(self.rewards[-1]) if len(self.rewards) else 0.0


#: Sections of a docstring, in this order.
HEADINGS = (
    "Description",
    "Action Space",
    "Observation Space",
    "Starting State",
    "Reward",
    "Episode End",
    "Information",
    "Arguments",
    "Task Distribution",
    "Paper Correspondence",
    "References",
    "Version History",
)
#: Sections of a docstring that a class does not take from its base class.
OWN_SECTIONS = ("Description", "Arguments", "Paper Correspondence", "References")


@dataclasses.dataclass(frozen=True)
class Task(Telling, ABC):
    """A distribution of tasks, and the dynamics of one batch of episodes drawn from it.

    Subclasses are frozen dataclasses: their fields are the parameters of the environment, become
    keyword arguments of ``gymnasium.make`` and options of the command line; help texts and ranges
    are metadata of the fields, see `prefrontal.checking.option`. What is constant (`noise`,
    `num_actions`, `reward_range`, `draws`) is a class attribute. All methods are pure:
    they never change their arguments, keep nothing on the object, and take all their randomness
    as an argument. ``n`` episodes run side by side and in lock-step, so the time index of an
    episode, ``state["t"]``, is a Python int. Tensors may live on any device; all tensors of one
    call live on the same one.

    A step is called some 10^5 times a second in training, so use few torch operations. A ``step``
    that returns the *same object* as observation as the call before says that the observation
    has not changed, and the faces then do not copy it again.

    Docstrings have Gymnasium's headings and two of ours, Task Distribution and Paper
    Correspondence. The section Arguments is made from the fields, and a section that a class does
    not write is that of its base class (but for those of `OWN_SECTIONS`).

    ## Episode End
    Terminates after `trials` steps. Never truncates.

    ## Version History
    v0: initial version.
    """

    #: Names of the task parameters, the keys of what ``sample`` returns.
    parameters: ClassVar[tuple[str, ...]]
    #: Rewards the task can pay, if there are few of them (for ``inputs=("reward_one_hot",)``).
    reward_values: ClassVar[tuple[float, ...] | None] = None
    #: Parameters that stay while one life of learning on a task lasts; the others are drawn anew
    #: for every episode of it. None: all stay.
    lasting: ClassVar[tuple[str, ...] | None] = None
    #: Whether actions have no influence on observations and later rewards (a contextual bandit).
    open_loop: ClassVar[bool] = False
    #: Bounds of the base observation, one per feature, D of them. A constant 1 is a "go cue".
    observation_low: ClassVar[tuple[float, ...]] = (0.0,)
    observation_high: ClassVar[tuple[float, ...]] = (1.0,)
    #: Signs of the base observation and of the (continuous) action under a reflection that leaves
    #: the task as it is; None if there is no such symmetry.
    mirror: ClassVar[Mirror | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Complete the docstring of a task, and doubt what it does not say itself."""
        super().__init_subclass__(**kwargs)
        distrust(cls, Task.outcomes)
        cls.__doc__ = _documentation(cls)

    def __post_init__(self) -> None:
        """Check ranges and choices; numbers are finite."""
        check(self)

    @property
    @abstractmethod
    def steps(self) -> int:
        """Environment steps an episode, T (fixed)."""

    @property
    @abstractmethod
    def noise(self) -> int:
        """Uniform numbers in [0, 1) that one step of one episode consumes."""

    @property
    @abstractmethod
    def num_actions(self) -> int:
        """Number of discrete actions; 0 if the action space is continuous."""

    @property
    @abstractmethod
    def reward_range(self) -> tuple[float, float]:
        """Smallest and largest reward of one step."""

    @property
    def action_space(self) -> Space[Any]:
        """Action space of one environment."""
        return spaces.Discrete(self.num_actions)

    @property
    def draws(self) -> int | None:
        """Uniform numbers that one task is made of; None if ``sample`` draws by itself."""
        return None

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make task parameters of uniform numbers in [0, 1), ``[n, draws]``, one row a task.

        A task defines either ``draws`` and this, or ``sample``. This way is faster where many
        members draw their tasks from generators of their own.
        """
        raise NotImplementedError(f"{type(self).__name__} must define from_uniform, or sample")

    def sample(self, n: int, split: str, generator: torch.Generator) -> Params:
        """Draw the parameters of ``n`` tasks.

        Args:
            n: How many.
            split: ``"train"`` and ``"held_out"`` have disjoint support; ``"all"`` is both together,
                the distribution as published. Check it with `check_split`.
            generator: Source of all randomness; the tensors returned live on its device.

        Returns:
            Tensors ``[n, ...]`` under the names in ``parameters``.
        """
        draws = self.draws or 0
        uniform = torch.rand(n, draws, generator=generator, device=generator.device)
        return self.from_uniform(uniform, split)

    def complete(self, given: Mapping[str, Any], drawn: Params) -> Mapping[str, Any]:
        """Add to task parameters set by hand what a task can supply itself; by default nothing.

        Args:
            given: What was set by hand, one row an episode.
            drawn: The parameters of the episodes that would have come.

        Returns:
            What `validate` is to check.
        """
        return given

    @abstractmethod
    def validate(self, params: Mapping[str, Any]) -> Params:
        """Check task parameters that were set by hand; see `check_parameters`.

        Raises:
            ValueError: A name, shape or value that this task does not have.
        """

    @abstractmethod
    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Start an episode: the state (with ``state["t"] == 0``) and the observation ``[n, D]``."""

    @abstractmethod
    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Advance every episode by one step.

        Args:
            params: What ``sample`` returned.
            state: What ``reset`` or ``step`` returned; not changed.
            action: ``[n]`` int64 (``[n, A]`` float32 for continuous actions).
            noise: ``[self.noise, n]`` uniforms in [0, 1).

        Returns:
            The new state, the observation ``[n, D]`` and the reward ``[n]``, both float32.
        """

    def outcomes(self, params: Params, noise: Tensor) -> Outcomes | None:
        """Return what every action would show and pay in whole episodes; None if it cannot be told.

        It can where the next observation and reward depend on the step and the present action
        alone; agents then play whole batches in compiled code (docs/performance.md). By default all
        actions, if 4 at most, are tried at every step of open-loop tasks; override it to be faster.

        Args:
            params: Task parameters of n episodes.
            noise: Of all steps, ``[T, self.noise, n]``, as `step` would be given it.
        """
        return tried(self, params, noise)

    @abstractmethod
    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return what an analysis wants to know of a step, evaluated before ``step``.

        Returns:
            Tensors ``[n]``: ``trial`` (int64), and where actions are discrete ``optimal_action``
            (int64), ``expected_reward`` of the chosen action, ``optimal_reward`` (of the best one).
            Tasks add more.
        """

    def episode_facts(
        self, params: Params, states: Sequence[State], actions: Tensor
    ) -> dict[str, Tensor]:
        """Return the facts of many steps of an episode, ``[t, n]`` each.

        By default those of `facts`, step by step; a task that has a faster way overrides it.

        Args:
            params: Task parameters.
            states: Before each step.
            actions: ``[t, n]``.
        """
        steps = [self.facts(params, *each) for each in zip(states, actions, strict=True)]
        return {name: torch.stack([one[name] for one in steps]) for name in steps[0]}

    @abstractmethod
    def privileged(self, params: Params, state: State) -> Tensor:
        """Return what only an asymmetric critic may see in training, ``[n, K]`` float32.

        It must accept the state after the last step too (no action is chosen there).
        """

    def trial_start(self, params: Params, state: State) -> Tensor | bool:
        """Say whether the step to come is the first of a trial: the input ``trial_start``.

        By default every trial has ``steps / trials`` steps. A task of which that is not true
        overrides it. The last state of an episode is never asked for.

        Returns:
            bool ``[n]``, or one bool where it is the same in all episodes.

        Raises:
            ValueError: The task does not say where its trials start.
        """
        trials = getattr(self, "trials", None)
        if not isinstance(trials, int) or not trials or self.steps % trials:
            raise ValueError(
                f"inputs: {type(self).__name__} does not say where its trials start, so "
                "'trial_start' is not available; a task says it in its method trial_start"
            )
        return bool(state["t"] % (self.steps // trials) == 0)

    def render(self, params: Params, row: int) -> str:
        """Describe the task of one episode in words, on one line."""
        pairs = (f"{name}={_short(params[name][row])}" for name in self.parameters)
        return f"{type(self).__name__} " + ", ".join(pairs)

    def image(self, params: Params, state: State, row: int, past: Past) -> np.ndarray:
        """Draw one episode in its present state: `scene` above, choices and rewards so far below.

        Args:
            params: Parameters of the episodes.
            state: Their present state, the last one included.
            row: Which episode.
            past: What was done in it.

        Returns:
            uint8 ``[height, width, 3]``, of one size for a task.
        """
        picture = pictures.blank()
        words = f"step {state['t']}/{self.steps}   return {pictures.short(past.rewards.sum())}"
        pictures.write(picture, (pictures.WIDTH / 2, pictures.TOP / 2), words)
        below = pictures.TOP + pictures.SCENE
        self.scene(picture[pictures.TOP : below], params, state, row, past)
        pictures.strip(
            picture[below + 10 : -10, 10:-10],
            past.actions,
            past.rewards,
            steps=self.steps,
            num_actions=self.num_actions,
            bounds=self.reward_range,
        )
        return picture

    def scene(
        self, picture: np.ndarray, params: Params, state: State, row: int, past: Past
    ) -> None:
        """Draw into the upper part of a picture ``[172, 400, 3]``.

        By default: what each discrete action is worth now as a bar, if `facts` say it, and the last
        one with its reward.
        """
        now = {**state, "t": min(state["t"], self.steps - 1)}
        n = len(next(iter(params.values())))
        device = next(iter(params.values())).device
        worth = [
            self.facts(params, now, torch.full((n,), action, device=device)).get("expected_reward")
            for action in range(self.num_actions)
        ]
        values = [float(value[row]) for value in worth if value is not None]
        if values:
            pictures.bars(picture, values, self.reward_range, past.action, past.reward)


def check_parameters(
    params: Mapping[str, Any],
    *,
    integers: Collection[str] = (),
    **allowed: tuple[tuple[int, ...], float, float],
) -> Params:
    """Check task parameters set by hand, and turn them into tensors.

    Args:
        params: Arrays, tensors or lists ``[n, ...]``.
        integers: Names of the parameters that are whole numbers.
        **allowed: For every parameter its shape behind the batch dimension, and its bounds.

    Returns:
        Tensors ``[n, ...]``, float32 (int64 for integers), copies on the CPU.

    Raises:
        ValueError: Wrong names, shapes or values, or unequal numbers of episodes.
    """
    if set(params) != set(allowed):
        raise ValueError(f"task parameters must be {sorted(allowed)}; got {sorted(params)}")
    checked: Params = {}
    for name, (shape, low, high) in allowed.items():
        given = params[name]
        given = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given
        value = torch.from_numpy(np.array(given, dtype=np.float32))
        if value.dim() == 0 or tuple(value.shape[1:]) != shape:
            expected = ", ".join(["num_envs", *map(str, shape)])
            raise ValueError(
                f"task parameter {name!r} must have shape [{expected}]; got {list(value.shape)}"
            )
        if not bool(((value >= low) & (value <= high)).all()):
            raise ValueError(f"task parameter {name!r} must lie in [{low}, {high}]")
        if name in integers and not bool((value == value.round()).all()):
            raise ValueError(f"task parameter {name!r} must be whole numbers")
        checked[name] = value.long() if name in integers else value
    if len({len(value) for value in checked.values()}) > 1:
        raise ValueError("task parameters must all have the same number of episodes")
    return checked


def _short(value: Tensor) -> str:
    """Round a small tensor for display; give the shape of a large one."""
    if value.numel() > 12:
        return f"{list(value.shape)}"
    return str(np.round(value.cpu().numpy(), 3).tolist())


def _documentation(cls: type[Task]) -> str:
    """Return the docstring of a task with the sections of its base class and its arguments."""
    head, own = _sections(cls.__dict__.get("__doc__"))
    sections = _sections(cls.__base__.__doc__)[1]
    for name in OWN_SECTIONS:
        sections.pop(name, None)
    fields = dict(getattr(cls.__base__, "__dataclass_fields__", {}))
    fields |= {name: f for name, f in vars(cls).items() if isinstance(f, dataclasses.Field)}
    arguments = [
        f"`{name}={f.default!r}`: {f.metadata['help']}"
        for name, f in fields.items()
        if "help" in f.metadata
    ]
    sections |= own | ({"Arguments": "\n".join(arguments)} if arguments else {})
    ordered = sorted(sections, key=lambda name: HEADINGS.index(name) if name in HEADINGS else -1)
    return "\n\n".join([head, *(f"## {name}\n{sections[name]}" for name in ordered)]) + "\n"


def _sections(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Split a docstring into the text before its first heading, and heading → text."""
    head, *parts = inspect.cleandoc(docstring or "").split("\n## ")
    pairs = (part.partition("\n") for part in parts)
    return head.strip(), {name.strip(): text.strip() for name, _, text in pairs}
