# One command each: `make sweep` runs the main job, `make test` everything that must hold. Both first make the
# environment from the lock file, once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
VENV_TORCH := .venv-torch
BIN := $(VENV)/bin

.PHONY: sweep figures test test-processor test-slow test-torch lint lock clean

sweep: $(VENV)/.installed
	$(BIN)/python sims/accuracy_vs_snr.py

# The paper's figures on the digits, one after the other; each goes on where it was if killed.
FIGURES := fig4_schemes_vs_snr fig5_codebook_size fig6_accuracy_vs_epsilon fig7_accuracy_vs_reserving_ratio \
  fig8_accuracy_vs_ssnr fig9_feature_activation fig10_codebook_similarity ablation robustness_audit

figures: $(VENV)/.installed
	set -e; for name in $(FIGURES); do $(BIN)/python sims/$$name.py; done

# Files of tests side by side, as many as JOBS; each process takes some 3 GB and all cores.
JOBS ?= 2

test: lint
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile
	$(MAKE) test-processor

# What attacks and networks decide, with other kernels than this processor's: stands for a second machine.
ATTACKED := --ignore tests/attacks/test_layer.py tests/attacks tests/sweep/test_store.py tests/experiments/test_threats.py

test-processor: $(VENV)/.installed
	TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile $(ATTACKED)

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Without TensorFlow and Sionna: two steps of training and the attack as a layer under PyTorch, then the same weights and
# the same noise under TensorFlow.
test-torch: $(VENV)/.installed $(VENV_TORCH)/.installed
	KERAS_BACKEND=torch $(VENV_TORCH)/bin/python -m pytest -p no:cacheprovider tests/torch_backend/train_under_torch.py \
	  tests/attacks/test_layer.py tests/attacks/test_differentiable_jpeg.py
	$(BIN)/python -m pytest tests/torch_backend/load_under_tensorflow.py

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "Python 3.11 is needed; install it or say: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV_TORCH)/.installed: requirements-torch.lock
	$(PYTHON) -m venv $(VENV_TORCH)
	$(VENV_TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-torch.lock
	touch $@

# Renew both lock files after a change of pyproject.toml (needs uv).
lock:
	uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header --no-annotate --extra dev pyproject.toml \
	  --output-file requirements.lock
	uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header --no-annotate requirements-torch.in \
	  --constraint requirements.lock | grep -v -E '^(nvidia|cuda|triton)' > requirements-torch.lock  # torch names its own

clean:
	rm -rf $(VENV) $(VENV_TORCH)
