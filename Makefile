# `make demo` does the main job on a sample company, `make test` runs all tests; both set up what they need.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
LONG := killed_under_load killed_by_the_kernel disk_errors little_memory clock_is_set # faults that have a long form
LOCK := -q --universal --python-version 3.11 --generate-hashes --no-header

.PHONY: help demo setup test soak test-sdk test-container sbom locks check bench format clean postgres mariadb dovecot firebird openssh slapd chromium minisign age strace gcc prometheus test-office

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/uv: requirements/uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rightful needs Python 3.11 or later: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	@touch $@

.venv/runtime: .venv/uv requirements/runtime.lock pyproject.toml
	@echo "Installing what Rightful needs (once) …" >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/runtime.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv/dev: .venv/runtime requirements/dev.lock
	@echo "Installing what the tests need (once) …" >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock
	@touch $@

tests/servers/node_modules/.done: tests/servers/package-lock.json
	@echo "Installing the servers and clients that the tests talk to (once) …" >&2
	@cd tests/servers && npm ci --silent --ignore-scripts
	@touch $@

postgres: # Debian's package, where no PostgreSQL server is installed yet
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	  echo "Installing PostgreSQL (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y postgresql >/dev/null; }

mariadb: # Debian's packages, where no MariaDB server is installed yet; the server's core alone starts nothing by itself
	@command -v mariadbd >/dev/null || ls /usr/sbin/mariadbd >/dev/null 2>&1 || { \
	  echo "Installing MariaDB (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	  mariadb-server-core mariadb-client-core >/dev/null; }

firebird: # its engine comes with .venv/dev; Debian's package of the one library it needs beside that, unpacked only
	@ldconfig -p 2>/dev/null | grep -q 'libtommath.so.1 ' || ls .cache/libtommath/usr/lib/*/libtommath.so.1 >/dev/null 2>&1 || { \
	  echo "Fetching a library for Firebird (once) …" >&2; mkdir -p .cache/libtommath && cd .cache/libtommath && apt-get update -qq && \
	  apt-get download -qq libtommath1 2>/dev/null && dpkg -x libtommath1_*.deb .; }

dovecot: # Debian's package, where no Dovecot is installed yet; it starts nothing by itself where there is no init
	@command -v dovecot >/dev/null || ls /usr/sbin/dovecot >/dev/null 2>&1 || { \
	  echo "Installing Dovecot (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	  dovecot-imapd >/dev/null; }

openssh: # Debian's packages, where no sshd is installed: unpacked only, since an installed one would begin to listen
	@command -v sshd >/dev/null || ls /usr/sbin/sshd .cache/openssh/usr/sbin/sshd >/dev/null 2>&1 || { \
	  echo "Fetching OpenSSH's server (once) …" >&2; mkdir -p .cache/openssh && cd .cache/openssh && apt-get update -qq && \
	  apt-get download -qq openssh-server libwrap0 2>/dev/null && for package in *.deb; do dpkg -x "$$package" . || exit 1; done; }

slapd: # Debian's package, where no OpenLDAP server is installed yet; without a configuration it starts nothing by itself
	@command -v slapd >/dev/null || ls /usr/sbin/slapd >/dev/null 2>&1 || { \
	  echo "Installing OpenLDAP (once) …" >&2; echo "slapd slapd/no_configuration boolean true" | debconf-set-selections; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slapd >/dev/null; }

chromium: # Debian's package, where no Chromium is installed yet
	@command -v chromium >/dev/null || { \
	  echo "Installing Chromium (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	  chromium >/dev/null; }

prometheus: # Debian's package, where no Prometheus is installed: unpacked only, since an installed one would begin to listen
	@command -v promtool >/dev/null || ls .cache/prometheus/usr/bin/promtool >/dev/null 2>&1 || { \
	  echo "Fetching Prometheus (once) …" >&2; mkdir -p .cache/prometheus && cd .cache/prometheus && apt-get update -qq && \
	  apt-get download -qq prometheus 2>/dev/null && dpkg -x prometheus_*.deb .; }

minisign: # Debian's package, where minisign is not installed yet
	@command -v minisign >/dev/null || { \
	  echo "Installing minisign (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y minisign >/dev/null; }

strace: # Debian's package, where it is not installed yet
	@command -v strace >/dev/null || { \
	  echo "Installing strace (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y strace >/dev/null; }

gcc: # Debian's packages, where no C compiler is installed yet
	@command -v gcc >/dev/null || command -v cc >/dev/null || { \
	  echo "Installing gcc (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	  gcc libc6-dev >/dev/null; }

age: # Debian's package, where age is not installed yet
	@command -v age >/dev/null || { \
	  echo "Installing age (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y age >/dev/null; }

.venv-sdk/done: requirements/uv.lock requirements/sdk.lock # 660 MB: Microsoft's Graph SDKs for Python, in an environment of their own
	@echo "Installing Microsoft's Graph SDKs for Python (once) …" >&2
	@$(PYTHON) -m venv .venv-sdk
	@.venv-sdk/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	@.venv-sdk/bin/uv pip install --quiet --python .venv-sdk/bin/python --require-hashes -r requirements/sdk.lock
	@touch $@

setup: .venv/runtime ## Install Rightful into .venv

demo: .venv/runtime ## Do the main job on a sample company, start to verified package
	@$(BIN)/rightful demo

test: .venv/dev tests/servers/node_modules/.done postgres mariadb dovecot firebird openssh slapd chromium minisign age strace gcc prometheus ## Run all tests, on real servers
	@$(BIN)/pytest -n 2 $(ARGS)

soak: .venv/dev postgres strace gcc ## Kill the service in ever new ways for ten minutes (SOAK_S=…), then under load, and fail every call; SEED=… repeats one scenario
	@$(BIN)/python -m tests.faults.soak
	@[[ -n "$$SEED" ]] || SOAK=1 $(BIN)/pytest -q $(addprefix tests/faults/test_,$(LONG:=.py)) $(ARGS)

test-sdk: .venv/dev .venv-sdk/done ## Run what Microsoft's Graph SDKs for Python do (660 MB, once; then `make test` does too)
	@$(BIN)/pytest tests/sdk $(ARGS)

test-office: .venv/dev ## Open CSV parts in LibreOffice (250 MB, once; then `make test` does too)
	@command -v soffice >/dev/null || { \
	  echo "Installing LibreOffice (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	  libreoffice-calc-nogui >/dev/null; }
	@$(BIN)/pytest tests/office $(ARGS)

test-container: .venv/dev ## Build the image and use it, as root (Debian's buildah, once; then `make test` does too)
	@command -v buildah >/dev/null && command -v debootstrap >/dev/null || { \
	  echo "Installing buildah (once) …" >&2; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	  buildah debootstrap >/dev/null; }
	@$(BIN)/pytest tests/container $(ARGS)

sbom: .venv/dev ## Write what an installation consists of: rightful.cdx.json, with all extras rightful-extras.cdx.json
	@$(BIN)/python deploy/sbom.py runtime > rightful.cdx.json
	@$(BIN)/python deploy/sbom.py extras > rightful-extras.cdx.json

locks: .venv/uv ## Renew the lock files from pyproject.toml, as far as versions may stay as they are
	@$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements/runtime.lock
	@$(BIN)/uv pip compile $(LOCK) --extra dev pyproject.toml -o requirements/dev.lock
	@$(BIN)/uv pip compile $(LOCK) $(foreach extra,dask delta iceberg mysql object-stores otel postgres sftp sqlalchemy,--extra $(extra)) -c requirements/dev.lock \
	  pyproject.toml -o requirements/extras.lock

check: .venv/dev ## Format, lint, types, layers, docs
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/docs

bench: .venv/dev postgres ## Measure us and the yardstick on the same work, side by side
	@$(BIN)/python -m benchmarks.run $(ARGS)

format: .venv/dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## Remove what the other targets made
	rm -rf .venv .venv-sdk tests/servers/node_modules rightful-demo .cache
