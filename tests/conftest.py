"""Shared test set-up: one torch thread, so that small operations never wait for each other."""

import torch

torch.set_num_threads(1)
