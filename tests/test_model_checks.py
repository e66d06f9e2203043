"""The checker names what is wrong with a model of choice, in one line."""

import pytest

from prefrontal.behaviour.models import find
from prefrontal.checks import notes, problems
from prefrontal.command import guarded, main
from prefrontal.templates import write

RATE = '        rate = per_arm(theta["learning_rate"], arms) * trial.chosen\n'
POLICY = "        return log_softmax(value + habit, trial.available)"
VALUES = 'values = torch.lerp(state["values"], trial.reward[..., None], rate)'
RETURN = 'return {"values": values, "habit": torch.lerp(state["habit"], trial.chosen, rate)}'
START = 'return {"values": filled(theta, behaviour, arms), "habit": filled(theta, behaviour, arms)}'
BETA = 'per_arm(theta["inverse_temperature"], arms)'

#: What is wrong, the text of the template and what it becomes, and what the line must say.
WRONG = {
    "syntax": ("def update(self, theta, state, trial):", "def update(self, theta", "SyntaxError"),
    "no base class": ("MyModel(Model)", "MyModel", "must derive from prefrontal.behaviour.models"),
    "no policy": ("def log_policy(", "def policy(", "MyModel lacks log_policy: `prefrontal new mo"),
    "no update": ("def update(", "def learn(", "MyModel lacks update"),
    "wrong arguments": (
        "def update(self, theta, state, trial):",
        "def update(self, theta, state):",
        "MyModel.update must take (theta, state, trial)",
    ),
    "one name twice": (
        '"habit_rate", "unit"',
        '"learning_rate", "unit"',
        "has the name of another",
    ),
    "unknown transform": ('"positive", unit', '"log", unit', "transform must be one of unit, posi"),
    "no variance": ("variance=4.0", "variance=0.0", "variance must be above 0, not 0.0"),
    "a list": (
        '    # needs = ("stakes",)',
        '    needs = ["stakes"]',
        "MyModel.needs must be a tuple of names",
    ),
    "start without vectors": (
        START,
        'return {"values": torch.zeros(arms).double(), "habit": torch.zeros(arms).double()}',
        "MyModel.start: 'values' must be [..., S, ...], here [5, 3] and more, not [2]: filled(",
    ),
    "float32": (
        START,
        START + " | {'x': filled(theta, behaviour).float()}",
        "'x' must be a float64",
    ),
    "another state": (
        RETURN,
        'return {"values": values}',
        "returns values, and values, habit is t",
    ),
    "no probabilities": (POLICY, "        return value + habit", "probabilities do not sum to 1"),
    "probabilities without logarithm": (
        POLICY,
        POLICY + ".exp()",
        "probabilities do not sum to 1: return their logarithms",
    ),
    "shape": (POLICY, POLICY + "[..., 0]", "MyModel.log_policy must be a float64 tensor [5, 3, 2]"),
    "in place": (
        '        rate = per_arm(theta["habit_rate"], arms)',
        '        state["values"].mul_(0.5)\n        rate = per_arm(theta["habit_rate"], arms)',
        "MyModel.update changes 'values' of its argument in place",
    ),
    "the present choice": (
        'value = per_arm(theta["inverse_temperature"], arms) * state["values"]',
        'value = per_arm(theta["inverse_temperature"], arms) * (state["values"] + trial.chosen)',
        "knows a choice before it is made",
    ),
    "the present reward": (
        "log_softmax(value + habit,",
        "log_softmax(value + trial.reward[..., None] * habit,",
        "knows a reward before it is made",
    ),
    "a memory of its own": (
        RATE,
        "        self.last = trial.chosen\n" + RATE,
        "MyModel.update changes self.last: keep nothing outside",
    ),
    "other subjects": (
        VALUES,
        VALUES.replace("trial.reward[..., None]", "trial.reward.mean(-1, keepdim=True)[..., None]"),
        "a subject depends on the others",
    ),
    "no use": (
        'habit = per_arm(theta["habit_weight"], arms) * state["habit"]',
        'habit = state["habit"]',
        "the likelihood does not depend on habit_weight",
    ),
    "no gradient": (
        f"value = {BETA}",
        f"value = {BETA}.detach()",
        "the gradient for inverse_temperature is 0",
    ),
    "a probability of 0": (
        POLICY,
        "        return log_softmax(1e6 * (value + habit).sign(), trial.available).exp().log()",
        "MyModel.log_policy must be finite",
    ),
    "draws": (
        RATE,
        "        torch.rand(1)\n" + RATE,
        "draws numbers from torch's global generator",
    ),
    "control flow": (
        RATE,
        "        if trial.reward > 0:\n            pass\n" + RATE,
        "MyModel.update raises RuntimeError: Boolean value of Tensor",
    ),
}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The text of the template."""
    file = tmp_path_factory.mktemp("new") / "my_model.py"
    write("model", file)
    return file.read_text()


@pytest.fixture
def template(text, tmp_path):
    """Write the template with some of its text replaced; return what `check` is to be given."""

    def written(old="", new=""):
        file = tmp_path / "my_model.py"
        assert old in text, old
        file.write_text(text.replace(old, new) if old else text)
        return f"{file}:MyModel"

    return written


@pytest.mark.parametrize("name", WRONG)
def test_it_says_what_is_wrong(template, name):
    old, new, said = WRONG[name]
    found = problems(template(old, new))
    assert len(found) == 1, found
    assert said in found[0]
    assert "\n" not in found[0]


def test_the_template_is_right_and_found_by_its_name(template, capsys):
    what = template()
    assert guarded(main, ["check", what]) == 0
    assert capsys.readouterr().out == f"{what}: all is well\n"
    model = find(what)
    assert model.name == "my-model"
    assert model.parameters[0].name == "learning_rate"


def test_a_unit_that_is_not_said_is_noted(template):
    (note,) = notes(template('"positive", unit=-1', '"positive"'))
    assert "depends on the unit that rewards are in" in note


def test_a_class_that_is_no_model_is_not_found(template):
    what = template("MyModel(Model)", "MyModel")
    with pytest.raises(ValueError, match="it must be a class derived from"):
        find(what)
