#!/usr/bin/env bash
# Run the tests: all, or only `rust` or `python`. Called by `make test`, which sets things up first.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
if [ "$what" != python ]; then
  tools/cargo.sh test --workspace --locked --quiet
fi
if [ "$what" != rust ]; then
  .venv/bin/python -m pytest -q "${@:2}"
fi
