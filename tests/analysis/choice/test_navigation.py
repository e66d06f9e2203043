"""Measures of navigation: values by hand, simulated navigators with a known answer."""

import math

import numpy as np
import pytest

from prefrontal.analysis.choice import navigation as nav


def record_of(paths, targets, stopped=True, trials=None, limit=35):
    """Return a record of one member ``[1, E, T]`` from paths (positions at each step, and the end).

    ``paths`` and ``targets``: for each episode a list of trials.
    """
    episodes, steps = len(paths), limit * len(paths[0])
    names = (
        "trial",
        "clock",
        "active",
        "stopped",
        "ended",
        "rewarded",
        "distance",
        "x",
        "y",
        "end_x",
        "end_y",
        "target_x",
        "target_y",
    )
    record = {name: np.zeros((1, episodes, steps)) for name in names}
    record["trial"] = np.full((1, episodes, steps), len(paths[0]) - 1)
    for e, (ways, places) in enumerate(zip(paths, targets, strict=True)):
        t = 0
        for n, (way, place) in enumerate(zip(ways, places, strict=True)):
            for k in range(len(way) - 1):
                last = k == len(way) - 2
                distance = math.dist(way[k + 1], place)
                rewarded = last and stopped and distance < 65
                flags = (n, k, 1, last and stopped, last, rewarded, distance)
                values = (*flags, *way[k], *way[k + 1], *place)
                for name, value in zip(names, values, strict=True):
                    record[name][0, e, t] = value
                t += 1
    record["trial"] = record["trial"].astype(np.int64)
    return record


def straight(end, steps=10):
    """A straight path to ``end`` that begins to move in its second step."""
    return [(0.0, 0.0), *(tuple(np.array(end) * k / (steps - 1)) for k in range(steps))]


def ends_at(ends, targets, **kwargs):
    return nav.ends_of_trials(
        record_of([[straight(end)] for end in ends], [[t] for t in targets], **kwargs)
    )


class TestEnds:
    def test_rewards_and_durations_by_hand(self):
        paths = [[straight((0, 240), 11)], [straight((0, 100), 21)]]
        trials = nav.ends_of_trials(record_of(paths, [[(0, 300)], [(0, 300)]]))
        assert trials.distance.tolist() == [[[60.0], [200.0]]]
        assert trials.rewarded.tolist() == [[[True], [False]]]
        # 11 steps, of which the stop takes no time, and 21
        assert trials.duration == pytest.approx(np.array([[[1.0], [2.0]]]))
        assert nav.rewarded_fraction(trials) == pytest.approx([0.5])
        assert nav.reward_rate(trials) == pytest.approx([1 / 3.0])
        # With the step of each stop: 11 and 21 steps
        assert nav.reward_rate(trials, stop_takes_time=True) == pytest.approx([1 / 3.2])

    def test_time_out_takes_all_its_time_and_pays_nothing(self):
        trials = ends_at([(0, 300)], [(0, 300)], stopped=False)
        assert not trials.rewarded.any()
        assert trials.duration == pytest.approx(
            np.full((1, 1, 1), 1.0)
        )  # ten steps: its limit here

    def test_trials_of_one_episode(self):
        ways = [[straight((0, 100)), straight((50, 50), 5)]]
        trials = nav.ends_of_trials(record_of(ways, [[(0, 100), (0, 0)]]))
        assert trials.distance == pytest.approx(np.array([[[0.0, math.hypot(50, 50)]]]))
        assert trials.duration == pytest.approx(np.array([[[0.9, 0.4]]]))

    def test_a_record_that_was_cut_is_an_error(self):
        record = record_of([[straight((0, 100))]], [[(0, 100)]])
        record["ended"][:] = 0
        with pytest.raises(ValueError, match="must end exactly once"):
            nav.ends_of_trials(record)


