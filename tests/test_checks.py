"""The checker names what is wrong with a task, a core or a study, in one line."""

import dataclasses

import pytest

from prefrontal import envs
from prefrontal.agents.common.user_files import import_object
from prefrontal.agents.networks.config import CORES
from prefrontal.agents.networks.cores import core_class
from prefrontal.checking import option
from prefrontal.checks import notes, problems, quick_problems
from prefrontal.checks.calls import Wrong
from prefrontal.checks.studies import _shape_problems
from prefrontal.command import guarded, main
from prefrontal.experiments.experiment import find_experiment
from prefrontal.templates import write


@pytest.fixture
def template(tmp_path):
    """Write a template with some of its text replaced; return what `check` is to be given."""

    def written(kind, *changes):
        file = tmp_path / f"my_{kind}.py"
        write(kind, file)
        text = file.read_text()
        short = ("trials: int = option(100", "trials: int = option(20")
        for old, new in (*[short] * (kind == "task"), *changes):
            assert old in text, old
            text = text.replace(old, new)
        file.write_text(text)
        return str(file) if kind == "study" else f"{file}:My{kind.title()}"

    return written


RETURN = 'return {"t": state["t"] + 1, "best": best}, light, reward'
PAYS = "reward = (pays < self.chance(params, state, action)).float()"
MAKE = "    def from_uniform(self, uniform, split):\n"
SAMPLE = "    def sample(self, n, split, generator):\n        uniform = "
START = 'return {"t": 0, "best": params["first"]}, light'
MADE = 'return {"good": good, "first": (uniform[:, 1] * self.arms).long()}'

