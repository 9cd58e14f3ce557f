#!/usr/bin/env bash
# Installs what a make target needs from Debian's packages: only what is missing, and nothing when nothing is.
#
# usage: debian-packages.sh up|demo|test|bench|all
set -euo pipefail

# what is looked for      its package               the targets that need it
needs="
command:cc                gcc                       up demo test bench
header:stdlib.h           libc6-dev                 up demo test bench
command:prometheus        prometheus                up demo test bench
command:prometheus-alertmanager prometheus-alertmanager up demo test bench
python:aiosmtpd           python3-aiosmtpd          demo test
python:prometheus_client  python3-prometheus-client test
command:prometheus-node-exporter prometheus-node-exporter bench
command:sqlite3           sqlite3                   bench
"
target=${1-}
case $target in
  up | demo | test | bench | all) ;;
  *)
    echo 'usage: debian-packages.sh up|demo|test|bench|all' >&2
    exit 2
    ;;
esac

is_there() {
  case $1 in
    command:*) command -v "${1#*:}" >/dev/null ;;
    header:*) [ -e "/usr/include/${1#*:}" ] ;;
    python:*) /usr/bin/python3 -c "import ${1#*:}" 2>/dev/null ;;
  esac
}

missing=()
while read -r what package targets; do
  [ -n "$what" ] || continue
  case " $targets all " in *" $target "*) ;; *) continue ;; esac
  is_there "$what" || missing+=("$package")
done <<<"$needs"
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]} (hint: these are Debian's package names; install the same programs by this system's own means)" >&2
  exit 1
fi
as_root=()
if [ "$EUID" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "missing: ${missing[*]} (hint: as root, apt-get install ${missing[*]})" >&2
    exit 1
  }
  as_root=(sudo)
fi

echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null

# Debian starts some of these as services on all addresses. Nobody asked for that: what runs here is started by the target
# itself, on loopback, and ends with it.
if [ -d /run/systemd/system ]; then
  for package in "${missing[@]}"; do
    if systemctl is-enabled --quiet "$package.service" 2>/dev/null; then
      "${as_root[@]}" systemctl disable --quiet --now "$package.service"
      echo "stopped and disabled the service $package that its package had just started (systemctl enable --now $package brings it back)"
    fi
  done
fi
