# make run [REPO=path]   environment, dataset of REPO (default: Python's standard library), its check,
#                        what its memory knows, a short training of a tiny model, the proof card, and three
#                        completions of held-out lines; minutes on two cores
#                        (BUILD= has flags for the dataset, e.g. BUILD="--splits-of training_data_effectiveness": what the
#                        last one held out stays so; a run that is in MODEL already is gone on with; TRAIN=--overwrite deletes it and trains anew)
# make serve [REPO=path] completions for an editor from what REPO itself says; where no environment stands, one without torch
#                        (SERVE= has more of its flags, e.g. SERVE="--port 8013" or SERVE=models/mine)
# make test              environment, the whole suite
# make gpu-kit           what travels to a machine with a GPU: a dataset and wheels, into .kit/
# make gpu               what only a GPU can tell, offline, nine minutes at most; without one a small form on the CPU
#                        with an interpreter that has torch already: make gpu PYTHON=python3 VENV=
# make readers           what others read our files with: transformers 4, datasets and peft in .readers/, llama.cpp in
#                        tests/oracles/llama/ (1.2 GB), and the tests that ask them
# make lint | torture | benchmark | clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# With VENV= (empty) the given interpreter is used as it is.
READY := $(if $(VENV),$(VENV)/.ready)
GPU_PYTHON := $(if $(VENV),$(BIN)/python,PYTHONPATH=.kit/site$${PYTHONPATH:+:$$PYTHONPATH} $(PYTHON))
# Serving a memory needs no trainer and of the checks only what compiles: a sixth of the environment.
LIGHT := sed '/^\# The trainer/,/^\# Checks/d; /^gguf/,$$d'
PINS := $(if $(filter .serving,$(VENV)),$(LIGHT),cat)
NATIVE := effectiveness/memory/_native.abi3.so
PLACES := effectiveness/corpus/secrets/_places
REPO ?= $(shell $(PYTHON) -c "import sysconfig; print(sysconfig.get_path('stdlib'))")
OUTPUT ?= training_data_effectiveness
MODEL ?= models/short-run
TRAINER := $(BIN)/python training/model_trainer_unified.py
# About a million tokens through the smallest preset: enough to see the loss fall, far from what the model could learn.
SHORT := --set model.preset=nano --set optimization.batch_size=8 --set training.max_steps=120 \
	--set evaluation.completions=8
TRAIN ?= --resume
BUILD ?=
SERVE ?=
# A sample of the held-out files, so that a large repository takes no longer than a small one.
SAMPLE := --max-tokens 60000 --questions 100

.PHONY: run serve serving there test readers lint torture benchmark gpu gpu-kit clean
.DELETE_ON_ERROR:

# Before minutes are spent on an environment.
there:
	@test -e "$(REPO)" || { echo "REPO=$(REPO): no such directory; name a repository, e.g. make run REPO=~/projects/mine" >&2; exit 2; }

run: there $(READY) $(NATIVE)
	@$(BIN)/python create_training_dataset_effectiveness.py "$(REPO)" --output "$(OUTPUT)" $(BUILD) || [ $$? -eq 3 ]
	@$(BIN)/python tests/test_dataset_effectiveness.py "$(OUTPUT)"
	@echo; echo "What the repository itself says next, before any training:"
	@$(BIN)/python -m effectiveness memory "$(OUTPUT)" $(SAMPLE) --examples 0
	@echo; echo "Training into $(MODEL) with $(TRAIN); make run TRAIN=--overwrite deletes a run that is there:"
	@$(TRAINER) --config training_config_metal_cuda_universal.yaml $(TRAIN) \
	    --sequences "$(OUTPUT)/training_data_train.jsonl" --output "$(MODEL)" $(SHORT)
	@echo; echo "What did it buy? The same training on unrelated code is the control:"
	@$(BIN)/python -m effectiveness proof --dataset "$(OUTPUT)" --model "$(MODEL)" --max-windows 100 --prompts 40
	@echo; echo "Memory and model together, on lines of files that neither has seen:"
	@$(BIN)/python -m effectiveness memory "$(OUTPUT)" --model "$(MODEL)" $(SAMPLE)
	@echo "Look: $(OUTPUT)/report.html, $(MODEL)/training_report.html and $(MODEL)/proof/proof.html"
	@echo "Next, in your editor: $(BIN)/python -m effectiveness serve $(MODEL) --dataset $(OUTPUT) --repository $(REPO)"
	@echo "and for its settings: $(BIN)/python -m effectiveness serve --print-config llama.vim"

