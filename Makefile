# make demo: pictures without training, then a training on a shipped photo, and samples of it.  make test: the tests.  Both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all test-browser lint docs format lock clean

demo: $(VENV)/.runtime
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -m "slow or not slow"

test-browser: $(VENV)/.dev
	-npm install --no-save --silent axe-core@4  # which checks labels and contrast
	$(BIN)/python -m pytest -m "browser and not slow" -rs -n 2 --dist worksteal tests/studio tests/translation/test_draw.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(MAKE) docs

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What the Docker image installs, by hash: all but PyTorch, and PyTorch for a GPU. That for the CPU, cpu.lock, is written by hand.
LOCK := uv pip compile -q --python-platform linux --python-version 3.12 --generate-hashes --no-annotate --no-header --upgrade

lock: $(VENV)/bin/python
	$(BIN)/python -m pip install -q uv
	printf "torch; sys_platform == 'never'\ntorchvision; sys_platform == 'never'\n" > docker/without
	echo setuptools | $(BIN)/$(LOCK) pyproject.toml - --extra studio --overrides docker/without -o docker/requirements.lock
	rm docker/without
	printf "torch==2.13.0\ntorchvision==0.28.0\n" | $(BIN)/$(LOCK) - -c docker/requirements.lock -o docker/gpu.lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -r requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-optional.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -r requirements-dev.txt
	touch $(VENV)/.runtime $@

clean:
	rm -rf $(VENV)
