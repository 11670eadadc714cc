# One way to do each thing. Needs only python3 (3.11 or newer), pip, git and make; everything else goes into .venv.
# PYTHON=python3.12 chooses the interpreter; LAYERS="unit kernel" chooses test layers; VERSIONS=lowest (or
# newest) one half of `make versions`; LAB_ARGS go to JupyterLab, BENCH_ARGS to the benchmarks ("--only chain", "--quick").
PYTHON ?= python3
LAYERS ?=
VERSIONS ?=
LAB_ARGS ?=
BENCH_ARGS ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test elsewhere versions stop-readme lab check format docs benchmark benchmark-dask benchmark-panel benchmark-values screenshots clean

demo: ; @scripts/venv.sh demo && .venv/bin/python scripts/demo.py ## run the tour in a real kernel, show what came out
test: ; @scripts/venv.sh dev && scripts/system.sh && .venv/bin/python scripts/test.py $(LAYERS) ## run all layers of tests
elsewhere: ; @scripts/venv.sh dev && NBFLOW_CAMPAIGN=$${NBFLOW_CAMPAIGN:-300} .venv/bin/pytest tests/properties -m elsewhere --timeout 0 ## play random flows in worker processes, 300 a property
versions: ; @$(PYTHON) scripts/versions.py $(VERSIONS) $(if $(LAYERS),--layers $(LAYERS)) ## test with the newest and the lowest versions, renew the lock
stop-readme: ; @scripts/venv.sh dev && .venv/bin/python -m tests.faults.readme ## press stop at every 0.1 s of the README's example, look for what is left
lab: ; @scripts/venv.sh dev && .venv/bin/python -m jupyterlab $(LAB_ARGS) notebooks/01-tour.ipynb ## open JupyterLab on the tour
check: ; @scripts/venv.sh dev && scripts/check.sh ## format, lint, types, import contracts, spelling
format: ; @scripts/venv.sh dev && .venv/bin/ruff check --fix-only -q . ; .venv/bin/ruff format . ## let ruff rewrite the code
docs: ; @scripts/venv.sh docs && .venv/bin/python -m sphinx -W --keep-going -b html docs build/docs ## build the documentation
benchmark: ; @scripts/venv.sh demo && .venv/bin/python -m benchmarks.compare $(BENCH_ARGS) ## compare with a plain loop, dask and others
benchmark-dask: ; @scripts/venv.sh dev && .venv/bin/python -m benchmarks.dask $(BENCH_ARGS) ## measure flows on a local Dask cluster beside futures used directly
benchmark-panel: ; @scripts/venv.sh dev && scripts/system.sh && .venv/bin/python -m benchmarks.panel $(BENCH_ARGS) ## measure the live panel in a real browser
benchmark-values: ; @scripts/venv.sh demo && .venv/bin/python -m benchmarks.values $(BENCH_ARGS) ## measure what keeping track of values costs: time, memory, disk
screenshots: ; @scripts/venv.sh dev && scripts/system.sh && .venv/bin/python scripts/screenshots.py ## make the README's pictures anew
clean: ; rm -rf .venv build ## remove .venv and everything built
help: ; @sed -n 's/^\([a-z-]*\): ;.*## /  make \1\t/p' Makefile | expand -t 24 ## list these targets