#: What is wrong, the text of the template and what it becomes, and what the line must say.
WRONG_TASKS = {
    "syntax": ("def reset(self, params):", "def reset(self, params)", "SyntaxError"),
    "import": ("import torch\n", "import torhc\n", "No module named 'torhc'"),
    "no dataclass": (
        "@dataclasses.dataclass(frozen=True)\n",
        "",
        "MyTask must be decorated with @dataclasses.dataclass(frozen=True)",
    ),
    "not frozen": (
        "@dataclasses.dataclass(frozen=True)\n",
        "@dataclasses.dataclass\n",
        "cannot inherit non-frozen dataclass from a frozen one",
    ),
    "no base class": (
        "MyTask(envs.Task)",
        "MyTask",
        "MyTask must derive from prefrontal.envs.Task",
    ),
    "no default": (
        'hazard: float = option(0.05, "Probability that the best arm jumps.", least=0, most=1)',
        "hazard: float = dataclasses.field(kw_only=True)",
        "MyTask.hazard must have a default",
    ),
    "no annotation": ("hazard: float = option", "hazard = option", "no type annotation"),
    "default of another type": (
        "hazard: float = option(0.05",
        'hazard: float = option("often"',
        "MyTask.hazard must be a number, got 'often'",
    ),
    "default out of range": ("hazard: float = option(0.05", "hazard: float = option(5.0", "hazard"),
    "name of a setting": ("hazard", "discount", "MyTask.discount must have another name"),
    "name of an argument": ("cue", "device", "MyTask.device must have another name"),
    "constant with annotation": ("noise = 3 ", "noise: int = 3 ", "MyTask.noise must be constant"),
    "no noise": ("    noise = 3 ", "    nose = 3 ", "MyTask lacks noise;"),
    "no facts": ("def facts(", "def fact(", "MyTask lacks facts;"),
    "no parameters": ("    parameters = ", "    names = ", "MyTask lacks parameters;"),
    "parameters that are a text": (
        'parameters = ("good", "first")',
        'parameters = "good"',
        "MyTask.parameters must be a tuple of names",
    ),
    "no way to draw": ("draws = 2", "drawn = 2", "must define draws and from_uniform, or sample"),
    "noise of another type": ("noise = 3 ", 'noise = "3" ', "MyTask.noise must be a whole number"),
    "reversed range": (
        "reward_range = (0.0, 1.0)",
        "reward_range = (1.0, 0.0)",
        "MyTask.reward_range must be",
    ),
    "bounds of unequal length": (
        "observation_high = (0.0,), (1.0,)",
        "observation_high = (0.0,), (1.0, 1.0)",
        "observation_low and observation_high must be as long as each other",
    ),
    "reward value out of range": (
        "reward_values = (0.0, 1.0)",
        "reward_values = (0.0, 1.0, 2.0)",
        "reward_values has 2.0",
    ),
    "names of parameters": (
        MADE,
        MADE.replace('"first"', '"best"'),
        "must return a dict with the names in parameters, not ['best', 'good']",
    ),
    "shape of a parameter": (
        '"good": good,',
        '"good": good.mean(),',
        "MyTask.from_uniform: 'good' must be a tensor [n, ...]",
    ),
    "kind of a parameter": ('"good": good,', '"good": good.double(),', "not float64"),
    "too few draws": ("draws = 2", "draws = 1", "draws = 1: as many uniform numbers a task"),
    "tasks that depend on each other": (
        "good = 0.6 +",
        "good = 0.0 * uniform.mean() + uniform[:, 0].mean() * 1e-2 + 0.6 +",
        "a task depends on the others of its batch",
    ),
    "tasks of a global generator": (
        ("    draws = 2 ", "    # "),
        (MAKE, f"{SAMPLE}torch.rand(n, 2)\n"),
        "MyTask.sample draws numbers from torch's global generator",
    ),
    "tasks of another generator": (
        ("    draws = 2 ", "    # "),
        (MAKE, f"{SAMPLE}torch.rand(n, 2, generator=torch.Generator().manual_seed(0))\n"),
        "MyTask.sample draws the same tasks always",
    ),
    "tasks on another device": (
        ("    draws = 2 ", "    # "),
        (MAKE, f"{SAMPLE}torch.rand(n, 2, generator=generator)\n"),
        "MyTask.sample makes tensors on the default device",
    ),
    "tasks that differ for one seed": (
        ("    draws = 2 ", "    # "),
        (
            MAKE,
            "    calls = [0]\n\n"
            f"{SAMPLE}torch.rand(n, 2, generator=generator) * 0.1 * self.calls[0] % 1\n"
            "        self.calls[0] += 1\n",
        ),
        "MyTask.sample changes MyTask.calls",
    ),
    "a trial that goes back": (
        'torch.full_like(action, state["t"])',
        'torch.full_like(action, -state["t"])',
        "'trial' goes down at step 1",
    ),
    "splits that overlap": (
        "good = 0.6 + 0.4 * bands(uniform[:, 0], split)",
        'good = 0.6 + uniform[:, 0] * {"train": 0.2, "held_out": 0.3, "all": 0.3}[split]\n'
        "        uniform = torch.zeros_like(uniform)",
        "the splits overlap: about",
    ),
    "splits that share a task": (
        "good = 0.6 + 0.4 * bands(uniform[:, 0], split)",
        'good = torch.where(uniform[:, 0] < (0.5 if split == "train" else 0.3), 0.6, 0.9)',
        "the splits overlap: train and held_out both have the task",
    ),
    "splits that are ignored": ("bands(uniform[:, 0], split)", "uniform[:, 0]", "split is ignored"),
    "all without one half": (
        "bands(uniform[:, 0], split)",
        '(0.5 * uniform[:, 0] + 0.5 * (split == "held_out"))',
        "the split all must be train and held_out together",
    ),
    "an error of the user's": (
        "light = torch.zeros_like",
        "light = torch.zeros_lik",
        "(my_task.py, line 70, in reset)",
    ),
    "validate refuses": (
        "good, first = ((), 0.5, 1.0)",
        "good, first = ((), 0.9, 1.0)",
        "validate",
    ),
    "validate accepts anything": (
        'return check_parameters(params, integers=("first",), good=good, first=first)',
        "return {k: torch.as_tensor(v) for k, v in params.items()}",
        "MyTask.validate accepts a parameter that there is not",
    ),
    "no time": (START, 'return {"best": params["first"]}, light', '"t"] must be 0'),
    "time that stands": ('state["t"] + 1', 'state["t"]', 'state["t"] must go up by one'),
    "reset without a state": (
        START,
        "return light",
        "MyTask.reset must return (state, observation)",
    ),
    "step without a reward": (RETURN, RETURN[:-8], "must return (state, observation, reward)"),
    "observation of another shape": (
        "light = (jump & self.cue).float()[:, None]",
        "light = (jump & self.cue).float()",
        "the observation must be a float32 tensor [16, 1], not float32 [16]",
    ),
    "observation of another kind": (
        "light = (jump & self.cue).float()[:, None]",
        "light = (jump & self.cue)[:, None]",
        "the observation must be a float32 tensor [16, 1], not bool",
    ),
    "observation out of bounds": (
        "light = (jump & self.cue).float()[:, None]",
        "light = 2 * (pays < 0.5).float()[:, None]",
        "feature 0 of the observation is 2, outside of observation_low",
    ),
    "observation that is no number": (
        "light = (jump & self.cue).float()[:, None]",
        "light = (0.0 / (jump & False).float())[:, None]",
        "the observation must be finite",
    ),
    "reward of another shape": (
        ".chance(params, state, action)).float()",
        ".chance(params, state, action)).float()[:, None]",
        "the reward must be a float32 tensor",
    ),
    "reward of another kind": (
        ".chance(params, state, action)).float()",
        ".chance(params, state, action))",
        "the reward must be a float32 tensor [16], not bool",
    ),
    "reward out of range": (PAYS, f"{PAYS} - 1.0", "the reward is -1, outside of reward_range"),
    "reward that is not listed": (PAYS, f"{PAYS} * 0.5", "which is not in reward_values"),
    "parameters changed": (PAYS, f'{PAYS}\n        params["good"] *= 0.99', "changes 'good'"),
    "state changed for good": (
        RETURN,
        f'state["t"] += 1\n        {RETURN}',
        "MyTask.step changes 't' of its argument in place",
    ),
    "state on the object": (
        PAYS,
        f"{PAYS}\n        self.last = action",
        "line 77, in step): keep nothing on the object",
    ),
    "state on the object by force": (
        PAYS,
        f'{PAYS}\n        object.__setattr__(self, "last", action)',
        "MyTask.step changes self.last",
    ),
    "state on the class": (
        PAYS,
        f"{PAYS}\n        MyTask.calls = getattr(MyTask, 'calls', 0) + 1",
        "MyTask.step changes MyTask.calls",
    ),
    "state in the module": (
        PAYS,
        f"{PAYS}\n        globals()['CALLS'] = globals().get('CALLS', 0) + 1",
        "MyTask.step changes the global CALLS",
    ),
    "state where only another batch shows it": (
        (
            "@dataclasses.dataclass(frozen",
            "class Kept:\n    pass\n\n\n@dataclasses.dataclass(frozen",
        ),
        (
            "light = torch.zeros_like",
            "Kept.good = params['good']\n        light = torch.zeros_like",
        ),
        ("noise\n", "noise\n        params = {'good': Kept.good[: len(action)]}\n"),
        "MyTask keeps state outside of what it returns",
    ),
    "global randomness": (
        "jump = jumps < self.hazard",
        "jump = torch.rand_like(jumps) < self.hazard",
        "MyTask.step draws numbers from torch's global generator",
    ),
    "randomness of Python": (
        "jump = jumps < self.hazard",
        "import random\n        jump = jumps < random.random()",
        "MyTask.step draws numbers from the module random",
    ),
    "randomness of its own": (
        "jump = jumps < self.hazard",
        "import numpy\n        jump = jumps < numpy.random.default_rng().random()",
        "MyTask.step returns something else for the same arguments",
    ),
    "too little noise": ("noise = 3 ", "noise = 2 ", "(noise = 2: as many rows)"),
    "too much noise": (
        ("noise = 3 ", "noise = 4 "),
        ("pays, jumps, where = noise", "pays, jumps, where, _ = noise"),
        "never uses row 3 of the noise",
    ),
    "rows that leak": (
        "jump = jumps < self.hazard",
        "jump = jumps.mean() * torch.ones_like(jumps) < 0.5",
        "rows of a batch leak into each other",
    ),
    "trials that start where they do not": (
        '"trial": torch.full_like(action, state["t"])',
        '"trial": torch.full_like(action, state["t"] // 2)',
        "MyTask.trial_start is True at step 1, where 'trial' of the facts is not another",
    ),
    "trials that do not start": (
        "    def facts(self, params, state, action):",
        "    def trial_start(self, params, state):\n        return False\n\n"
        "    def facts(self, params, state, action):",
        "MyTask.trial_start is False at step 0, where 'trial' of the facts is another",
    ),
    "a start that is a number": (
        "    def facts(self, params, state, action):",
        "    def trial_start(self, params, state):\n        return 1\n\n"
        "    def facts(self, params, state, action):",
        "MyTask.trial_start must be a bool tensor [16], not int (or True or False)",
    ),
    "facts that lack one": ('"optimal_action": state', '"best": state', "lacks optimal_action"),
    "facts of another shape": (
        '"optimal_reward": params["good"]',
        '"optimal_reward": params["good"][:, None]',
        "'optimal_reward' must be a float32 tensor [16]",
    ),
    "optimal action out of range": (
        '"optimal_action": state["best"]',
        '"optimal_action": state["best"] + 1',
        "'optimal_action' must be 0 to 2, not 3",
    ),
    "wrong optimal action": (
        '"optimal_action": state["best"]',
        '"optimal_action": (state["best"] + 1) % self.arms',
        "'expected_reward' of the 'optimal_action' is below 'optimal_reward'",
    ),
    "wrong optimal reward": (
        '"optimal_reward": params["good"]',
        '"optimal_reward": torch.ones_like(params["good"])',
        "'optimal_reward' is 1 at trial 0, where 'expected_reward' of the best action",
    ),
    "wrong expected reward": (
        "pays < self.chance(params, state, action)",
        "pays < 0.8 * self.chance(params, state, action)",
        "too high on average",
    ),
    "privileged of another shape": (
        '* params["good"][:, None]',
        "@ torch.ones(self.arms, dtype=torch.long)",
        "MyTask.privileged must return a float32 tensor [n, K]",
    ),
    "privileged that fails after the end": (
        "return F.one_hot",
        "assert state['t'] < self.trials\n        return F.one_hot",
        "after the last step",
    ),
    "tensors on another device": (
        'light = torch.zeros_like(params["good"])[:, None]',
        'light = torch.zeros(len(params["good"]), 1)',
        "MyTask.reset makes tensors on the default device",
    ),
    "open loop with influence": (
        ("    draws = 2", "    open_loop = True\n    draws = 2"),
        ("jump = jumps < self.hazard", "jump = (jumps < self.hazard) & (action == state['best'])"),
        "open_loop is True, but",
    ),
    "no copy": (
        RETURN,
        RETURN.replace('"best": best', '"best": best, "f": lambda: 0'),
        "cannot be copied by pickle",
    ),
}


