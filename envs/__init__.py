"""Tasks for meta-reinforcement learning, and their Gymnasium faces.

Importing this package registers every environment as ``prefrontal/NAME-v0``.
"""

from envs.bandits import TwoArmedBandit
from envs.gym import TaskEnv, TaskVectorEnv
from envs.registration import TASKS, register, register_all
from envs.task import Task

__all__ = ["TASKS", "Task", "TaskEnv", "TaskVectorEnv", "TwoArmedBandit", "register"]

register_all()
