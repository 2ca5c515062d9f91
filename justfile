# Every verb of this repository. `./just` brings its own tools; with a `just` of your own, `just up` is the same.

set positional-arguments
set shell := ["sh", "-eu", "-c"]

python := ".venv/bin/python"

_default:
    @just --justfile "{{justfile()}}" --list --unsorted

# Start the whole platform on this machine, until Ctrl-C
[group('run')]
[no-exit-message]
up *args: _sync
    @exec {{python}} -m cli up "$@"

# Place orders on a platform of its own and show what happens
[group('run')]
[no-exit-message]
demo *args: _sync
    @exec {{python}} -m cli demo "$@"

# Show one trace of the running platform
[group('run')]
[no-exit-message]
trace *args: _sync
    @exec {{python}} -m cli trace "$@"

# Any command of `mesh`: check, simulate, rebuild, provision ...
[group('run')]
[no-exit-message]
mesh *args: _sync
    @exec {{python}} -m cli "$@"

# Wipe the data of this machine, after asking
[group('run')]
[no-exit-message]
reset *args: _sync
    @exec {{python}} -m cli reset "$@"

# Run the tests without the long ones; what follows goes to pytest
[group('test')]
test *args: _sync
    @exec {{python}} -m pytest -m "not slow" -q "$@"

# Run all tests, with simulations, kills and soak
[group('test')]
test-all *args: _sync
    @exec {{python}} -m pytest "$@"

# Run seeded schedules of the shop in memory: --seed 7, --count 2000, --bug early_ack
[group('test')]
[no-exit-message]
schedules *args: _sync
    @exec {{python}} -m tests.sim "$@"

# Measure, as ratios in one run
[group('test')]
bench *args: _sync
    @exec {{python}} -m bench "$@"

# Lint, types and imports
[group('check')]
check: lint types imports

# Look for mistakes and for style
[group('check')]
lint: _sync
    {{python}} -m ruff check .
    {{python}} -m ruff format --check .

# Check all types, strictly
[group('check')]
types *args: _sync
    {{python}} -m mypy "$@"

# Check which package may import which
[group('check')]
imports: _sync
    .venv/bin/lint-imports

# Write all Python in the one style
[group('change')]
format: _sync
    {{python}} -m ruff check --select I --fix .
    {{python}} -m ruff format .

# Pin every version anew, with hashes and without download addresses
[group('change')]
lock: _tools
    @tools=$(cd .tools/bin && pwd -P); \
    eval "$("$tools/python" infra/local/package_source.py)"; \
    "$tools/uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
        pyproject.toml --extra local --group dev -o requirements.lock; \
    "$tools/uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
        infra/local/tools.in -o infra/local/tools.lock

_tools:
    @./just --version >/dev/null

_sync:
    @infra/local/sync