FORWARD = "        return h, (h,)"
UNITS = "        self.units = hidden_size\n"
NEW = "h = torch.lerp(h, new, gate)"
INITIALISE = (
    "    def initialise(self, generator, input_gain, forget_bias):\n"
    "        for w in self.parameters():\n"
)

WRONG_CORES = {
    "no module": ("MyCore(nn.Module)", "MyCore", "MyCore must derive from torch.nn.Module"),
    "constructor": (
        "def __init__(self, input_size, hidden_size):",
        "def __init__(self, input_size, hidden_size, depth):",
        "MyCore.__init__ must take (input_size, hidden_size): missing a required argument: 'depth'",
    ),
    "no initial state": (
        "def initial_state",
        "def first_state",
        "MyCore lacks initial_state: `prefrontal new core",
    ),
    "no forward": ("def forward", "def backward", "MyCore lacks forward: `prefrontal new core"),
    "arguments of forward": ("(self, x, state)", "(self, x)", "must take (x, state)"),
    "arguments of initial_state": ("(self, batch)", "(self)", "initial_state must take (batch)"),
    "an error of the user's": ("torch.tanh(", "torch.tanhh(", "(my_core.py, line 35, in forward)"),
    "constructor fails": (UNITS, f"{UNITS}        units()\n", "hidden_size=24) raises NameError"),
    "a state that is a tensor": (
        "return (torch.zeros(batch, self.units),)",
        "return torch.zeros(batch, self.units)",
        "must return the state as a tuple of tensors, not Tensor; of one tensor it is (h,)",
    ),
    "a state of numbers": ("return (torch.zeros(batch, self.units),)", "return (0.0,)", "of float"),
    "a state without a batch": (
        "torch.zeros(batch, self.units)",
        "torch.zeros(self.units)",
        "tensor 0 of the state must be [batch, ...], not [24] for batch = 5",
    ),
    "a state of another kind": (
        "torch.zeros(batch, self.units)",
        "torch.zeros(batch, self.units, dtype=torch.long)",
        "tensor 0 of the state must be float32, not torch.int64",
    ),
    "a state that grows": (
        FORWARD,
        "        return h, (torch.cat([h, h], 1),)",
        "tensor 0 of the state must be a float32 tensor [5, 24], not float32 [5, 48]",
    ),
    "a state with more": (FORWARD, "        return h, (h, h)", "the state has 2 tensors, and 1"),
    "features alone": (FORWARD, "        return h", "must return (features, state), not Tensor"),
    "features of another shape": (
        FORWARD,
        "        return h[:, :4], (h,)",
        "the features must be a float32 tensor [5, 24], not float32 [5, 4]",
    ),
    "features of another kind": (FORWARD, "        return h.double(), (h,)", "not float64 [5, 24]"),
    "weights of another kind": (
        UNITS,
        UNITS + "        super().double()\n        self.w = "
        "nn.Parameter(torch.zeros(1, dtype=torch.double))\n",
        "MyCore.w must be float32",
    ),
    "rows that leak": (
        "(h,) = state",
        "(h,) = state\n        x = x - x.mean(0)",
        "a row depends on the others of its batch",
    ),
    "state on the object": (FORWARD, f"        self.h = h\n{FORWARD}", "forward changes self.h"),
    "a count on the object": (
        FORWARD,
        f"        self.units += 1\n{FORWARD}",
        "MyCore.forward changes self.units",
    ),
    "random numbers": (NEW, f"{NEW} + torch.randn_like(h)", "draws numbers from torch's global"),
    "dropout": (NEW, f"h = nn.functional.dropout({NEW[4:]})", "draws numbers from torch's global"),
    "buffers": (
        UNITS,
        UNITS + "        self.register_buffer('mean', torch.zeros(3))\n",
        "MyCore.mean is a buffer",
    ),
    "unused parameters": (
        UNITS,
        UNITS + "        self.spare = nn.Parameter(torch.zeros(3))\n",
        "MyCore.spare is a parameter without a gradient",
    ),
    "no gradient": (FORWARD, "        return h.detach(), (h.detach(),)", "carry no gradient"),
    "inputs changed": (
        "(h,) = state",
        "(h,) = state\n        x *= 2",
        "changes argument 1 in place",
    ),
    "state changed": (
        "(h,) = state",
        "(h,) = state\n        h += 1",
        "changes argument 2 in place",
    ),
    "a number of a tensor": (
        NEW,
        "h = torch.lerp(h, new, gate) if gate.mean().item() > 0.0 else h",
        "forward asks for the number in a tensor (.item()): compute with the tensor (my_core.py,",
    ),
    "a branch on a tensor": (
        NEW,
        f"{NEW} if (gate > -1).all() else h",
        "has an if or while that depends on a tensor: use torch.where (my_core.py, line 36,",
    ),
    "a mask as an index": (NEW, f"{NEW} + 0 * h[h > 0].sum()", "whose size depends on numbers"),
    "numbers of NumPy": (
        NEW,
        f"{NEW} + 0 * torch.from_numpy(h.detach().numpy())",
        "takes numbers out of PyTorch (numpy, tolist)",
    ),
    "a state of zeros changed": (
        "(h,) = state",
        "(h,) = state\n        h *= 0.5",
        "changes argument 2 in place",
    ),
    "rounded features": (NEW, f"{NEW}.round()", "forward ignores x, or is not differentiable"),
    "signs for features": (FORWARD, "        return h.sign(), (h,)", "is not differentiable: the"),
    "tensors on another device": (NEW, f"{NEW} + torch.zeros(1)", "on the default device"),
    "arguments of initialise": (
        "    # Weights are",
        "    def initialise(self, generator):\n        pass\n    # Weights are",
        "MyCore.initialise must take (generator, input_gain, forget_bias)",
    ),
    "initialise draws elsewhere": (
        "    # Weights are",
        f"{INITIALISE}            nn.init.normal_(w)\n    # Weights are",
        "MyCore.initialise draws numbers from torch's global generator",
    ),
    "weights of NumPy": (
        "self.candidate = nn.Linear(input_size + hidden_size, hidden_size)",
        "self.candidate = nn.Linear(input_size + hidden_size, hidden_size)\n"
        "        import numpy\n"
        "        self.gate.bias.data += float(numpy.random.default_rng().random())",
        "the weights differ for the same seed",
    ),
    "one half": (
        "    # Weights are",
        "    def drive(self, x, state):\n        return x\n    # Weights are",
        "MyCore has one of drive and advance: it needs both, or neither",
    ),
    "halves of something else": (
        "    # Weights are",
        "    def drive(self, x, state):\n        return self.gate(torch.cat([x, state[0]], 1))\n"
        "    def advance(self, pre, state):\n        return pre, (pre,)\n    # Weights are",
        "MyCore.advance(drive(x, state), state) is not what forward(x, state) is",
    ),
    "a sequence of something else": (
        "    # Weights are",
        "    def sequence(self, xs, state):\n"
        "        return torch.stack([self(x, state)[0] for x in xs])\n    # Weights are",
        "MyCore.sequence with the state is not what forward gives step by step",
    ),
    "a reset to no state": (
        "    # Weights are",
        "    def reset(self, state):\n        return torch.zeros_like(state[0])\n    # Weights are",
        "MyCore.reset must return the state as a tuple of tensors",
    ),
    "numbers that grow": (
        "new = torch.tanh(",
        "new = torch.exp(",
        "MyCore.forward is not finite at step",
    ),
    "inputs that are ignored": (
        "(h,) = state",
        "(h,) = state\n        x = torch.zeros_like(x)",
        "MyCore.forward ignores x",
    ),
}

