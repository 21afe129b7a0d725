# make demo: pictures at once, then a training on a shipped photo, and samples of it.  make test: the tests.  Both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := --input_name rocket.png --out Output/demo

.PHONY: demo test test-all lint format clean

demo: $(VENV)/.runtime
	@echo "At once, without training: samples and a wider picture, made of the photo's own patches"
	$(BIN)/python random_samples.py $(DEMO) --mode random_samples --method denoise --max_size 80 --num_samples 5 --manualSeed 1
	$(BIN)/python retarget.py $(DEMO) --max_size 80 --scale_h 1.4 --manualSeed 1
	@echo "Now a model is trained on the same photo, for about two minutes"
	$(BIN)/python main_train.py $(DEMO) --max_size 64 --niter 180 --num_samples 24 --manualSeed 1
	$(BIN)/python random_samples.py $(DEMO) --mode random_samples_arbitrary_sizes --scale_h 2 --scale_v 1.5 --num_samples 6
	$(BIN)/python editing.py $(DEMO) --ref_name rocket_edit.png --editing_start_scale all

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

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
