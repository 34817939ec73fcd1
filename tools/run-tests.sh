#!/usr/bin/env bash
# Run the tests: all, or only `rust` or `python`. Called by `make test`, which sets things up first.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
if [ "$what" != python ]; then
  tools/cargo.sh test --workspace --locked --quiet
fi
if [ "$what" != rust ]; then
  # Real servers, kernels and browsers: in CI a failing test runs once more, and is counted as rerun.
  .venv/bin/python -m pytest -q ${CI:+--reruns 1 -rR} "${@:2}"
fi
