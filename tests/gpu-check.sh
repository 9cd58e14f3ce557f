#!/usr/bin/env bash
# Asks a real NVIDIA GPU what the simulator can't know. CONTRIBUTING.md says when and how.
#
# usage: gpu-check.sh EXPORTER_BINARY RECORD_FOLDER [EXPORTER_FLAG …]
#
# Needs bash, curl, pgrep, awk and the driver; nothing is installed and no GPU setting is changed. Takes about a minute and a half.
set -euo pipefail
for tool in curl pgrep awk; do
  command -v "$tool" >/dev/null || {
    echo "$tool is missing (hint: Debian has it in curl, procps or mawk)" >&2
    exit 2
  }
done

exporter=${1:?usage: gpu-check.sh EXPORTER_BINARY RECORD_FOLDER [EXPORTER_FLAG …]}
record=${2:?usage: gpu-check.sh EXPORTER_BINARY RECORD_FOLDER [EXPORTER_FLAG …]}
shift 2
mkdir -p "$record"
address=127.0.0.1:19109
failures=0

say() { printf '%s\n' "$*" | tee -a "$record/summary.txt"; }
verdict() { # verdict DESCRIPTION COMMAND…: runs the command, records whether it held
  local what=$1
  shift
  if "$@"; then say "ok    $what"; else
    say "FAIL  $what"
    failures=$((failures + 1))
  fi
}
page() { curl -fsS --max-time 10 -H "Accept: $1" "http://$address/metrics"; }
value() { page 'text/plain;version=0.0.4' | awk -v name="$1" 'index($0, name) == 1 { print $NF; exit }'; }
until_true() { # until_true SECONDS COMMAND…: polls, since another process is what we wait for
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.2
  done
}
probe_pid() { pgrep -P "$pid" -f gpu-probe | head -n 1; }
gpu_is_up() { [ "$(value gpu_up)" = 1 ]; }
gpu_is_gone() { ! gpu_is_up; }
new_probe() { local now; now=$(probe_pid) && [ -n "$now" ] && [ "$now" != "$killed" ]; }

: >"$record/summary.txt"
say "exporter: $("$exporter" --version 2>&1 | head -n 1)"
say "kernel:   $(uname -r)"
if command -v nvidia-smi >/dev/null; then
  nvidia-smi -q >"$record/nvidia-smi-q.txt" 2>&1 || say "note  nvidia-smi failed: see nvidia-smi-q.txt"
fi
verdict "--check finds no fault" sh -c '"$0" --check "$@" >"'"$record"'/check.txt" 2>&1' "$exporter" "$@"

"$exporter" --web.listen-address="$address" --web.enable-lifecycle "$@" >"$record/exporter.log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true' EXIT
verdict "a GPU is up within 15 s" until_true 15 gpu_is_up
page 'application/openmetrics-text;version=1.0.0' >"$record/first.openmetrics.txt"
page 'text/plain;version=0.0.4' >"$record/first.txt"

probe=$(probe_pid || true)
cpu_before=$(awk '{ print $14 + $15 }' "/proc/$probe/stat")
sleep 60
cpu_after=$(awk '{ print $14 + $15 }' "/proc/$probe/stat")
say "probe:    $((cpu_after - cpu_before)) clock ticks of CPU in 60 s ($(getconf CLK_TCK) a second), $(awk '/^VmRSS/ { print $2, $3 }' "/proc/$probe/status") resident"
say "exporter: $(awk '/^VmRSS/ { print $2, $3 }' "/proc/$pid/status") resident"
page 'text/plain;version=0.0.4' >"$record/after-a-minute.txt"
say "series:   $(grep -c '^gpu_' "$record/after-a-minute.txt") that begin with gpu_"
curl -s -o /dev/null -w 'scrape:   %{time_total} s\n' "http://$address/metrics" | tee -a "$record/summary.txt"

killed=$probe
kill -9 "$killed"
verdict "host metrics stay while the probe is gone" sh -c "curl -fsS http://$address/metrics | grep -q '^node_load1 '"
verdict "a new probe starts after kill -9" until_true 30 new_probe
verdict "the GPU is up again after kill -9" until_true 30 gpu_is_up

curl -fsS -X POST "http://$address/-/gpu/release" >/dev/null
verdict "release lets go of the driver" until_true 15 sh -c "! pgrep -P $pid -f gpu-probe >/dev/null"
verdict "a released GPU is not reported as up" until_true 15 gpu_is_gone
curl -fsS -X POST "http://$address/-/gpu/acquire" >/dev/null
verdict "the GPU is up again after acquire" until_true 30 gpu_is_up

kill -TERM "$pid"
verdict "stops on SIGTERM" wait "$pid"
trap - EXIT
say "$failures failed; the record is in $record"
[ "$failures" = 0 ]
