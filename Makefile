# The verbs of the pipeline. Every target sets up .venv first and puts .venv/bin in front of PATH, so that the `python`
# of dvc.yaml is the venv's. To call dvc yourself: `source .venv/bin/activate`, then `dvc repro`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

export VIRTUAL_ENV := $(CURDIR)/.venv
export PATH := $(VIRTUAL_ENV)/bin:$(PATH)
unexport PYTHONHOME PYTHONPATH
# Another DVC (`dvc status` in a second terminal) has the repository's lock for seconds. A repro that does not wait for it
# gives up at the end of a stage, whose outputs are then lost.
DVC := dvc --wait-for-lock

# Without compiled files torch and transformers take 20 s to import instead of 6, in every stage.
unexport PYTHONDONTWRITEBYTECODE

READY := .venv/.ready
# A copied or moved checkout brings a .venv whose scripts name the old place: it is set up again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

# What torch is wanted is said anew.
ifneq ($(findstring command line,$(origin GPU) $(origin TORCH_INDEX)),)
.PHONY: $(READY)
endif

$(READY): .make/setup.sh pyproject.toml requirements.lock requirements-gpu.lock
	@.make/setup.sh

## Install everything the pipeline needs: .venv from requirements.lock or requirements-gpu.lock, g++, bubblewrap
.PHONY: setup
setup: $(READY)

## Bring every result up to date; does only what is not done yet, resumes what was interrupted
.PHONY: repro
repro: setup
	@$(DVC) repro
	@python .make/ladder.py

## Bring the benchmarks of all models and the report up to date
.PHONY: benchmark
benchmark: setup
	@$(DVC) repro baseline_score benchmark_score report track
	@python .make/ladder.py

## Run the same stages with the smallest sizes (preset smoke), in .smoke/; your own results stay as they are
.PHONY: smoke
smoke: setup
	@.make/smoke.sh

## Bring the report up to date and say where it is
.PHONY: report
report: setup
	@$(DVC) repro report
	@echo "open $(CURDIR)/results/report.html"

## Try other settings beside the present ones: make exp N=5 SET="-S raft.keep_top_percent=0.6" (N: cycles)
.PHONY: exp
exp: setup
	@cycles=$$(python .make/cycles.py $(N)); set -x; $(DVC) exp run $$cycles $(SET)

## Queue every combination of some settings and run the queue, each in a copy, JOBS side by side: make sweep JOBS=2 SET="-S raft.keep_top_percent=0.4,0.6"
.PHONY: sweep
sweep: setup
	@set -x; $(DVC) exp run --queue $(SET)
	@set -x; HALO_FORGE_GPUS=$${HALO_FORGE_GPUS:-1} $(DVC) exp run --run-all --jobs $(or $(JOBS),1)

## Train and benchmark the control arms beside the best model: what was verification worth?
.PHONY: ablation
ablation: setup
	@set -x; $(DVC) exp run -S '++controls.unfiltered.rows=unfiltered' -S '++controls.continued.rows=references'
	@python .make/ladder.py

## Write the best model as others run it: export/best with safetensors, GGUF, Modelfile, card (ARGS="--gguf q4_k_m")
.PHONY: export
export: setup
	@halo-forge export --model models/pipeline/best --output export/best --gguf q8_0 $(ARGS)

## Show the experiments: the summary of each, and the settings in which they differ
.PHONY: experiments
experiments: setup
	@dvc exp show --only-changed --hide-workspace --drop '(models|data|stages|src|results/(?!summary)).*|Created|State|Executor'

## Say which stages depend on each file under src/
.PHONY: graph
graph: setup
	@python .make/graph.py

## Look at the MLflow runs in a browser (PORT=5000)
.PHONY: mlflow
mlflow: setup
	@mlflow ui --port $(or $(PORT),5000) --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"

## Say which stage runs, since when, how far, and when the whole will end
.PHONY: status
status: setup
	@halo-forge status

## Say what is installed here, what is missing and how to get it
.PHONY: doctor
doctor: setup
	@halo-forge doctor

## Run the fast tests (minutes, no network, no GPU)
.PHONY: test
test: setup
	@python -m pytest -n 2 --dist loadfile $(ARGS)

## Run the slow tests: whole pipeline, real servers, real compilers
.PHONY: test-slow
test-slow: setup
	@python -m pytest -m slow -n 2 --dist loadfile --durations 10 $(ARGS)

## Try the tests of every built-in family on all mutants of its reference (half an hour)
.PHONY: drill-audit
drill-audit: setup
	@halo-forge data prepare --dataset builtin --format task --output .state/builtin.jsonl
	@halo-forge verify audit --tasks .state/builtin.jsonl --mutants 200 --per-family 1 --min-kill-rate 0.95 $(ARGS)

## Ask openvino, transformers, vLLM in process and over HTTP the same on a real model (makes .venv-vllm, or VLLM_PYTHON)
.PHONY: drill-vllm
drill-vllm: setup
	@python benchmarks/drills/vllm_engines.py $(ARGS)

## Ask the best model and its export in every form 50 questions: are the greedy answers the same? (half an hour)
.PHONY: drill-export
drill-export: setup
	@python benchmarks/export_check.py $(ARGS)

## Two processes train as one does, one of them is killed, the run goes on; says what was equal (minutes)
.PHONY: drill-ddp
drill-ddp: setup
	@python benchmarks/drills/ddp.py

## A Ray cluster of two nodes on this machine loses one while sampling, judging, training; says what was equal
.PHONY: drill-ray
drill-ray: setup
	@python -m pip install --quiet -r requirements-ray.lock
	@python benchmarks/drills/ray_nodes.py

## The pipeline of `make smoke` on a Ray cluster of two nodes of this machine gives the same bytes (half an hour)
.PHONY: drill-ray-smoke
drill-ray-smoke: setup
	@python -m pip install --quiet -r requirements-ray.lock
	@python benchmarks/drills/ray_smoke.py

## Measure this machine's GPU, ten minutes: speed, memory, parity with float32; what to send with a bug report
.PHONY: gpu-check
gpu-check: setup
	@python benchmarks/gpu_check.py $(ARGS)

## Measure speed and memory against the obvious other ways: tables, and results/perf/*.json (ARGS=--quick: minutes)
.PHONY: perf
perf: setup
	@python benchmarks/perf.py $(ARGS)

## Check style and formatting
.PHONY: lint
lint: setup
	@ruff check .
	@ruff format --check .

## Delete outputs, unfinished work and caches of tools; `dvc checkout` brings the outputs back from the DVC cache
.PHONY: clean
clean:
	@.make/clean.sh

## List the targets
.PHONY: help
help:
	@awk '/^## / { text = substr($$0, 4) } \
	      /^[a-z-]+:/ && text { printf "make %-15s %s\n", substr($$1, 1, length($$1) - 1), text; text = "" }' Makefile
	@echo
	@echo "All but clean and help set up first. To call the tools yourself: source .venv/bin/activate, then: dvc repro"
	@echo
	@echo "Without an NVIDIA GPU setup takes requirements.lock, and torch's small build for the CPU if the package index has"
	@echo "it; with one requirements-gpu.lock: torch for CUDA and vLLM, gigabytes. To decide yourself: make setup GPU=0 or"
	@echo "GPU=1, and TORCH_INDEX=URL for an index of torch's builds (PyTorch's own page names them: CPU, CUDA, ROCm)."