class TestErrors:
    def test_straight_ahead(self):
        trials = ends_at([(0, 250), (0, 150)], [(0, 200), (0, 200)])
        for kind in ("radius", "signed distance"):
            assert nav.radial_error(trials, kind) == pytest.approx(np.array([[[50.0], [-50.0]]]))
        assert nav.angular_error(trials) == pytest.approx(np.zeros((1, 2, 1)))

    def test_right_distance_wrong_direction(self):
        side = 200 * np.array([math.sin(math.radians(30)), math.cos(math.radians(30))])
        trials = ends_at([side], [(0, 200)])
        assert nav.radial_error(trials) == pytest.approx(np.zeros((1, 1, 1)), abs=1e-9)
        # To the right is less to the left; the whole distance counts, as the arc is longer
        assert nav.angular_error(trials) == pytest.approx(np.full((1, 1, 1), -30.0))
        far = 2 * 200 * math.sin(math.radians(15))
        error = nav.radial_error(trials, "signed distance")
        assert error == pytest.approx(np.full((1, 1, 1), far))

    def test_angles_wrap(self):
        trials = ends_at([(-1, -100)], [(1, -100)])
        assert abs(nav.angular_error(trials)).max() == pytest.approx(
            2 * math.degrees(0.01), rel=1e-3
        )

    def test_arc_of_a_quarter_circle_and_a_line(self):
        assert nav.arc_length([[100.0, 100.0], [0.0, 70.0], [0.0, 0.0]]) == pytest.approx(
            [50 * math.pi, 70.0, 0.0]
        )

    def test_unknown_kind_is_an_error(self):
        with pytest.raises(ValueError, match="kind must be"):
            nav.radial_error(ends_at([(0, 1)], [(0, 1)]), "squared")


class TestBoundary:
    def targets(self, n=400, seed=0):
        rng = np.random.default_rng(seed)
        r, a = np.sqrt(rng.uniform(100**2, 400**2, n)), np.radians(rng.uniform(-35, 35, n))
        return np.column_stack([r * np.sin(a), r * np.cos(a)])

    def test_exact_ends_give_one_and_unrelated_ends_a_half(self):
        targets = self.targets()
        assert nav.boundary_auc(ends_at(targets, targets)) > 0.999
        other = nav.boundary_auc(ends_at(self.targets(seed=1), targets))
        assert other == pytest.approx([0.5], abs=0.03)

    def test_is_the_area_under_the_swept_curve(self):
        targets = self.targets(60)
        ends = targets + np.random.default_rng(2).normal(0, 60, targets.shape)
        trials = ends_at(ends, targets)
        radii = np.linspace(0, 1500, 15_001)
        own = np.linalg.norm(ends - targets, axis=1)
        others = np.concatenate(
            [np.linalg.norm(ends - np.roll(targets, k, axis=0), axis=1) for k in range(1, 6)]
        )
        hit, false = ((d[:, None] < radii).mean(axis=0) for d in (own, others))
        assert nav.boundary_auc(trials, 5) == pytest.approx([np.trapezoid(hit, false)], abs=1e-3)

    def test_all_ends_in_one_place_give_a_half(self):
        targets = self.targets()
        same = nav.boundary_auc(ends_at(np.tile([0.0, 250.0], (400, 1)), targets))
        assert same == pytest.approx([0.5], abs=0.02)

    def test_needs_more_episodes_than_shifts(self):
        with pytest.raises(
            ValueError, match="the boundary sweep needs more than 20 episodes, not 2"
        ):
            nav.boundary_auc(ends_at([(0, 1), (0, 2)], [(0, 1), (0, 2)]))


class TestPaths:
    def test_straight_way(self):
        one = nav.paths(record_of([[straight((0, 200))]], [[(0, 200)]]))
        assert one.length == pytest.approx(np.array([[200.0]]))
        assert one.stretch == pytest.approx(np.array([[1.0]]))
        assert one.curvature == pytest.approx(np.array([[0.0]]))

    def test_circle_turns_by_its_curvature(self):
        angle = np.linspace(0, math.pi / 2, 34)
        way = [(100 - 100 * math.cos(a), 100 * math.sin(a)) for a in angle]
        one = nav.paths(record_of([[way]], [[(100, 100)]]))
        assert one.length == pytest.approx(np.array([[50 * math.pi]]), rel=1e-3)
        assert one.stretch == pytest.approx(
            np.array([[50 * math.pi / math.hypot(100, 100)]]), rel=1e-3
        )
        # A circle of 1 m turns by 57.3 degrees a metre (but for half a step at either end)
        assert one.curvature == pytest.approx(np.array([[math.degrees(1.0)]]), rel=0.04)

    def test_turns_between_trials_do_not_count(self):
        ways = [[straight((0, 100)), straight((100, 0))]]
        one = nav.paths(record_of(ways, [[(0, 100), (100, 0)]]))
        assert one.length == pytest.approx(np.array([[200.0]]))
        assert one.curvature == pytest.approx(np.array([[0.0]]))

    def test_one_who_never_moved(self):
        one = nav.paths(record_of([[[(0.0, 0.0)] * 5]], [[(0, 100)]]))
        assert one.length.tolist() == [[0.0]]
        assert np.isnan(one.stretch).all()
        assert np.isnan(one.curvature).all()


