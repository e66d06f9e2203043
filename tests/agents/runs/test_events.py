"""What TensorBoard shows of a run beside its metrics."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import backend_context

from prefrontal import command

WORDS = ("--members", "2", "--total-steps", "3200", "--num-envs", "4", "--workers", "1")


def tags(folder: Path, pattern: str) -> EventAccumulator:
    (file,) = folder.glob(pattern)
    events = EventAccumulator(str(file), size_guidance={"images": 0, "scalars": 0})
    return events.Reload()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("events") / "run"
    assert command.train(["context-bandit", *WORDS, "--no-progress", "--out", str(out)]) == 0
    return out


def test_training_writes_hyper_parameters_and_known_returns(run: Path) -> None:
    events = tags(run, "events.out.tfevents*")
    assert not [path for path in run.iterdir() if path.is_dir() and path.name != "checkpoint"]
    known = {name: [(e.step, e.value) for e in events.Scalars(f"levels/{name}")] for name in LEVELS}
    assert known == {name: [(0, value), (3200, value)] for name, value in LEVELS.items()}
    hidden = {"_hparams_/session_start_info", "custom_scalars__config__"}
    assert hidden <= set(events.summary_metadata)
    start = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"algorithm/learning_rate" in start
    assert b"network/hidden_size" in start
    layout = layout_pb2.Layout()
    (tensor,) = events.Tensors("custom_scalars__config__")
    layout.ParseFromString(tensor.tensor_proto.string_val[0])
    (chart,) = layout.category[0].chart
    assert set(chart.multiline.tag) == {"rollout/return", "levels/optimum", "levels/chance"}


LEVELS = {"optimum": 99.5, "chance": 50.0}


def test_an_evaluation_is_added_and_replaced(run: Path) -> None:
    for _ in range(2):
        assert command.evaluate([str(run), "--episodes", "20", "--record", "1"]) == 0
    events = tags(run, "events.out.tfevents*.evaluation")
    assert [e.step for e in events.Scalars("evaluation/accuracy, trial 2")] == [3200]
    assert "evaluation/findings/text_summary" in events.summary_metadata
    assert {"evaluation/learning_curve", "evaluation/accuracy_by_trial"} <= set(
        events.Tags()["images"]
    )


def test_the_hparams_tab_shows_settings_beside_findings(run: Path) -> None:
    """As TensorBoard itself reads the folder; needs the evaluation of the test before."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(run)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(run))
    plugin = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    told = plugin.hparams_metadata(RequestContext(), "")
    from_provider = plugin.hparams_from_data_provider(RequestContext(), "", None)
    said = plugin.experiment_from_metadata(RequestContext(), "", True, told, from_provider)
    assert {"algorithm/learning_rate", "num_envs"} <= {one.name for one in said.hparam_infos}
    names = {one.name.tag for one in said.metric_infos}
    assert {"rollout/return", "evaluation/accuracy, trial 2"} <= names


def test_another_task_has_no_known_returns(tmp_path: Path) -> None:
    words = [*WORDS, "--no-progress", "--out", str(tmp_path / "run"), "--trials", "20"]
    assert command.train(["context-bandit", *words]) == 0
    found = tags(tmp_path / "run", "events.out.tfevents*").Tags()["scalars"]
    assert "rollout/return" in found
    assert not [name for name in found if name.startswith("levels/")]


def test_shipped_populations_are_left_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = []
    monkeypatch.setattr(
        "prefrontal.agents.runs.events.write_evaluation", lambda *given: written.append(given)
    )
    words = ["--episodes", "20", "--record", "1", "--no-figures"]
    assert command.evaluate(["context-bandit", *words]) == 0
    assert not written
