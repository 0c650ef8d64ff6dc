# Every target does its own set-up: a machine needs Python 3.11 to 3.13, git and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
LS := .venv-label-studio
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
export PYTHONDONTWRITEBYTECODE :=
export UV_NO_PROGRESS := 1
# Two processes, each with whole test files, in the order of the folders: most tests wait for servers.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help environments template setup ready demo test test-all bench lint docs fuzz lock system-packages clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}; say which with PYTHON=…")'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv

# The stamps are written last: an interrupted set-up is done again.
$(VENV)/.stamp: requirements.lock pyproject.toml | $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	@test -x $(BIN)/python || $(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(LS)/.stamp: infra/label-studio.lock | $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	@test -x $(LS)/bin/python || $(UV) venv --quiet --allow-existing --python $(PYTHON) $(LS)
	$(UV) pip sync --quiet --python $(LS)/bin/python --require-hashes infra/label-studio.lock
	@touch $@

environments: $(VENV)/.stamp $(LS)/.stamp

template: environments
	@$(BIN)/python -m infra.stack template

setup: template ## build .venv and Label Studio's own environment from the locks

demo: setup ## the whole way once on real servers; DEMO="--keep --data FILE" adds options
	$(BIN)/bounds demo $(DEMO)

# Browser and PostgreSQL for the tests: installed where that is possible, else those tests skip and say why.
system-packages:
	@if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  need=""; command -v chromium >/dev/null || need="$$need chromium"; \
	  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || need="$$need postgresql"; \
	  if [ -n "$$need" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$need >/dev/null; fi; \
	fi

lint: environments ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Label Studio's migrations take a minute of one core, packages a minute of the network: the code is checked meanwhile.
ready: environments
	@$(MAKE) --no-print-directory -j 3 template lint system-packages

test: ready ## everything CI runs
	$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE) --hypothesis-profile=ci --durations=15 $(PYTEST)

test-all: ready ## also the full matrices and the long faults
	$(BIN)/python -m pytest --durations=30 $(PYTEST)

bench: setup ## every benchmark, printed side by side with its peers
	@for file in $(filter-out benchmarks/fuzz_policy.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file; done

docs: setup ## run the examples of the docs
	$(BIN)/python -m pytest tests/governance/policy/test_manual.py tests/annotation/test_validation_docs.py -q

FUZZ_SECONDS ?= 60
.tools/fuzz/.stamp: | $(VENV)/.stamp
	$(UV) venv --quiet --allow-existing --python $(BIN)/python .tools/fuzz
	$(UV) pip install --quiet --python .tools/fuzz/bin/python atheris
	@touch $@

fuzz: setup .tools/fuzz/.stamp ## feed the policy loader with generated input; FUZZ_SECONDS=60
	@mkdir -p .tools/fuzz/corpus
	PYTHONPATH=.:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
	  .tools/fuzz/bin/python benchmarks/fuzz_policy.py -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=20000 \
	  -artifact_prefix=.tools/fuzz/ .tools/fuzz/corpus governance/policies/tier2

lock: $(VENV)/.stamp ## resolve both locks anew
	$(UV) pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --quiet --upgrade -o requirements.lock
	echo 'label-studio==1.23.2' | $(UV) pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --upgrade -o infra/label-studio.lock

clean: ## remove environments and the demo's data
	rm -rf $(VENV) $(LS) .tools .bounds
