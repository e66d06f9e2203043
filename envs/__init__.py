"""Tasks for meta-reinforcement learning, and their Gymnasium faces.

Importing this package registers every environment as ``prefrontal/NAME-v0``.
"""

from envs.bandits import BernoulliBandit, CorrelatedBandit, TwoArmedBandit
from envs.checker import check_vector_env
from envs.gym import TaskEnv, TaskVectorEnv
from envs.informative import InformativeArmBandit
from envs.registration import TASKS, register, register_all
from envs.restless import RestlessBandit, SwitchingBandit
from envs.sb3 import to_sb3_vec_env
from envs.task import Task

__all__ = [
    "TASKS",
    "BernoulliBandit",
    "CorrelatedBandit",
    "InformativeArmBandit",
    "RestlessBandit",
    "SwitchingBandit",
    "Task",
    "TaskEnv",
    "TaskVectorEnv",
    "TwoArmedBandit",
    "check_vector_env",
    "register",
    "to_sb3_vec_env",
]

register_all()