SETTINGS = 'conditions={"memory": settings("lstm"), "no-memory": settings("none")}'

WRONG_STUDIES = {
    "no study": ("EXPERIMENT =", "STUDY =", "has no EXPERIMENT"),
    "another class": ("EXPERIMENT = Experiment(", "EXPERIMENT = dict(", "holds no EXPERIMENT"),
    "unknown setting": (
        "A2CConfig(learning_rate",
        "A2CConfig(lerning_rate",
        "unexpected keyword argument 'lerning_rate'",
    ),
    "a value out of range": ("discount=0.9", "discount=1.9", "discount must be between 0 and 1"),
    "no conditions": (SETTINGS, "conditions={}", "conditions must map names to Settings"),
    "conditions that are none": (
        SETTINGS,
        'conditions={"memory": NetworkConfig()}',
        "EXPERIMENT.conditions['memory'] must be Settings, not NetworkConfig",
    ),
    "a part that is none": (
        "NetworkConfig(core=core, hidden_size=32)",
        '"lstm"',
        "EXPERIMENT.conditions['memory'].network must be settings like NetworkConfig()",
    ),
    "a name of the package": (
        'name="my-study"',
        'name="wang2016-bandit"',
        "the package has an experiment wang2016-bandit",
    ),
    "a name that is no name": ('name="my-study"', 'name="my study"', "EXPERIMENT.name must be"),
    "unknown environment": ("TwoArmedBandit-v0", "TwoArmedBandits-v0", "['memory']: there is no"),
    "unknown parameter": ('{"trials": 100}', '{"trails": 100}', "unknown key 'trails'"),
    "unknown core": ('settings("lstm")', 'settings("lstn")', "core must be one of"),
    "no measure": ("measure=measure", "measure=None", "EXPERIMENT.measure must be a function"),
    "a measure that fails": (
        'record["regret"]',
        'record["regrets"]',
        "EXPERIMENT.measure raises KeyError: 'regrets' (my_study.py, line 31, in measure)",
    ),
    "a measure without an outcome": (
        "return Outcome(findings, figures)",
        "return findings",
        "EXPERIMENT.measure must return an Outcome, not list",
    ),
    "findings that are none": (
        "return Outcome(findings, figures)",
        "return Outcome([1.0], figures)",
        "findings must be of the class Finding, not 1.0",
    ),
    "figures that are none": (
        "return Outcome(findings, figures)",
        'return Outcome(findings, ["a.png"])',
        "figures must be paths of written files, not 'a.png'",
    ),
}


