# make demo   the pose on a photo; then data, training, evaluation and pictures in a few minutes
# make test   the whole test suite
# make lint   ruff on all code, mypy on the package
# make short  the part of it that a stack (torch, numpy, mmcv, Python) could break, in three minutes
# make setup  just the virtual environment that all of them use
#
# PYTHON, VENV, TORCH, PIP_ARGS and JOBS (processes that test) can be overridden:
# make setup TORCH=torch==2.9.1 PIP_ARGS='--index-url ...'
PYTHON   ?= python3
VENV     ?= .venv
TORCH    ?= torch==2.13.0
PIP_ARGS ?=
JOBS     ?= 2

BIN     := $(VENV)/bin
SHORT   := $(addprefix tests/, checkpoints codecs compat datasets engine models transforms test_registry.py test_stack.py \
           apis/test_inferencer.py deploy/test_export.py deploy/test_runtimes.py workflow/test_apis.py workflow/test_runner.py)
SOURCES := $(shell find rsn_mm configs tools -type f -not -name '*.pyc' -not -path '*/.mim/*') model-index.yml pyproject.toml

.PHONY: setup demo test lint short clean
setup: $(VENV)/installed

demo: $(VENV)/installed
	$(BIN)/python tools/demo.py

test: $(VENV)/installed
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/linters
	$(BIN)/ruff check rsn_mm tools tests configs benchmarks
	$(BIN)/mypy

short: $(VENV)/installed
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(SHORT) $(PYTEST_ARGS)

# The stack: everything but this project. A torch, mmcv or xtcocotools that is already there is left alone.
$(VENV)/stack: $(filter-out requirements/lint.txt, $(wildcard requirements/*.txt))
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import torch' 2>/dev/null && spec= || spec='$(TORCH)'; \
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) $$spec -r requirements/runtime.txt -r requirements/tests.txt
	$(BIN)/python -m pip install --quiet --no-deps $(PIP_ARGS) -r requirements/openmmlab.txt -r requirements/demo.txt
	$(BIN)/python -c 'import mmcv' 2>/dev/null || \
	$(BIN)/python -m pip install --quiet --no-deps $(PIP_ARGS) -r requirements/mmcv.txt
	touch $@

$(VENV)/linters: $(VENV)/stack requirements/lint.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -r requirements/lint.txt
	touch $@

# Not editable: mim looks for configs and tools inside the installed package.
$(VENV)/installed: $(VENV)/stack $(SOURCES)
	rm -rf build rsn_mm.egg-info
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --force-reinstall .
	touch $@

clean:
	rm -rf $(VENV) build rsn_mm.egg-info work_dirs
