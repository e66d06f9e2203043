"""Tasks for meta-reinforcement learning, and their Gymnasium faces.

Importing this package registers every environment as ``prefrontal/NAME-v0``.
"""

from envs.bandits import BernoulliBandit, CorrelatedBandit, TwoArmedBandit
from envs.changing_reward import ChangingReward
from envs.checker import check_vector_env
from envs.context_bandit import ContextBandit
from envs.daw import Daw2011TwoStep
from envs.foraging import Foraging
from envs.gym import TaskEnv, TaskVectorEnv
from envs.harlow import Harlow
from envs.harlow_pairs import HarlowPairs
from envs.harlow_ring import HarlowOneDimensional
from envs.informative import InformativeArmBandit
from envs.maze import OneShotMaze
from envs.navigation import FireflyNavigation
from envs.registration import TASKS, register, register_all
from envs.restless import RestlessBandit, SwitchingBandit
from envs.reversal import InferredValue, Volatility
from envs.risky_choice import RiskyChoice
from envs.sb3 import to_sb3_vec_env
from envs.task import Task
from envs.two_step import TwoStep, TwoStepWang2016

__all__ = [
    "TASKS",
    "BernoulliBandit",
    "ChangingReward",
    "ContextBandit",
    "CorrelatedBandit",
    "Daw2011TwoStep",
    "FireflyNavigation",
    "Foraging",
    "Harlow",
    "HarlowOneDimensional",
    "HarlowPairs",
    "InferredValue",
    "InformativeArmBandit",
    "OneShotMaze",
    "RestlessBandit",
    "RiskyChoice",
    "SwitchingBandit",
    "Task",
    "TaskEnv",
    "TaskVectorEnv",
    "TwoArmedBandit",
    "TwoStep",
    "TwoStepWang2016",
    "Volatility",
    "check_vector_env",
    "register",
    "to_sb3_vec_env",
]

register_all()