@pytest.mark.parametrize("name", ["zwei-Ärme", "a=1", "-a", "checkpoint"])
def test_names_of_studies_and_conditions_are_what_the_message_says(name):
    study = find_experiment("context-bandit")
    settings = study.conditions["default"]
    right = dataclasses.replace(study, name="a.2_b-c", conditions={"a.2_b-c": settings})
    assert list(_shape_problems(right)) == []
    for changes in ({"name": name}, {"conditions": {name: settings}}):
        with pytest.raises(Wrong, match=r"letters from a to z, digits and any of -_\. "):
            list(_shape_problems(dataclasses.replace(right, **changes)))


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        pytest.param(
            kind,
            [fault[:2]] if isinstance(fault[0], str) else fault[:-1],
            fault[-1],
            id=f"{kind}: {name}",
        )
        for kind, faults in (("task", WRONG_TASKS), ("core", WRONG_CORES), ("study", WRONG_STUDIES))
        for name, fault in faults.items()
    ],
)
def test_what_is_wrong_is_named(template, kind, changes, said):
    found = problems(template(kind, *changes))
    assert said in found[0]
    assert not any("\n" in one for one in found)


FACES = """
import gymnasium
import numpy as np


class Faces(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.ones(2, np.float32), 1.0, self.t == 5, False, {}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        ("(gymnasium.Env)", "", "Faces must derive from prefrontal.envs.Task or gymnasium.Env"),
        ("return np.ones(2, np.float32)", "return np.ones(3, np.float32)", "Faces: the checker of"),
        ("action_space = ", "actions = ", "AttributeError"),
        ("self.t == 5, False", "self.t == 5", "Faces: the checker of Gymnasium raises"),
        ("reset(self, *,", "reset(self, level, *,", "Faces: the checker of Gymnasium raises"),
    ],
)
def test_environments_of_gymnasium_are_checked_by_its_checker(tmp_path, old, new, said):
    file = tmp_path / "faces.py"
    file.write_text(FACES.replace(old, new) if old else FACES)
    found = problems(f"{file}:Faces")
    assert len(found) == (said is not None)
    assert all(said in one and "\n" not in one for one in found)


MASKED = FACES.replace("Discrete(2)", "Discrete(6, start=3)").replace(
    "        self.t += 1\n",
    "        if not self.action_masks()[action - 3]:\n"
    "            raise ValueError('an illegal action')\n"
    "        self.t += 1\n",
)
MASKED += """
    def action_masks(self):
        return np.arange(6) == (5 * self.t + 3) % 6
