#!/usr/bin/env bash
# The long proofs whole: every fuzz target for SECONDS_EACH (default 600), then ten million
# look-ups of indicators, then the long property tests,
# then RULE_SETS (default 10000) random rule sets in the kernel and KILLS (default 1000) killed processes,
# which takes root,
# then PHAGE_API_EXAMPLES (default 1000) requests to each operation of the API,
# then a Debian package, built and started,
# then 10000 hostile files through all engines, and 1000 files over many workers with everything killed meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-600}
eval "$(tools/cargo.sh --environment)"
if cargo fuzz --version >/dev/null 2>&1 && rustup run nightly rustc --version >/dev/null 2>&1; then
  for target in $(cd crates/phage-decode && cargo +nightly fuzz list); do
    echo "fuzzing $target for $seconds s" >&2
    (cd crates/phage-decode && cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048)
  done
else
  echo "soak: fuzzing needs cargo-fuzz and a nightly Rust (cargo install cargo-fuzz; rustup toolchain install nightly)" >&2
  exit 1
fi
PHAGE_LOOKUPS=${PHAGE_LOOKUPS:-10000000} .venv/bin/python -m pytest -q tests/unit/intel/test_reference.py
PROPTEST_CASES=${PROPTEST_CASES:-20000} tools/cargo.sh test --workspace --release --locked
HYPOTHESIS_PROFILE=nightly .venv/bin/python -m pytest -q tests/unit tests/conformance
RULE_SETS=${RULE_SETS:-10000} .venv/bin/python -m pytest -q tests/system/test_rules_kernel.py
KILLS=${KILLS:-1000} .venv/bin/python -m pytest -q tests/system/acting/test_kills.py -o junit_family=legacy --junitxml=target/kills.xml
PHAGE_API_EXAMPLES=${PHAGE_API_EXAMPLES:-1000} .venv/bin/python -m pytest -q tests/unit/api/test_description.py
deploy/debian/build.sh target/debian
deploy/debian/check.sh target/debian/phage_*.deb
PHAGE_HOSTILE_FILES=${PHAGE_HOSTILE_FILES:-10000} .venv/bin/python -m pytest -q tests/system/test_scan.py -k hostile
PHAGE_WORKER_FILES=${PHAGE_WORKER_FILES:-1000} .venv/bin/python -m pytest -q tests/system/workers/test_kills.py
