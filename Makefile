# prefrontal: `make train` and `make test` do everything on a fresh machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXPERIMENT ?= wang2016-bandit
ARGS ?=
export OMP_NUM_THREADS ?= 1

.PHONY: help install train test lint studies tensorboard bench reproduce findings docs wheel clean

help:
	@echo "make train                      install, train the default experiment, evaluate it"
	@echo "make test                       install, lint, check types, run the tests"
	@echo "make install                    install into $(VENV)"
	@echo "make tensorboard                show the learning curves of all runs"
	@echo "make bench                      speed against peers, side by side"
	@echo "make reproduce EXPERIMENT=NAME  train and evaluate the shipped population of an experiment"
	@echo "make docs                       build the documentation into docs/_build/html"
	@echo "make wheel                      build a wheel into dist"
	@echo "make findings                   evaluate all shipped populations and write the tables of README and docs/findings"

# Installing again is only needed when what is installed has changed.
$(VENV)/.installed: pyproject.toml setup.py prefrontal/autoregister.py constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet torch -c constraints.txt
	$(BIN)/python -m pip install --quiet --editable ".[dev,bench,browser]" -c constraints.txt
	@touch $@

install: $(VENV)/.installed

train: install
	out=runs/$(EXPERIMENT)/$$(date +%Y%m%d-%H%M%S) && \
	$(BIN)/prefrontal train $(EXPERIMENT) --out $$out $(ARGS) && \
	{ $(BIN)/prefrontal evaluate $$out || test $$? -eq 1; } && \
	echo "the figures are in $$out/evaluation; 'make tensorboard' shows the curves"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -n 2

# What optional tests need: search, clusters, sinks.
$(VENV)/.studies: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[tune,ray,wandb,mlflow]" -c constraints.txt
	@touch $@

studies: $(VENV)/.studies

tensorboard: install
	$(BIN)/tensorboard --logdir runs

bench: install
	$(BIN)/python -m benchmarks.throughput $(ARGS)
	$(BIN)/python -m benchmarks.replay
	$(BIN)/python -m benchmarks.td3
	$(BIN)/python -m benchmarks.cartpole

reproduce: install
	$(BIN)/prefrontal reproduce $(EXPERIMENT) $(ARGS)

findings: install
	for run in pretrained/*/; do \
		$(BIN)/prefrontal evaluate $$run --no-figures; test $$? -le 1 && cp $${run}evaluation/metrics.json $${run}findings.json || exit 1; \
	done
	$(BIN)/python -m prefrontal.experiments.report

# Offline; tutorials are executed, warnings are errors. ARGS="-D nb_execution_mode=off": not executed.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --builder html --jobs 2 --nitpicky --fail-on-warning --keep-going $(ARGS) docs docs/_build/html

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[docs]" -c constraints.txt
	@touch $@

# What an earlier build has left in build/ would be packed too.
wheel: install
	rm -rf build
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache docs/_build docs/generated