"""


@pytest.mark.parametrize("told", ["{}", "{'action_mask': self.action_masks()}"])
def test_environments_with_masks_are_checked_with_legal_actions(tmp_path, told):
    """An environment says masks in `info`, or by the method that MaskablePPO asks."""
    file = tmp_path / "masked.py"
    file.write_text(MASKED.replace("{}\n", f"{told}\n"))
    assert problems(f"{file}:Faces") == []


def test_a_name_of_another_learner_and_a_missing_docstring_are_notes(template, capsys):
    start = '    """A bandit whose best arm'
    what = template("task", ("cue", "inheritance"), (start, '    _ = """A bandit'))
    said = [
        "MyTask has no docstring: say in a line what the task is",
        "MyTask.inheritance is also a setting of evolution, which counts there",
    ]
    assert notes(what) == said
    assert guarded(main, ["check", what]) == 0
    assert capsys.readouterr().out == "".join(f"{what}: note: {one}\n" for one in said) + (
        f"{what}: all is well\n"
    )


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no_such_file.py:MyTask", "there is no file no_such_file.py"),
        ("no_such_file.py", "there is no file no_such_file.py"),
        ("prefrontal.envs.bandits:NAMED", "is no class: name the class of a task, core or model"),
        ("prefrontal.envs.bandits:Bandit", "Bandit lacks facts"),
        ("prefrontal.envs.bandits", "has no EXPERIMENT, as a study must"),
        ("wang2016-bandit", "name a task, core or model, FILE.py:CLASS or PACKAGE.MODULE:CLASS,"),
        ("", "has no value: give one, or leave it out"),
    ],
)
def test_other_names_are_refused_in_one_line(what, said, capsys):
    assert guarded(main, ["check", what]) == 2
    out, error = capsys.readouterr()
    assert not out
    assert said in error
    assert error.count("\n") == 1


