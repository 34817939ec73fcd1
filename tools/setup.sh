#!/usr/bin/env bash
# Set phage up in .venv: `setup.sh install` for use, `setup.sh dev` with what tests and checks need.
# Says in one line what is lacking. As root it installs what Debian has; else it names the command.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-install}
venv=.venv

say() { echo "phage setup: $*" >&2; }
lack() { say "$*"; exit 1; }
as_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# A network may fail for a moment, and another apt-get may hold the lock.
export PIP_RETRIES=${PIP_RETRIES:-10} PIP_DEFAULT_TIMEOUT=${PIP_DEFAULT_TIMEOUT:-60}
export CARGO_NET_RETRY=${CARGO_NET_RETRY:-10}
# Tools that build a package come in the versions that it is tested with, too.
export PIP_CONSTRAINT=${PIP_CONSTRAINT:-constraints.txt}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 "$@" >&2
}

again() { # COMMAND...: three times before it is given up
  local pause
  for pause in 5 20; do
    "$@" && return 0
    say "trying again in $pause s: $*"
    sleep "$pause"
  done
  "$@"
}

apt_updated=
apt_update() {
  [ -n "$apt_updated" ] || again apt update
  apt_updated=1
}

apt_install() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] && return 0
  as_root || lack "lacks ${missing[*]}; install with: sudo apt-get install -y ${missing[*]}"
  say "installing ${missing[*]}"
  apt_update
  again apt install -y --no-install-recommends "${missing[@]}" \
    || lack "could not install ${missing[*]}"
}

python=
for candidate in python3 python3.13 python3.12 python3.11; do
  if command -v "$candidate" >/dev/null \
    && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || lack "lacks Python 3.11 or later; install with: sudo apt-get install -y python3 python3-venv"

if [ ! -x $venv/bin/python ]; then
  "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
  "$python" -m venv $venv
fi

# Rust: a recent one if there is one, else Debian's (kept current there for the browsers).
tools/cargo.sh --check 2>/dev/null || {
  if as_root && apt_update && apt-cache show cargo-web >/dev/null 2>&1; then
    apt_install rustc-web cargo-web gcc libc6-dev
  fi
  tools/cargo.sh --check || lack "lacks Rust 1.89 or later; install with: sudo apt-get install -y rustc-web cargo-web gcc libc6-dev"
}
command -v cc >/dev/null || apt_install gcc libc6-dev

if [ "$mode" = dev ] && as_root; then
  mapfile -t packages < <(grep -vE '^\s*(#|$)' tools/debian-packages.txt)
  apt_install "${packages[@]}"
fi

# Built again only when something that goes into it has changed.
stamp=$venv/.phage-$mode
inputs() {
  find crates src -type f \( -name '*.rs' -o -name '*.py' -o -name 'Cargo.toml' -o -name '*.sql' -o -name '*.json' -o -name '*.yaml' \
      -o -name '*.html' -o -name '*.css' -o -name '*.js' -o -name '*.svg' -o -name '*.png' \) \
    -not -path '*/target/*' -print0 | sort -z | xargs -0 cat
  cat pyproject.toml constraints.txt Cargo.toml Cargo.lock tools/debian-packages.txt
}
sum=$(inputs | sha256sum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && exit 0

pip_install() { $venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"; }

eval "$(tools/cargo.sh --environment)"
if [ "$mode" = dev ]; then
  say "building phage and installing what the tests need"
  # Helm's own code as a library, which judges the chart; it says that it needs Python 3.12, and works with 3.11.
  again pip_install --no-deps --ignore-requires-python helm-sdkpy==0.1.32
  again pip_install -e '.[dev,discovery,docs,postgres,scan]'
else
  say "building phage (a few minutes the first time)"
  again pip_install .
fi
echo "$sum" > "$stamp"
say "done; the command is $venv/bin/phage (\`. $venv/bin/activate\` lets you type \`phage\`)"
