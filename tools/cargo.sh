#!/usr/bin/env bash
# Run cargo from a Rust that is recent enough: `cargo.sh ARGUMENT...`.
# `cargo.sh --check` only tells whether there is one; `--environment` prints what to export for builds.
set -euo pipefail
needed=1.89

recent() { # DIRECTORY
  local version
  [ -x "$1/rustc" ] && [ -x "$1/cargo" ] || return 1
  version=$("$1/rustc" --version 2>/dev/null | cut -d' ' -f2) || return 1
  [ "$(printf '%s\n%s\n' "$needed" "${version%%-*}" | sort -V | head -n1)" = "$needed" ]
}

found=
rustc=$(command -v rustc || true)
for directory in "${rustc:+$(dirname "$rustc")}" "${CARGO_HOME:-$HOME/.cargo}/bin" /usr/bin; do
  if [ -n "$directory" ] && recent "$directory"; then
    found=$directory
    break
  fi
done
[ -n "$found" ] || { echo "no Rust $needed or later found" >&2; exit 1; }
case "${1:-}" in
  --check) exit 0 ;;
  --environment) printf 'export PATH=%q:"$PATH"\n' "$found"; exit 0 ;;
esac
PATH="$found:$PATH" exec cargo "$@"