def test_a_file_without_a_study_says_how_its_class_is_named(template):
    file = template("task").rpartition(":")[0]
    assert problems(file)[0].endswith(
        f"name the class if you mean a task, core or model: {file}:MyTask"
    )


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("task", "step without a reward"),
        ("task", "no noise"),
        ("core", "features alone"),
        ("core", "no gradient"),
        ("core", "a branch on a tensor"),
        ("core", "one half"),
        ("core", "halves of something else"),
    ],
)
def test_what_is_quickly_seen_is_seen_before_training(template, kind, fault):
    old, new, said = (WRONG_TASKS if kind == "task" else WRONG_CORES)[fault]
    made = import_object(template(kind, (old, new)))
    assert said in quick_problems(made)[0]


@pytest.mark.parametrize("name", envs.TASKS)
def test_tasks_of_the_package_are_right(name):
    assert problems(envs.task_class(name)) == []
    assert quick_problems(envs.task_class(name)) == []


@dataclasses.dataclass(frozen=True)
class Delayed(envs.Harlow):
    """Every episode has a delay of its own."""

    delay: int = option(2, "Blank steps.")
    shortest_delay: int | None = option(0, "The fewest.")


@dataclasses.dataclass(frozen=True)
class Following(envs.FireflyNavigation):
    """Several short trials."""

    targets: int = option(3, "Targets.")
    trial_steps: int = option(6, "Steps.")


