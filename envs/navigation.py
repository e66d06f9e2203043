"""The firefly task: steer to a place that was seen for .3 s, from self-motion alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from gymnasium import Space, spaces

from prefrontal.checking import option
from prefrontal.envs import navigation_laws as laws
from prefrontal.envs.lazy import Tensor, torch
from prefrontal.envs.navigation_laws import STILL, UNIT, ZONE, draw_path
from prefrontal.envs.task import Mirror, Params, Past, State, StepResult, Task, check_parameters

MAX_GAIN, MAX_TARGET = 8.0, 800.0  # of tasks set by hand; targets in cm, to any side
MAX_PULSE = ((-800.0, 800.0), (-360.0, 360.0))
FAR = 6.0  # more standard deviations than the noise ever reaches


@dataclasses.dataclass(frozen=True)
class FireflyNavigation(Task):
    """Steer to a firefly that flashes for .3 s, integrating one's own motion, and stop there.

    ## Description
    A target flashes on a dark plane. The agent sets its forward and its angular velocity with a
    joystick and sees only a noisy copy of both (optic flow), never its position: it has to
    integrate. It ends the trial by letting go of the joystick. The *gain* of the joystick
    multiplies both speeds; agents trained at gain 1 are tested at others. With `targets` > 1 the
    next target flashes as soon as a trial is over, seen from where the agent is then; the motion
    goes on and the gain stays, so that a recurrent agent can find out the gain.

    Each step of .1 s, in this order, with v and w of the step before:
    x += v cos(h) dt, y += v sin(h) dt, h += w dt; v = gain (200 cm/s) a_v + noise and
    w = gain (90 degrees/s) a_w + noise, plus a pulse where there are `perturbation`s.

    ## Action Space
    `Box(-1, 1, (2,), float32)`: joystick forward and (positive: to the left) sideways. Both
    below .1 in size, after one of them was not: stop. Judged by the action, as it is the decision;
    velocities are never still, as they have noise and no inertia. With `joystick="discrete"`
    `Discrete(15)`: 0 to let go, else forward .35 (1 .. 7) or 1 (8 .. 14), sideways -1, -.35, -.12,
    0, .12, .35, 1.

    ## Observation Space
    Seen forward velocity in units of 400 cm/s and angular velocity in rad/s; target to the
    right and ahead in units of 400 cm, as it was when it appeared, while it is visible, else 0.
    With `inputs=("action",)` these are the six numbers of the paper (in another order).

    ## Starting State
    At the origin, at rest, facing +y. Targets uniform over the area of a sector, 100 to 400 cm away
    and within 35 degrees of straight ahead.

    ## Reward
    Where the agent stops: `reward="zone"`: 1 within 65 cm of the target, else 0. `"shaped"` (for
    training): 10 within 65 cm, else 10 max(.001, exp(-d^2 / 2 s^2)), s = 65/1.5 cm. Time-out: 0.

    ## Episode End
    Terminates after `trial_steps` `targets` steps, always, or after `episode_steps` if that is
    given (trials that have not begun, or not ended, by then are lost). Once the last trial is over
    (stop or `trial_steps` steps), nothing happens any more: `active` is 0, observations and rewards
    are 0.

    ## Information
    `task`: `target` [targets, 2], cm to the right and ahead of where it appears; `gain`; `pulse`
    [targets, 3], peaks in cm/s and degrees/s and first step (0 .. `trial_steps` - 1). By hand,
    `target` is enough. Each step: `trial`; `clock`, steps since the target appeared; `active`;
    `started`, whether the joystick was moved before; `stopped`, whether this action stops; `ended`,
    whether the trial ends here (stop or time-out); `rewarded`, whether it stops within 65 cm; `x`,
    `y` cm, `heading` degrees (90 is ahead), `v` cm/s, `w` degrees/s when the action is chosen, in a
    frame with the agent at the origin when the target appeared, there at (`target_x`, `target_y`);
    `end_x`, `end_y`, where the step ends; `distance` cm from there to the target; `gain`.

    ## Task Distribution
    Gains. `gain_law="one"`: `train` 1; `held_out` logarithmically uniform on [.5, .84] and
    [1.19, 4]; `all` either of the two. `"many"`: logarithmically uniform on [.5, 4], of whose 8
    bands 0, 3, 5, 6 are `train` and the others `held_out`; `all` the whole. A list of `gains`
    overrides the split. Targets are alike in all splits.

    ## Paper Correspondence
    Zhang, Pitkow & Angelaki 2024: dynamics, noise, targets, zone, gains, reward and pulses as
    published. Departures from the published code: targets are visible for exactly three steps (the
    code shows four); the place that counts is where the last step ends (there, where it begins, so
    that a moving agent is judged .1 s before it has come to rest: `end_position="before"`); the
    start threshold holds in evaluation too, and per target. Several targets with a gain to be
    inferred, and noise that does not scale, are ours. Mirror symmetry: a reflection of the sideways
    axis changes the sign of w, of the target's x and of the action's second component, no more.

    ## References
    Zhang R, Pitkow X, Angelaki DE 2024, Inductive biases of neural network modularity in spatial
    navigation, Science Advances 10:eadk1256.
    """

    parameters = ("target", "gain", "pulse")
    noise = 4  # for two velocities and two observations of them (drawn even where not used)

    targets: int = option(1, "Targets of an episode, one after the other.", least=1)
    gains: tuple[float, ...] = option(
        (),
        "If any, gains of the joystick are drawn from these alone, whatever the split.",
        above=0,
        most=8.0,  # MAX_GAIN; a literal, so that it can be read without importing
    )
    gain_law: Literal["one", "many"] = option(
        "one", "Whether agents are trained at one gain or at many, see Task Distribution."
    )
    process_noise: float = option(
        0.2,
        "Standard deviation of the noise of velocities, in parts of the largest speed.",
        least=0,
    )
    observation_noise: float = option(
        0.1,
        "Standard deviation of the noise of seen velocities, in parts of the largest speed.",
        least=0,
    )
    noise_scales_with_gain: bool = option(
        True,
        "Whether noise is in parts of the largest speed at this gain, or at gain 1.",
    )
    reward: Literal["shaped", "zone"] = option(
        "shaped", "What a stop pays: more the nearer, or 1 within the zone, see Reward."
    )
    perturbation: Literal["none", "small", "large"] = option(
        "none",
        "Pulses added to velocities: `none`, or Gaussian pulses of 1 s that begin at step 0 to "
        "10, `small` (peaks within 200 cm/s, 120 degrees/s) or `large` (-200 to 800, 180).",
    )
    visible_steps: int = option(3, "Steps for which a target is seen.", least=1)
    end_position: Literal["after", "before"] = option(
        "after",
        "Which place counts at a stop: that after the movement of the stopping step, or before it.",
    )
    trial_steps: int = option(35, "Steps after which a trial ends without a stop.", least=1)
    episode_steps: int = option(
        0, "Steps of an episode; 0: as many as all targets may take.", least=0
    )
    joystick: Literal["continuous", "discrete"] = option(
        "continuous", "Kind of actions; `discrete` is for learners that need it."
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "gains", tuple(float(gain) for gain in self.gains))
        super().__post_init__()

    @property
    def steps(self) -> int:
        """As many as all targets may take, or what was asked for."""
        return self.episode_steps or self.trial_steps * self.targets

    @property
    def num_actions(self) -> int:
        """0 of a continuous joystick."""
        return len(laws.COMMANDS) if self.joystick == "discrete" else 0

    @property
    def action_space(self) -> Space[Any]:
        """Joystick, forward and sideways."""
        if self.num_actions:
            return spaces.Discrete(self.num_actions)
        return spaces.Box(-1.0, 1.0, (2,), np.float32)

    @property
    def mirror(self) -> Mirror | None:  # type: ignore[override]
        """Signs of observation and action under a reflection of the sideways axis."""
        return None if self.num_actions else ((1.0, -1.0, -1.0, 1.0), (1.0, -1.0))

    @property
    def reward_range(self) -> tuple[float, float]:
        """Nothing, or what the zone pays."""
        return 0.0, laws.SCALE if self.reward == "shaped" else 1.0

    @property
    def observation_high(self) -> tuple[float, ...]:  # type: ignore[override]
        """Bounds that no noise at the largest gain can pass."""
        peaks = (MAX_PULSE[0][1] / UNIT, math.radians(MAX_PULSE[1][1]))
        noise = 1.0 + FAR * (self.process_noise + self.observation_noise)
        fast = [MAX_GAIN * speed * noise + p for speed, p in zip(laws.SPEEDS, peaks, strict=True)]
        return (*fast, MAX_TARGET / UNIT, MAX_TARGET / UNIT)

    @property
    def observation_low(self) -> tuple[float, ...]:  # type: ignore[override]
        """Bounds to the other side."""
        return tuple(-high for high in self.observation_high)

    @property
    def draws(self) -> int:
        """The gain; two uniforms a target, and three a pulse."""
        return 1 + self.targets * (2 if self.perturbation == "none" else 5)

    def from_uniform(self, uniform: Tensor, split: str) -> Params:
        """Make ``{"target": [n, targets, 2], "gain": [n], "pulse": [n, targets, 3]}``."""
        n, k = len(uniform), self.targets
        pulse = torch.zeros(n, k, 3, device=uniform.device)
        if self.perturbation != "none":
            uniforms = uniform[:, 1 + 2 * k :].reshape(n, k, 3)
            pulse = laws.pulses_from_uniform(uniforms, self.perturbation)
            pulse[..., 2].clamp_(max=self.trial_steps - 1)
        return {
            "target": laws.targets_from_uniform(uniform[:, 1 : 1 + 2 * k].reshape(n, k, 2)),
            "gain": laws.gains_from_uniform(uniform[:, 0], split, self.gain_law, self.gains),
            "pulse": pulse,
        }

    def validate(self, params: Mapping[str, Any]) -> Params:
        """Accept ``{"target": [num_envs, targets, 2]}``, and a gain and pulses if not 1 and 0."""
        if "target" not in params or set(params) - set(self.parameters):
            raise ValueError(
                "task parameters must be 'target' and, if wanted, 'gain' and 'pulse'; "
                f"got {sorted(params)}"
            )
        n, k = len(params["target"]), self.targets
        given = {"gain": np.ones(n), "pulse": np.zeros((n, k, 3)), **params}
        pulse = given.pop("pulse")
        checked = check_parameters(
            given, target=((k, 2), -MAX_TARGET, MAX_TARGET), gain=((), 0.01, MAX_GAIN)
        )
        least = min(low for low, _ in MAX_PULSE)
        most = max(high for _, high in MAX_PULSE)
        checked |= check_parameters({"pulse": pulse}, pulse=((k, 3), least, most))
        if len(checked["pulse"]) != n:
            raise ValueError("task parameters must all have the same number of episodes")
        if bool((checked["pulse"][..., 1].abs() > MAX_PULSE[1][1]).any()):
            raise ValueError(f"angular pulses must lie within {MAX_PULSE[1][1]} degrees/s")
        onset = checked["pulse"][..., 2]
        if not bool(((onset >= 0) & (onset < self.trial_steps) & (onset == onset.round())).all()):
            raise ValueError(f"pulses must begin at a whole step from 0 to {self.trial_steps - 1}")
        return checked

    def reset(self, params: Params) -> tuple[State, Tensor]:
        """Return the state (units and radians inside), and what is seen at rest: the target."""
        gain = params["gain"]
        n, device = len(gain), gain.device
        start = torch.tensor([0.0, 0.0, math.pi / 2.0], device=device)[:, None]
        largest = torch.tensor(laws.SPEEDS, device=device)[:, None]
        speed = largest * gain
        targets = params["target"].permute(1, 2, 0) / UNIT  # [targets, 2, n]
        no = torch.zeros(n, dtype=torch.bool, device=device)
        count = torch.zeros(n, dtype=torch.int64, device=device)
        state: State = {
            "t": 0,
            "pose": start.expand(3, n),  # [3, n] x, y, heading in the frame of the trial
            "velocity": torch.zeros(2, n, device=device),
            "target": targets[0],  # [2, n]
            "clock": count,
            "trial": count,
            "started": no,
            "active": ~no,
            "origin": torch.zeros(3, n, device=device),  # [3, n] of the frame: x, y, turn
            "path": (),  # of poses, origins and trials before, for pictures
            # What stays
            "start": start,
            "targets": targets,
            "speed": speed,
            "commands": torch.tensor(laws.COMMANDS, device=device),
            "spread": speed if self.noise_scales_with_gain else largest,
            "pulsed": bool(params["pulse"].any()),
        }
        return state, torch.cat([state["velocity"], targets[0]]).T

    def step(self, params: Params, state: State, action: Tensor, noise: Tensor) -> StepResult:
        """Move by the velocity of the step before, pay those who stop, take the new velocity."""
        command, still, stopped, over, moved, end = self._movement(state, action)
        missed = (end[:2] - state["target"]).square().sum(0)
        reward = self._pay(missed) * stopped

        # VELOCITY, and what is seen of it
        normal = laws.normal_pairs(noise)
        spread = state["spread"]
        velocity = command * state["speed"] + self.process_noise * spread * normal[:2]
        if state["pulsed"]:
            velocity = velocity + self._pulse(params, state)
        seen = velocity + self.observation_noise * spread * normal[2:]

        # NEXT TRIAL, or rest
        trial = state["trial"] + over
        active = trial < self.targets
        pose = torch.where(stopped, end, moved) if self.end_position == "before" else moved
        clock = (state["clock"] + 1).masked_fill(over, 0)
        new: State = {
            **state,
            "t": state["t"] + 1,
            "path": (*state["path"], (state["pose"], state["origin"], state["trial"])),
            "pose": pose,
            "velocity": velocity * active,
            "clock": clock,
            "trial": trial,
            "started": (state["started"] | ~still) & ~over,
            "active": active,
        }
        if self.targets > 1:
            new |= self._next_target(state, pose, trial, over & active)
        visible = (clock < self.visible_steps) & active
        return new, torch.cat([seen * active, new["target"] * visible]).T, reward

    def _movement(self, state: State, action: Tensor) -> tuple[Tensor, ...]:
        """Return command ``[2, n]``; still, stopped, trial over; pose moved to, and that counts."""
        command = (state["commands"][action] if self.num_actions else action).T
        still = command.abs().amax(dim=0) < STILL
        stopped = still & state["started"] & state["active"]
        over = stopped | ((state["clock"] == self.trial_steps - 1) & state["active"])
        pose = state["pose"]
        moved = laws.moved(pose, state["velocity"])
        return command, still, stopped, over, moved, moved if self.end_position == "after" else pose

    def _pay(self, missed: Tensor) -> Tensor:
        """Reward of one who stops at this squared distance (units) from the target."""
        if self.reward == "zone":
            return (missed < (ZONE / UNIT) ** 2).float()
        return laws.shaped_reward(missed)

    def _pulse(self, params: Params, state: State) -> Tensor:
        """Velocities added by the pulse of the running trial, ``[2, n]``."""
        trial = state["trial"].clamp(max=self.targets - 1)
        pulse = params["pulse"][torch.arange(len(trial), device=trial.device), trial]  # [n, 3]
        shape = laws.pulse_shape(state["clock"] - pulse[:, 2])
        return torch.stack([pulse[:, 0] / UNIT, pulse[:, 1].deg2rad()]) * shape

    def _next_target(self, state: State, pose: Tensor, trial: Tensor, fresh: Tensor) -> State:
        """Put the frame of rows with a fresh target where the agent is."""
        index = trial.clamp(max=self.targets - 1).expand(1, 2, -1)
        origin = torch.where(fresh, laws.new_origin(state["origin"], pose), state["origin"])
        return {
            "pose": torch.where(fresh, state["start"], pose),
            "origin": origin,
            "target": state["targets"].gather(0, index)[0],
        }

    def trial_start(self, params: Params, state: State) -> Tensor:
        """Say whether a target has just appeared."""
        appeared: Tensor = state["active"] & (state["clock"] == 0)
        return appeared

    def facts(self, params: Params, state: State, action: Tensor) -> dict[str, Tensor]:
        """Return trial, flags, pose and target in cm and degrees, and what this step will end."""
        _, _, stopped, over, _, end = self._movement(state, action)
        target, (v, w) = state["target"], state["velocity"]
        missed = (end[:2] - target).square().sum(0)
        return {
            "trial": state["trial"].clamp(max=self.targets - 1),
            "clock": state["clock"],
            "active": state["active"].float(),
            "started": state["started"].float(),
            "stopped": stopped.float(),
            "ended": over.float(),
            "rewarded": (stopped & (missed < (ZONE / UNIT) ** 2)).float(),
            "distance": missed.sqrt() * UNIT,
            "x": state["pose"][0] * UNIT,
            "y": state["pose"][1] * UNIT,
            "heading": state["pose"][2].rad2deg(),
            "v": v * UNIT,
            "w": w.rad2deg(),
            "end_x": end[0] * UNIT,
            "end_y": end[1] * UNIT,
            "target_x": target[0] * UNIT,
            "target_y": target[1] * UNIT,
            "gain": params["gain"],
        }

    def privileged(self, params: Params, state: State) -> Tensor:
        """Return pose, velocity, target, gain, clock and trial, ``[n, 10]``."""
        clock, trial = state["clock"] / self.trial_steps, state["trial"] / self.targets
        rest = torch.stack([params["gain"], clock, trial])
        return torch.cat([state["pose"], state["velocity"], state["target"], rest]).T

    def image(self, params: Params, state: State, row: int, past: Past) -> np.ndarray:
        """Draw the path of one episode so far, from above, ``[400, 400, 3]`` uint8."""
        return draw_path(params, state, row)
