#!/usr/bin/env bash
# Look whether a package that build.sh made can be used: check.sh PACKAGE. What is in it is unpacked beside, put in its
# place in a mount namespace of its own, and started there; nothing is installed. Needs root.
set -euo pipefail
package=$(realpath "$1")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
dpkg-deb --info "$package" >/dev/null
dpkg-deb --raw-extract "$package" "$root"
for script in postinst prerm; do sh -n "$root/DEBIAN/$script"; done
! grep -rIlE '[[:alnum:]_.-]/opt/phage' "$root/opt" || { echo "check: the package names the folder it was made in" >&2; exit 1; }
mkdir -p /opt/phage
unshare --mount --propagation private bash -euo pipefail -c '
  mount --bind "$0/opt/phage" /opt/phage
  state=$(mktemp -d); trap "rm -rf $state" EXIT
  "$0/usr/bin/phage" --version
  PHAGE_STATE_DIR=$state "$0/usr/bin/phage" doctor --output json >/dev/null || [ $? -eq 1 ]
  PHAGE_STATE_DIR=$state "$0/usr/bin/phage" config show >/dev/null
  /opt/phage/bin/python -c "import phage.native, phage.api.app, phage.web.dashboard, psycopg"
' "$root"
rmdir /opt/phage 2>/dev/null || true
echo "check: $(basename "$package") can be used"
