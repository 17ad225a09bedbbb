# Each target sets up what it needs; after the first time, that takes a second.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data

.PHONY: dev demo docs test test-slow test-torch test-clients test-retrievers test-readers test-s3 test-page lint bench lock preload clean help

help:
	@echo "make dev           set up, download the small model, serve and open http://127.0.0.1:8000"
	@echo "make demo          parse, chunk and embed a sample document, without a server"
	@echo "make test          set up and run the tests"
	@echo "make test-slow     run the slow tests: servers stopped under load, jobs killed, commands in the docs"
	@echo "make test-torch    run the encoder tests on PyTorch, in a separate environment (1 GB)"
	@echo "make test-clients  run clients of other services against a server, each in a separate environment (2 GB)"
	@echo "make test-readers  read results with pandas, Polars and DuckDB, import from other stores (1.5 GB)"
	@echo "make test-retrievers  run the retrievers for LangChain, LlamaIndex and Haystack, in a separate environment (900 MB)"
	@echo "make test-s3       run the store tests against an S3 server (moto), in a separate environment (320 MB)"
	@echo "make test-page     use the page in Chromium, which must be installed, with Playwright (150 MB)"
	@echo "make docs          build the manual as a site, and check its links"
	@echo "make lint          run ruff, pyright (strict) and import-linter"
	@echo "make bench         compare speed and quality with other libraries (half an hour)"
	@echo "make lock          update the lock files"
	@echo "make clean         remove all environments"

dev: $(VENV)/base
	@$(BIN)/bindery up

demo: preload
	@$(BIN)/bindery demo

preload: $(VENV)/base
	@$(BIN)/bindery preload

# Many tests wait for a server or a process: one worker more than cores keeps the cores busy.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Tests start many processes, which would compile all that they import if none may keep it.
test test-slow: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

# Continuous integration runs these after the tests.
test-slow: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m pytest -n auto -m slow $(ARGS)

# Opt-in: the tests that every engine must pass, with torch on the CPU.
TORCH := torch==2.13.0
TORCH_VENV := .venv-torch

test-torch: $(TORCH_VENV)/ready
	@$(TORCH_VENV)/bin/bindery preload vanilla
	@$(TORCH_VENV)/bin/python -m pytest --engine torch tests/encoders \
		tests/engines/test_torch_*.py tests/engines/test_engines_are_chosen_by_name.py $(ARGS)

# Opt-in: unmodified clients of other services. ARGS selects some; a run of all updates the tables in the docs.
test-clients: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m tests.clients.run $(ARGS)

# Opt-in: retrievers for LangChain, LlamaIndex and Haystack, with the tests that LangChain publishes.
# `make lock` writes what their extras and this need.
RETRIEVERS := langchain-tests pytest hypothesis
RETRIEVERS_VENV := .venv-retrievers

test-retrievers: $(RETRIEVERS_VENV)/ready
	@$(RETRIEVERS_VENV)/bin/bindery preload vanilla
	@$(RETRIEVERS_VENV)/bin/python -m pytest -o filterwarnings=default -o asyncio_mode=auto \
		tests/faces/http/test_retrievers_conform.py $(ARGS)

$(RETRIEVERS_VENV)/ready: locks/retrievers.txt pyproject.toml
	@$(SETUP) $(RETRIEVERS_VENV) locks/retrievers.txt --editable
	@touch $@

# Opt-in: libraries that read the output of jobs, in a separate environment.
READERS := pandas==3.1.1 pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.0
READERS_VENV := .venv-readers

# Opt-in: stores that collections are imported from, in another one.
STORES := chromadb==1.5.9 lancedb==0.40.0 qdrant-client==1.20.0
STORES_VENV := .venv-stores

test-readers: $(VENV)/dev $(READERS_VENV)/ready $(STORES_VENV)/ready
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m pytest tests/readers $(ARGS)

$(READERS_VENV)/ready: Makefile
	@$(PYTHON) -m venv $(READERS_VENV)
	@$(READERS_VENV)/bin/pip install --quiet --disable-pip-version-check $(READERS)
	@touch $@

$(STORES_VENV)/ready: Makefile
	@$(PYTHON) -m venv $(STORES_VENV)
	@$(STORES_VENV)/bin/pip install --quiet --disable-pip-version-check $(STORES)
	@touch $@