@pytest.mark.parametrize("task", [Delayed, Following])
def test_tasks_with_trials_of_unequal_length_are_right(task):
    assert problems(task) == []


@pytest.mark.parametrize("core", [name for name, where in CORES.items() if isinstance(where, str)])
def test_cores_of_the_package_are_right(core):
    assert problems(core_class(core)) == []
    assert quick_problems(core_class(core)) == []


def test_a_frozen_parameter_is_named(tmp_path):
    """A population is one tensor of weights, and all of it is learned."""
    path = tmp_path / "frozen.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\nclass Frozen(nn.Module):\n"
        "    def __init__(self, input_size, hidden_size):\n        super().__init__()\n"
        "        self.units = hidden_size\n"
        "        self.seen = nn.Linear(input_size, hidden_size).requires_grad_(False)\n"
        "        self.kept = nn.Linear(hidden_size, hidden_size)\n\n"
        "    def initial_state(self, batch):\n        return (torch.zeros(batch, self.units),)\n\n"
        "    def forward(self, x, state):\n"
        "        h = torch.tanh(self.seen(x) + self.kept(state[0]))\n        return h, (h,)\n"
    )
    assert "Frozen.seen.weight is frozen" in " ".join(problems(f"{path}:Frozen"))


def test_a_core_without_parameters_is_right(tmp_path):
    """The read-out learns."""
    path = tmp_path / "echo.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\nclass Echo(nn.Module):\n"
        "    def __init__(self, input_size, hidden_size):\n        super().__init__()\n"
        "        self.units = hidden_size\n\n"
        "    def initial_state(self, batch):\n        return (torch.zeros(batch, self.units),)\n\n"
        "    def forward(self, x, state):\n"
        "        h = torch.tanh(state[0] + x.mean(1, keepdim=True))\n        return h, (h,)\n"
    )
    assert problems(f"{path}:Echo") == []
