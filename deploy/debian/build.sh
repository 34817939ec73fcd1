#!/usr/bin/env bash
# Build a Debian package from this checkout: build.sh [FOLDER]; check.sh looks whether it can be used. It brings its own
# Python environment at /opt/phage, so that it asks of the system for Python, nftables and nothing else. Needs dpkg-deb,
# python3-venv and Rust (tools/cargo.sh); a few minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath "${1:-dist}")
eval "$(tools/cargo.sh --environment)"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$out" "$root"/{DEBIAN,opt,usr/bin,usr/lib/systemd/system,usr/share/doc/phage,etc/phage}

# An environment knows its own place: it is made where it will be, and moved into the package.
python3 -m venv --copies "$root/opt/phage"
"$root/opt/phage/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt '.[postgres]'
"$root/opt/phage/bin/pip" uninstall --quiet --yes pip setuptools
find "$root/opt/phage" -name __pycache__ -prune -exec rm -rf {} +
grep -rlIF "$root" "$root/opt/phage" | xargs -r sed -i "s|$root||g"

ln -s /opt/phage/bin/phage "$root/usr/bin/phage"
install -m 644 deploy/systemd/*.service "$root/usr/lib/systemd/system/"
install -m 644 README.md "$root/usr/share/doc/phage/"
gzip -9n <CHANGELOG.md >"$root/usr/share/doc/phage/changelog.gz"
{ printf 'License: Apache-2.0\n\n'; cat LICENSE; } >"$root/usr/share/doc/phage/copyright"
chmod 644 "$root"/usr/share/doc/phage/*
cat > "$root/DEBIAN/control" <<CONTROL
Package: phage
Version: $version
Architecture: $architecture
Maintainer: phage <phage@localhost>
Section: net
Priority: optional
Depends: python3 (>= 3.11), libc6, nftables, adduser
Recommends: ipset, conntrack
Description: immune system for networks
 Learns what is normal for each device, finds attacks and anomalies, decides by
 rules that people can read, and blocks in the kernel and on routers. A fresh
 install observes, and blocks nothing.
CONTROL
cat > "$root/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  for account in phage phage-enforcer; do
    getent passwd "$account" >/dev/null || adduser --quiet --system --group --no-create-home --home /nonexistent "$account"
  done
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart phage.service || true
  fi
fi
SCRIPT
cat > "$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now phage.service phage-enforcer.service phage-worker.service phage-worker-join.service || true
fi
SCRIPT
chmod 755 "$root"/DEBIAN/{postinst,prerm} "$root"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/phage_${version}_${architecture}.deb"
