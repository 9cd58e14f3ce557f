#!/usr/bin/env bash
# usage: tests/compose-test.sh — the stack of docker-compose.yml under a real Docker engine: every service becomes healthy, and each
# comes back after a crash that follows the reload its page describes.
#
# Needs a Docker engine and the ports 9090, 9093, 8060 and 3000 of 127.0.0.1; builds both images. Removes what it made.
set -euo pipefail
cd "$(dirname "$0")/.."

docker info >/dev/null 2>&1 || {
  echo 'no Docker engine answers `docker info` (hint: install docker-ce or docker.io, start it, and belong to the group docker)' >&2
  exit 1
}
compose=(docker compose)
docker compose version >/dev/null 2>&1 || compose=(docker-compose)
export COMPOSE_PROJECT_NAME=gpu-monitoring-test
trap '"${compose[@]}" down --volumes --timeout 5 >/dev/null 2>&1' EXIT

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
    sleep 1
  done
}
container() { "${compose[@]}" ps -q "$1"; }
state() { docker inspect -f "$2" "$(container "$1")"; }
is_healthy() { [ "$(state "$1" '{{.State.Health.Status}}')" = healthy ]; }
has_new_process() { [ "$(state "$1" '{{.State.Running}}')" = true ] && [ "$(state "$1" '{{.State.Pid}}')" != "$2" ]; }
# A crash, as the kernel sees it: not through Docker, which would take it for a stop.
crash() { docker run --rm --pid=host --privileged debian:bookworm-slim kill -9 "$1"; }

deploy/preflight
"${compose[@]}" up -d --build
for service in gpu-node-exporter prometheus alertmanager alert-relay alert-relay-standby grafana; do
  until_true 180 "$service to be healthy" is_healthy "$service"
done
echo 'every service is healthy'

"${compose[@]}" exec -T alert-relay alert-relay check --config /etc/alert-relay/relay.yml
"${compose[@]}" exec -T alert-relay alert-relay reload --config /etc/alert-relay/relay.yml
curl -fsS -X POST http://localhost:9093/-/reload
"${compose[@]}" exec -T alertmanager amtool check-config /etc/alertmanager/alertmanager.yml
"${compose[@]}" exec -T prometheus promtool check config /etc/prometheus/prometheus.yml
for service in gpu-node-exporter prometheus alertmanager alert-relay alert-relay-standby grafana; do
  before=$(state "$service" '{{.State.Pid}}')
  crash "$before"
  until_true 60 "$service to come back after a crash" has_new_process "$service" "$before"
  until_true 120 "$service to be healthy again" is_healthy "$service"
done
echo 'every service comes back after a crash that follows a reload'

# must_fail WHAT COMMAND...
must_fail() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then
    echo "the exporter can $what" >&2
    exit 1
  fi
}
must_fail 'write to the host'"'"'s shared memory' \
  "${compose[@]}" exec -T gpu-node-exporter bash -c 'echo x > /host/dev/shm/compose-test'
must_fail "look into the relay's container" \
  "${compose[@]}" exec -T gpu-node-exporter ls "/proc/$(state alert-relay '{{.State.Pid}}')/root"
echo 'the exporter reaches neither the relay nor the shared memory'