class TestDecoding:
    def simulated(self, gain=1.0, noise=0.0, code=None, seed=0):
        """Two members whose activity is a linear code of the place, with noise of known size."""
        rng = np.random.default_rng(seed)
        place = np.cumsum(rng.normal(0, 20, (2, 60, 35, 2)), axis=2) * gain
        code = np.random.default_rng(9).normal(0, 0.1, (2, 12)) if code is None else code
        hidden = place @ code
        hidden += rng.normal(0, noise, hidden.shape) if noise else 0
        active = np.ones((2, 60, 35))
        active[:, :, 20:] = 0
        hidden[active == 0] = 1e3  # rest must not be looked at
        return {"x": place[..., 0], "y": place[..., 1], "hidden": hidden, "active": active}

    def test_a_linear_code_is_decoded_exactly(self):
        assert nav.decode_place(self.simulated()) == pytest.approx([0, 0], abs=0.5)

    def test_the_same_code_holds_at_another_gain_and_another_code_does_not(self):
        one, two = self.simulated(), self.simulated(gain=2.0, seed=3)
        assert nav.decode_place(one, two) == pytest.approx([0, 0], abs=1.0)
        other = self.simulated(gain=2.0, code=np.random.default_rng(5).normal(0, 0.1, (2, 12)))
        assert (nav.decode_place(one, other) > 50).all()
        assert nav.decode_place(other) == pytest.approx([0, 0], abs=1.0)

    def test_noise_gives_the_error_of_least_squares(self):
        code = np.eye(2, 6) * 0.1
        error = nav.decode_place(self.simulated(noise=1.0, code=code))
        # Two units carry a coordinate each, noise 10 cm: a little shrunk, mean of a Rayleigh law
        assert error == pytest.approx(10 * math.sqrt(math.pi / 2) * np.ones(2), rel=0.06)

    def test_activity_that_says_nothing_leaves_the_spread_of_places(self):
        record = self.simulated()
        record["hidden"] = np.random.default_rng(1).normal(size=record["hidden"].shape)
        places = np.stack([record["x"], record["y"]], -1)[:, 42:, :20].reshape(2, -1, 2)
        spread = np.linalg.norm(places - places.mean(axis=1, keepdims=True), axis=-1).mean(axis=1)
        assert nav.decode_place(record) == pytest.approx(spread, rel=0.1)

    def test_a_part_without_test_episodes_is_an_error(self):
        with pytest.raises(ValueError, match="part must leave episodes"):
            nav.decode_place(self.simulated(), part=1.0)


def test_mean_size_counts_active_steps_only():
    record = {
        "active": np.array([[[1, 1, 0], [1, 0, 0]]]),
        "rpe": np.array([[[2.0, -4, 9], [-3, 9, 9]]]),
    }
    assert nav.mean_size(record, "rpe") == pytest.approx([3.0])


def test_first_to_asks_for_two_points_in_a_row():
    curves = np.array([[0.1, 0.95, 0.2], [0.95, 0.2, 0.3], [0.96, 0.95, 0.4], [0.9, 0.9, 0.5]])
    assert nav.first_to([500, 1000, 1500, 2000], curves, 0.9).tolist() == [1000, 1500, np.inf]
    assert nav.first_to([200], [[0.95, 0.1]], 0.9).tolist() == [np.inf, np.inf]
