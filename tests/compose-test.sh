#!/usr/bin/env bash
# usage: tests/compose-test.sh — the stack of docker-compose.yml under a real Docker engine, as deploy/README.md starts it: every service
# becomes healthy and comes back after a crash that follows a reload; then the profiles `demo` and `ha`.
#
# Needs a Docker engine, its rights, and the ports 3000, 8000, 8060, 8061, 9090 and 9093 of 127.0.0.1. Builds every image. Works on a
# copy of the checkout without its .env and secrets, and removes what it made but the images.
set -euo pipefail
cd "$(dirname "$0")/.."

docker info >/dev/null 2>&1 || {
  echo 'no Docker engine answers `docker info` (hint: install docker-ce or docker.io, start it, and belong to the group docker)' >&2
  exit 1
}
compose=(docker compose)
docker compose version >/dev/null 2>&1 || compose=(docker-compose)
export COMPOSE_PROJECT_NAME=gpu-monitoring-test
# Profiles are set here alone: all of them, so that nothing stays.
end() { COMPOSE_PROFILES=demo,ha "${compose[@]}" down --volumes --timeout 5 >/dev/null 2>&1 && rm -rf "$PWD"; }

copy=target/compose-test
rm -rf $copy
mkdir -p $copy
(umask 022 && git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --directory=$copy)
cd $copy
trap end EXIT

# until_true SECONDS WHAT COMMAND...
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || {
      echo "waited in vain for $what" >&2
      "${compose[@]}" ps >&2
      "${compose[@]}" logs --tail 20 >&2
      exit 1
    }
    sleep 0.5
  done
}
container() { "${compose[@]}" ps -q "$1"; }
state() { docker inspect -f "$2" "$(container "$1")"; }
is_healthy() { [ "$(state "$1" '{{.State.Health.Status}}')" = healthy ]; }
has_new_process() { [ "$(state "$1" '{{.State.Running}}')" = true ] && [ "$(state "$1" '{{.State.Pid}}')" != "$2" ]; }
all_healthy() {
  local service
  for service in "$@"; do until_true 180 "$service to be healthy" is_healthy "$service"; done
}
# as_root [OPTION]... COMMAND... — bash on the host's processes.
as_root() { docker run --rm --pid=host --user=0 --entrypoint=/bin/bash "${@:1:$#-1}" "$(state alert-relay '{{.Image}}')" -c "${*: -1}"; }
# A crash, as the kernel sees it: not through Docker, which would take it for a stop.
crash() { as_root "kill -9 $(state "$1" '{{.State.Pid}}')"; }
comes_back() {
  local before
  before=$(state "$1" '{{.State.Pid}}')
  crash "$1"
  until_true 60 "$1 to come back after a crash" has_new_process "$1" "$before"
  until_true 120 "$1 to be healthy again" is_healthy "$1"
}
# holds EXPRESSION — of Prometheus: whether it has a value.
holds() { "${compose[@]}" exec -T prometheus promtool query instant http://127.0.0.1:9090 "$1" | grep -q '=>'; }
# must_fail WHAT COMMAND...
must_fail() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then
    echo "the exporter can $what" >&2
    exit 1
  fi
}

shipped=(gpu-node-exporter prometheus alertmanager alert-relay alert-relay-standby grafana)
deploy/preflight
"${compose[@]}" up -d --build
all_healthy "${shipped[@]}"
until_true 60 'Prometheus to reach five targets' holds 'count(up == 1) == 5'
# The gateway's address: Docker gives this machine's connections to it another source.
curl -fsS -o /dev/null http://172.30.98.1:9100/metrics
echo 'every service is healthy and scraped'

"${compose[@]}" exec -T alert-relay alert-relay check --config /etc/alert-relay/relay.yml
"${compose[@]}" exec -T alert-relay alert-relay reload --config /etc/alert-relay/relay.yml
curl -fsS -X POST http://localhost:9093/-/reload
"${compose[@]}" exec -T alertmanager amtool check-config /etc/alertmanager/alertmanager.yml
"${compose[@]}" exec -T prometheus promtool check config /etc/prometheus/prometheus.yml
for service in "${shipped[@]}"; do comes_back "$service"; done
echo 'every service comes back after a crash that follows a reload'

must_fail 'write to the host'"'"'s shared memory' \
  "${compose[@]}" exec -T gpu-node-exporter bash -c 'echo x > /host/dev/shm/compose-test'
must_fail "look into the relay's container" \
  "${compose[@]}" exec -T gpu-node-exporter ls "/proc/$(state alert-relay '{{.State.Pid}}')/root"
echo 'the exporter reaches neither the relay nor the shared memory'

export COMPOSE_PROFILES=demo PROMETHEUS_TARGETS=targets-demo
"${compose[@]}" up -d --build
all_healthy engine-sim demo-gpu-node-exporter
comes_back engine-sim
all_healthy demo-gpu-node-exporter
until_true 60 'Prometheus to reach the simulated engine' holds 'up{job="inference"} == 1'
until_true 60 'the exporter to see its process' holds 'gpu_engine_state{node="simulated-inference-node", state="running"} == 1'
curl -fsS -o /dev/null -d '{"kind": "hang"}' http://127.0.0.1:8000/sim/fault
until_true 300 'InferenceHung' holds 'ALERTS{alertname="InferenceHung", alertstate="firing"}'
unset COMPOSE_PROFILES PROMETHEUS_TARGETS
"${compose[@]}" rm --stop --force engine-sim demo-gpu-node-exporter
"${compose[@]}" up -d
until_true 60 'Prometheus to ask the simulated engine no more' eval '! curl -fsS http://127.0.0.1:9090/api/v1/targets | grep -q engine-sim'
echo 'the simulated engine hangs and is told'

. tests/compose-test-ha.sh
