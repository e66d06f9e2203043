"""Compiled accelerators for CPUs: C++ sources, and how they become libraries (`build`).

`lstm.cpp` computes the LSTM (its equations are in `lstm.h`), `stack.cpp` the networks of recurrent
TD3, `lifetime.cpp` whole lifetimes of small agents, `replay.cpp` walks through sum trees;
`learning.cpp` and `learning.h` have losses, returns, optimisers and privileged critics
(`learning`). PyTorch computes the same without them.
"""
