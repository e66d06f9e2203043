"""Harlow's experiment of the course: pictures show objects, sides and rewards."""

import gymnasium
import numpy as np
import pytest

from prefrontal import envs
from prefrontal.envs import pictures

ID = "prefrontal/HarlowPairs-v0"


def test_pictures_show_the_objects_on_their_sides_and_the_rewarded_one():
    env = gymnasium.make(ID, trials=2, render_mode="rgb_array")
    env.reset(options={"task": {"objects": [3, 7], "side": [0, 1]}})
    seven = (slice(64, 136), slice(308, 380))  # the card on the right of those to choose from now
    dots = (152, [256, 344])
    first = env.render()
    assert first.dtype == np.uint8
    assert (first[dots] == pictures.GOOD).all(-1).tolist() == [True, False]
    env.step(1)
    second = env.render()
    assert (second[dots] == pictures.GOOD).all(-1).tolist() == [False, True]
    assert (first[seven] != second[seven]).any()
    np.testing.assert_array_equal(first[seven], second[64:136, 220:292])  # it has changed sides
    np.testing.assert_array_equal(first[seven], second[64:136, 108:180])  # and was chosen before
    assert (second[178, 132] == pictures.BAD).all()
    env.step(0)  # after the last trial there is nothing to choose from
    assert (env.render()[30:190, 204:] == pictures.PAPER).all()


@pytest.mark.parametrize("looks", ["digits", "one_hot", "vectors"])
def test_pictures_tell_all_objects_apart(looks):
    env = envs.TaskVectorEnv(
        "prefrontal.envs:HarlowPairs",
        120,
        objects=looks,
        num_objects=121,
        trials=1,
        render_mode="rgb_array",
    )
    objects = np.stack([np.arange(120), np.full(120, 120)], axis=1)
    env.reset(options={"task": {"objects": objects, "side": np.zeros((120, 1))}})
    pictures = [picture.tobytes() for picture in env.render()]
    assert len(set(pictures)) == 120
