#!/usr/bin/env bash
# Installs what a make target needs from Debian's packages: only what is missing, and nothing when nothing is. Says so when
# what is there is too old.
#
# usage: debian-packages.sh up|demo|test|mutants|bench|gpu-check|all
set -euo pipefail

# what is looked for      its package               the targets that need it
needs="
command:cc                gcc                       up demo test mutants bench gpu-check
header:stdlib.h           libc6-dev                 up demo test mutants bench gpu-check
command:prometheus        prometheus                up demo test mutants bench
command:prometheus-alertmanager prometheus-alertmanager up demo test bench
python:aiosmtpd           python3-aiosmtpd          demo test
python:prometheus_client  python3-prometheus-client test
command:prometheus-node-exporter prometheus-node-exporter test bench
command:strace            strace                    test bench
command:sqlite3           sqlite3                   test bench
postgres:initdb           postgresql                test bench
command:systemd-analyze   systemd                   test
command:dbus-daemon       dbus                      test
command:ip                iproute2                  test
command:curl              curl                      test gpu-check
command:chromium          chromium                  test
command:chromedriver      chromium-driver           test
font:zh                   fonts-noto-cjk            test
command:pgrep             procps                    test gpu-check
command:awk               mawk                      gpu-check
"
# The oldest that read the shipped files: keep_firing_for in rules, location in time intervals.
oldest="
prometheus 2.42
prometheus-alertmanager 0.25
"
target=${1-}
case $target in
  up | demo | test | mutants | bench | gpu-check | all) ;;
  *)
    echo 'usage: debian-packages.sh up|demo|test|mutants|bench|gpu-check|all' >&2
    exit 2
    ;;
esac

is_there() {
  case $1 in
    command:*) command -v "${1#*:}" >/dev/null ;;
    header:*) [ -e "/usr/include/${1#*:}" ] ;;
    # Debian has the server's programs in a directory for each version.
    postgres:*) compgen -G "/usr/lib/postgresql/*/bin/${1#*:}" >/dev/null || command -v "${1#*:}" >/dev/null ;;
    font:*) fc-list ":lang=${1#*:}" 2>/dev/null | grep -q . ;;
    python:*) /usr/bin/python3 -c "import ${1#*:}" 2>/dev/null ;;
  esac
}

missing=()
present=()
while read -r what package targets; do
  [ -n "$what" ] || continue
  case " $targets all " in *" $target "*) ;; *) continue ;; esac
  present+=("${what#*:}")
  is_there "$what" || missing+=("$package")
done <<<"$needs"

# Once everything is there: ends with 1 when a program is too old for the files that are shipped.
check_versions() {
  local program needed found outcome=0
  while read -r program needed; do
    case " ${present[*]} " in *" $program "*) ;; *) continue ;; esac
    found=$("$program" --version 2>&1 | sed -n '1s/.*version \([0-9.]*\).*/\1/p')
    if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
      echo "$program ${found:-of unknown version} is too old: $needed or newer is needed (hint: Debian 12 and newer have it; or put a newer program of this name first in PATH)" >&2
      outcome=1
    fi
  done <<<"$oldest"
  return $outcome
}
if [ ${#missing[@]} -eq 0 ]; then
  check_versions
  exit
fi

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

check_versions
