# make run: set up and go the whole way once.  make test: set up and run the tests but the slow ones.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# The stamp's name holds what the set-up depends on, so that a change of either file sets up again.
STAMP = $(VENV)/.pathfit-$(shell cat setup.py constraints.txt | cksum | tr ' ' '-')
PYTEST = $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: setup run test test-all test-failed check docs clean

setup:
	@test -f $(STAMP) || $(MAKE) --no-print-directory install

.PHONY: install
install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Pathfit needs Python 3.11 or later; set PYTHON to one, for example: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "This Python lacks venv; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[service,postgresql,dali,elastic,openvino,dev,docs]'
	@rm -f $(VENV)/.pathfit-*
	@touch $(STAMP)

run: setup
	$(BIN)/pathfit quickstart

test: setup
	$(PYTEST) -m 'not slow' $(PYTEST_OPTIONS)

test-all: setup
	$(PYTEST) $(PYTEST_OPTIONS)

# The tests that failed in the last run, alone.
test-failed: setup
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(PYTEST_OPTIONS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
