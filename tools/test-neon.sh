#!/usr/bin/env bash
# The tests of tables and models on AArch64, whose vectors are NEON, in an emulator: takes some minutes.
# Needs Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user, and a rustup that can fetch the target.
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
for needed in aarch64-linux-gnu-gcc qemu-aarch64 rustup; do
  command -v "$needed" >/dev/null || { echo "test-neon: needs $needed" >&2; exit 1; }
done
rustup target add "$target"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
# Millions of packets a test are for real processors.
exec cargo test --locked --target "$target" -p phage-memory -p phage-model -- --skip million --skip long_training "$@"