# Opt-in: an S3 server for the tests that skip without one; `make test` uses it too if it is on the path.
S3 := moto[server]==5.2.5
S3_VENV := .venv-s3

test-s3: $(VENV)/dev $(S3_VENV)/ready
	@PATH="$(CURDIR)/$(S3_VENV)/bin:$$PATH" $(BIN)/python -m pytest \
		tests/store/test_contents_lie_in_a_folder_or_in_s3.py $(ARGS)

$(S3_VENV)/ready: Makefile
	@$(PYTHON) -m venv $(S3_VENV)
	@$(S3_VENV)/bin/pip install --quiet --disable-pip-version-check "$(S3)"
	@touch $@

# Opt-in: the page in the Chromium of this machine; CHROMIUM names another one.
PAGE := playwright==1.65.2 axe-playwright-python==0.1.8
PAGE_TOOLS := .venv-page

test-page: $(VENV)/dev $(PAGE_TOOLS)/ready
	@$(BIN)/bindery preload vanilla
	@PYTHONPATH="$(CURDIR)/$(PAGE_TOOLS)" $(BIN)/python -m pytest -m slow tests/page $(ARGS)

$(PAGE_TOOLS)/ready: Makefile
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --target $(PAGE_TOOLS) $(PAGE)
	@touch $@

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	@$(BIN)/vulture --version > /dev/null
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs src ops Makefile
	! $(BIN)/vulture | grep -E "unused (function|method|class|property|import)|unreachable"

# The manual as a site, with a reference made from the program. Once set up, it needs no network.
DOCS_VENV := .venv-docs

docs: $(VENV)/dev $(DOCS_VENV)/ready
	@$(BIN)/python ops/manual.py build/manual
	@$(DOCS_VENV)/bin/zensical build --clean --strict
	@! grep -lE "(src|@import|url\()[=\"( ]*https?:" build/site/*.html
	@echo "The manual is in build/site. To search it: $(PYTHON) -m http.server --directory build/site"

$(DOCS_VENV)/ready: locks/docs.txt
	@$(SETUP) $(DOCS_VENV) locks/docs.txt
	@touch $@

bench: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	$(BIN)/python benchmarks/run.py --data $(DATA) $(ARGS)

# What the lock lists, by hash, by uv or pip.
SETUP = $(PYTHON) ops/setup.py

$(VENV)/base: locks/base.txt locks/build.txt pyproject.toml
	@$(SETUP) $(VENV) locks/base.txt locks/build.txt --editable
	@touch $@

$(VENV)/dev: locks/dev.txt pyproject.toml | $(VENV)/base
	@$(SETUP) $(VENV) locks/dev.txt --editable
	@touch $@

# Install torch first and pin it: packages that need it would otherwise download another build.
$(TORCH_VENV)/ready: locks/dev.txt pyproject.toml
	@$(SETUP) $(TORCH_VENV) locks/dev.txt
	@$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@echo "$(TORCH)" > $(TORCH_VENV)/torch.txt
	@$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(TORCH_VENV)/torch.txt "sentence-transformers==6.2.*"
	@$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@touch $@

# uv resolves for all platforms at once and omits registry addresses. openvino-telemetry is excluded
# because it sends telemetry (see engines/runtime.py).
UV_COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate --no-emit-package bindery-search --no-emit-package openvino-telemetry --quiet

lock:
	$(UV_COMPILE) pyproject.toml -o locks/base.txt
	$(UV_COMPILE) --group pyproject.toml:build -o locks/build.txt
	$(UV_COMPILE) --group pyproject.toml:docs -o locks/docs.txt
	echo "$(TORCH)" | $(UV_COMPILE) pyproject.toml - --extra torch -c locks/base.txt -o locks/torch.txt
	printf '%s\n' $(RETRIEVERS) | $(UV_COMPILE) pyproject.toml - --extra langchain --extra llama-index \
		--extra haystack --group pyproject.toml:build -c locks/base.txt -o locks/retrievers.txt
	$(UV_COMPILE) pyproject.toml --group pyproject.toml:dev --group pyproject.toml:build -c locks/base.txt -o locks/dev.txt
	$(BIN)/python -m tests.clients.run --lock

clean:
	rm -rf $(VENV) .venv-* .peers .clients