serve: there
	@$(MAKE) --no-print-directory serving $(if $(wildcard $(VENV)/.ready),,VENV=.serving)

serving: $(READY) $(NATIVE)
	@$(BIN)/python -m effectiveness serve --repository "$(REPO)" $(SERVE)

test: $(READY) $(NATIVE) tests/oracles/node_modules
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not torture" -n auto --maxprocesses 8 --dist loadfile

readers: $(READY) $(NATIVE) .readers/.ready tests/oracles/llama/node_modules
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest tests/test_other_readers.py tests/test_gguf.py

torture: $(READY) $(NATIVE) tests/oracles/node_modules
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m torture

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --no-error-summary

benchmark: $(READY) $(NATIVE)
	$(BIN)/python benchmarks/dataset.py

gpu-kit: $(READY)
	$(BIN)/python benchmarks/gpu.py --make-kit .kit

# Wheels of the kit are for what a given interpreter lacks; they go beside it, not into it.
gpu: $(READY)
	@$(GPU_PYTHON) -c "import orjson" 2>/dev/null || \
	    $(PYTHON) -m pip install -q --no-index --no-deps --target .kit/site .kit/wheels/*.whl
	$(GPU_PYTHON) benchmarks/gpu.py --print $(GPU)

# A stamp, so that an environment is made again when the pins change.
$(READY): requirements.txt
	$(PYTHON) -m venv $(VENV)
	@$(PINS) requirements.txt > $(VENV)/pins.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/pins.txt
	@touch $@

.readers/.ready: tests/oracles/readers.txt
	$(PYTHON) -m venv .readers
	.readers/bin/python -m pip install --quiet --disable-pip-version-check -r tests/oracles/readers.txt
	@touch $@

# Its binary is of Linux on x64; elsewhere, or without npm, its questions are skipped.
tests/oracles/llama/node_modules: tests/oracles/llama/package-lock.json
	@npm ci --omit=optional --ignore-scripts --silent --no-audit --no-fund --prefix tests/oracles/llama \
	    || { mkdir -p $@; echo "llama.cpp could not be installed: its questions will be skipped"; }
	@touch $@

# What is compiled: a part of the memory, and the search for secrets (numpy does that without). It needs gcc or clang.
$(NATIVE): effectiveness/memory/_native.c $(wildcard effectiveness/memory/native/*.h) $(PLACES).c setup.py | $(READY)
	@command -v $(firstword $(shell $(BIN)/python -c "import sysconfig; print(sysconfig.get_config_var('CC'))")) >/dev/null \
	    || command -v "$(CC)" >/dev/null \
	    || { echo "no C compiler: the memory needs gcc or clang (Debian: apt install gcc; macOS: xcode-select --install)" >&2; exit 2; }
	@$(BIN)/python setup.py -q build_ext --inplace 2>/dev/null || $(BIN)/python setup.py build_ext --inplace
	@touch $@

# The JavaScript and TypeScript oracles parse with Babel; without npm they are skipped, and the suite says so.
tests/oracles/node_modules: tests/oracles/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/oracles; \
	else mkdir -p $@; echo "npm not found: the JavaScript oracles will be skipped"; fi
	@touch $@

clean:
	rm -rf $(VENV) .serving .readers tests/oracles/node_modules tests/oracles/llama/node_modules .ruff_cache .mypy_cache build $(NATIVE) $(PLACES).abi3.so
