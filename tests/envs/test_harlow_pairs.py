"""Harlow's experiment of the course: pictures show objects, sides and rewards."""

import gymnasium
import numpy as np
import pytest

from prefrontal import envs

ID = "prefrontal/HarlowPairs-v0"


def halves(picture):
    return picture[:, :64], picture[:, 64:]


def test_pictures_show_the_objects_on_their_sides_and_the_rewarded_one():
    env = gymnasium.make(ID, trials=2, render_mode="rgb_array")
    env.reset(options={"task": {"objects": [3, 7], "side": [0, 1]}})
    left, right = halves(env.render())
    assert left.shape == right.shape == (64, 64, 3)
    assert left.dtype == np.uint8
    assert (left != right).any()
    assert (left[9, 9] != right[9, 9]).any()  # only the rewarded object has a frame
    env.step(0)
    swapped = halves(env.render())
    np.testing.assert_array_equal(swapped[0], right)
    np.testing.assert_array_equal(swapped[1], left)
    env.step(0)  # after the last trial the same once more
    np.testing.assert_array_equal(halves(env.render()), swapped)


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
