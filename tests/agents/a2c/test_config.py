"""Settings of A2C in groups, and the flat files of before."""

from pathlib import Path

import pytest

from prefrontal.agents import A2CConfig
from prefrontal.agents.a2c.config import CriticConfig, EWCConfig, ReplayConfig
from prefrontal.agents.common.plain import from_plain, to_plain
from prefrontal.agents.runs.folder import RunFolder
from prefrontal.experiments.run_files import settings_of

PRETRAINED = sorted((Path(__file__).parents[3] / "pretrained").rglob("config.toml"))
GROUPS = {"replay": ReplayConfig, "ewc": EWCConfig, "critic": CriticConfig}
FLAT = {"replay": "keep", "critic": "baseline", "correction": "correction"} | {
    name: name for name in ("rho_bar", "c_bar", "policy_cloning", "value_cloning", "cloning_target")
}


@pytest.mark.parametrize("path", PRETRAINED, ids=lambda path: path.parent.name)
def test_every_shipped_configuration_is_read(path):
    """Each flat key of a file from before there were groups has its value in a group."""
    run = RunFolder.read(path.parent)
    _, _, settings = settings_of(run)
    for name, stored in run.config()["conditions"].items():
        algorithm = settings[name].algorithm
        assert from_plain(type(settings[name]), to_plain(settings[name])) == settings[name]
        if isinstance(algorithm, A2CConfig):
            for key, value in stored["algorithm"].items():
                group = next(
                    (g for g in GROUPS if key == g or key.startswith(f"{g}_")),
                    "replay" if key in FLAT else "",
                )
                part = getattr(algorithm, group) if group else algorithm
                field = FLAT.get(key, key.removeprefix(f"{group}_"))
                if not isinstance(value, dict):
                    assert getattr(part, field) == (
                        None if value == "none" and not group else value
                    )


def test_old_keys_by_hand():
    old = {
        "replay": "reservoir",
        "replay_capacity": 2500,
        "replay_from_stage": 1,
        "correction": "clipped",
        "policy_cloning": 0.3,
        "cloning_target": "stage_end",
        "critic": "privileged",
        "critic_units": 32,
        "ewc_coef": 2.0,
        "ewc_online": True,
        "discount": 0.5,
    }
    assert from_plain(A2CConfig, old) == A2CConfig(
        discount=0.5,
        critic=CriticConfig("privileged", 32),
        replay=ReplayConfig(
            "reservoir",
            2500,
            from_stage=1,
            correction="clipped",
            policy_cloning=0.3,
            cloning_target="stage_end",
        ),
        ewc=EWCConfig(2.0, online=True),
    )


def test_options_keep_their_flat_names_on_the_command_line():
    from prefrontal.reading import parse

    words = [
        "--replay",
        "uniform",
        "--replay-capacity",
        "9",
        "--ewc-coef",
        "1",
        "--critic",
        "privileged",
        "--rho-bar",
        "2",
    ]
    config = parse(A2CConfig, words, "program")
    assert config == A2CConfig(
        replay=ReplayConfig("uniform", 9, rho_bar=2.0),
        ewc=EWCConfig(1.0),
        critic=CriticConfig("privileged"),
    )


def test_every_option_has_a_help_text(capsys):
    from prefrontal.reading import parse

    with pytest.raises(SystemExit):
        parse(A2CConfig, ["--help"], "program")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for text in (
        "--replay-capacity INT",
        "Episodes that a member keeps for replay.",
        "--clip-ratio FLOAT",
    ):
        assert text in shown


def test_a_group_is_no_text():
    with pytest.raises(ValueError, match="critic must be a CriticConfig, not 'privileged'"):
        A2CConfig(critic="privileged")
