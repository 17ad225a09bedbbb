# What a person types. Each target sets up what it needs; the second time that takes a second.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data

.PHONY: dev demo test test-slow test-torch test-clients test-readers test-s3 lint bench lock preload clean help

help:
	@echo "make dev    set up, fetch the model, serve on 127.0.0.1:8000"
	@echo "make demo   parse, chunk and embed a document, without a server"
	@echo "make test   set up and run the tests"
	@echo "make test-slow  those that take long: whole servers ended under load, jobs killed, the manual's commands"
	@echo "make test-torch  the same of the engine torch, in an environment of its own (1 GB)"
	@echo "make test-clients  other services' clients against a server, each in an environment of its own (2 GB)"
	@echo "make test-readers  pandas, Polars and DuckDB on what a job wrote (500 MB)"
	@echo "make test-s3  the store on an S3 server, moto's, in an environment of its own (320 MB)"
	@echo "make lint   ruff, pyright (strict), import-linter"
	@echo "make bench  speed and quality against other libraries (half an hour)"
	@echo "make lock   write the lock files anew"

dev: preload
	@$(BIN)/bindery serve

demo: preload
	@$(BIN)/bindery demo

preload: $(VENV)/base
	@$(BIN)/bindery preload

test: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m pytest -n auto $(ARGS)

# What takes long; continuous integration runs it after the tests.
test-slow: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m pytest -n auto -m slow $(ARGS)

# Opt-in: what any engine must do, with torch on the processor. The build of torch is the index's.
TORCH := torch==2.13.0
TORCH_VENV := .venv-torch

test-torch: $(TORCH_VENV)/ready
	@$(TORCH_VENV)/bin/bindery preload vanilla
	@$(TORCH_VENV)/bin/python -m pytest --engine torch tests/encoders \
		tests/engines/test_torch_*.py tests/engines/test_engines_are_chosen_by_name.py $(ARGS)

# Opt-in: clients of other services, unmodified. ARGS names some of them; all of them write the manual.
test-clients: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m tests.clients.run $(ARGS)

# Opt-in: libraries that read what jobs write, in an environment of their own.
READERS := pandas==3.1.1 pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.0
READERS_VENV := .venv-readers

test-readers: $(VENV)/dev $(READERS_VENV)/ready
	@$(BIN)/bindery preload vanilla
	@$(BIN)/python -m pytest tests/readers $(ARGS)

$(READERS_VENV)/ready: Makefile
	@$(PYTHON) -m venv $(READERS_VENV)
	@$(READERS_VENV)/bin/pip install --quiet --disable-pip-version-check $(READERS)
	@touch $@

# Opt-in: an S3 server for the tests that skip without one; `make test` finds it where it is on the path.
S3 := moto[server]==5.2.5
S3_VENV := .venv-s3

test-s3: $(VENV)/dev $(S3_VENV)/ready
	@PATH="$(CURDIR)/$(S3_VENV)/bin:$$PATH" $(BIN)/python -m pytest \
		tests/store/test_contents_lie_in_a_folder_or_in_s3.py $(ARGS)

$(S3_VENV)/ready: Makefile
	@$(PYTHON) -m venv $(S3_VENV)
	@$(S3_VENV)/bin/pip install --quiet --disable-pip-version-check "$(S3)"
	@touch $@

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

bench: $(VENV)/dev
	@$(BIN)/bindery preload vanilla
	$(BIN)/python benchmarks/run.py --data $(DATA) $(ARGS)

# Pip takes exactly what the lock names, by hash, and resolves nothing.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
INSTALL_SELF = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

$(VENV)/base: locks/base.txt locks/build.txt pyproject.toml
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) -r locks/base.txt -r locks/build.txt
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/dev: locks/dev.txt pyproject.toml | $(VENV)/base
	@echo "Setting up the tools for tests (once) ..."
	@$(INSTALL) -r locks/dev.txt
	@$(INSTALL_SELF)
	@touch $@

# torch first and held: what needs it would fetch another build of it.
$(TORCH_VENV)/ready: locks/dev.txt pyproject.toml
	@echo "Setting up $(TORCH_VENV) (once) ..."
	@test -x $(TORCH_VENV)/bin/python || $(PYTHON) -m venv $(TORCH_VENV)
	@$(INSTALL:$(BIN)%=$(TORCH_VENV)/bin%) -r locks/dev.txt
	@$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@echo "$(TORCH)" > $(TORCH_VENV)/torch.txt
	@$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(TORCH_VENV)/torch.txt "sentence-transformers==6.2.*"
	@$(INSTALL_SELF:$(BIN)%=$(TORCH_VENV)/bin%)
	@touch $@

# uv resolves for every platform at once and leaves registry addresses out; openvino-telemetry is left
# out because it reports to others (see engines/runtime.py).
UV_COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate --no-emit-package bindery --no-emit-package openvino-telemetry --quiet

lock:
	$(UV_COMPILE) pyproject.toml -o locks/base.txt
	$(UV_COMPILE) --group pyproject.toml:build -o locks/build.txt
	echo "$(TORCH)" | $(UV_COMPILE) pyproject.toml - --extra torch -c locks/base.txt -o locks/torch.txt
	$(UV_COMPILE) pyproject.toml --group pyproject.toml:dev --group pyproject.toml:build -c locks/base.txt -o locks/dev.txt
	$(BIN)/python -m tests.clients.run --lock

clean:
	rm -rf $(VENV) .venv-* .peers .clients
