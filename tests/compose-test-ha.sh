# The profile `ha` by the steps of deploy/README.md: part of compose-test.sh, whose functions it uses.
#
# What is told arrives at the relay's own receiver `told`, so that it is counted where neither relay's death can lose it.
cat >deploy/alert-relay/told.json.j2 <<'TEMPLATE'
{ "version": "4", "groupKey": {{ delivery }}, "status": "firing", "receiver": "told", "groupLabels": {}, "commonLabels": {},
  "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0, "alerts": [{
    "status": "firing", "labels": { "alertname": {{ "told-" ~ alerts[0].name ~ "." }}, "sent": {{ now }} }, "annotations": {},
    "startsAt": {{ now }}, "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "" }] }
TEMPLATE
sed -i 's|^targets:$|&\n  told: { webhook: { url: "http://127.0.0.1:8060/api/v1/alerts/told" }, template: told.json.j2 }|
  s|^receivers:$|&\n  told: { routes: [] }|; s|^    routes: \[$|&\n      { targets: [told] },|' deploy/alert-relay/relay.yml
"${compose[@]}" exec -T alert-relay alert-relay reload --config /etc/alert-relay/relay.yml
"${compose[@]}" exec -T alert-relay alert-relay send-test told --config /etc/alert-relay/relay.yml

# webhook NAME — its body: one alert of this name.
webhook() {
  cat <<BODY
{ "version": "4", "groupKey": "$1", "status": "firing", "receiver": "ops", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
  "externalURL": "", "truncatedAlerts": 0, "alerts": [{ "status": "firing", "labels": { "alertname": "$1", "severity": "critical" },
  "annotations": {}, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "" }] }
BODY
}
posted=()
# post PORT NAME
post() {
  webhook "$2" | curl -fsS --max-time 10 -o /dev/null -H 'Content-Type: application/json' --data-binary @- "http://127.0.0.1:$1/api/v1/alerts/ops" || return
  posted+=("$2")
}

post 8060 BeforeTheMove
(umask 077 && echo "relay-store:5432:relay:relay:$(head -c 18 /dev/urandom | base64 | tr '+/' '-_')" >deploy/alert-relay/secrets/pgpass)
as_root "--volume=$PWD/deploy/alert-relay/secrets:/secrets" 'chown 60860 /secrets/pgpass'
deploy/preflight
export COMPOSE_PROFILES=ha RELAY_STORE=postgres://relay@relay-store/relay
"${compose[@]}" up -d --build relay-store
all_healthy relay-store
"${compose[@]}" stop alert-relay
"${compose[@]}" run --rm -T alert-relay store move sqlite:///var/lib/alert-relay/relay.db "$RELAY_STORE"
sed -i '/alert-relay:8060/{p; s/alert-relay:8060/alert-relay-two:8060/}' deploy/alertmanager/alertmanager.yml
sed -i 's/"alert-relay:8060"/&, "alert-relay-two:8060"/' deploy/prometheus/prometheus.yml
"${compose[@]}" up -d --build
all_healthy alertmanager alert-relay alert-relay-two
curl -fsS -X POST http://localhost:9093/-/reload
until_true 60 'Prometheus to reach both relays' holds 'count(up{job="alert-relay"} == 1) == 2'

declare -A port=([alert-relay]=8060 [alert-relay-two]=8061)
# says RELAY STATUS
says() { curl -sS --max-time 2 "http://127.0.0.1:${port[$1]}/-/ready" 2>/dev/null | grep -q "\"status\":\"$2\""; }
# Sets `deliverer` and `other`.
look_who_delivers() {
  until_true 30 'one relay to deliver' eval 'says alert-relay ready || says alert-relay-two ready'
  deliverer=alert-relay other=alert-relay-two
  says alert-relay ready || deliverer=alert-relay-two other=alert-relay
}

post 8060 ToTheFirst
post 8061 ToTheSecond
post 8060 ToBoth
webhook ToBoth | curl -fsS -o /dev/null -H 'Content-Type: application/json' --data-binary @- http://127.0.0.1:8061/api/v1/alerts/ops
for death in 1 2; do
  look_who_delivers
  crash "$deliverer"
  post "${port[$other]}" "AfterDeath$death"
  until_true 10 "$other to deliver after the death of $deliverer" says "$other" ready
  until_true 60 "$deliverer to come back" says "$deliverer" standby
done
look_who_delivers
docker pause "$(container "$deliverer")"
post "${port[$other]}" WhileFrozen
until_true 10 "$other to deliver while $deliverer is frozen" says "$other" ready
docker unpause "$(container "$deliverer")"
until_true 60 "$deliverer to find that its term is over" says "$deliverer" standby
echo 'another relay delivers within ten seconds of a death or a freeze'

comes_back relay-store
until_true 60 'a relay to store after the crash of the database' post 8060 AfterTheCrash
until_true 60 'the other relay to store' post 8061 AfterTheCrashToo
"${compose[@]}" restart relay-store
all_healthy relay-store
until_true 60 'a relay to store after a restart of the database' post 8061 AfterTheRestart
look_who_delivers

# sql STATEMENT
sql() { "${compose[@]}" exec -T relay-store psql --host=relay-store --username=relay --no-password --tuples-only --no-align --command="$1" relay; }
nothing_waits() { [ "$(sql 'SELECT count(*) FROM deliveries WHERE ended_at IS NULL')" = 0 ]; }
until_true 120 'everything to be told' nothing_waits
for name in "${posted[@]}"; do
  times=$(sql "SELECT count(*) FROM notifications WHERE receiver = 'told' AND convert_from(payload, 'UTF8') LIKE '%told-$name.%'")
  [ "$times" = 1 ] || {
    echo "$name was told $times times" >&2
    exit 1
  }
done
echo "each of ${#posted[@]} alerts is told once, whichever relay took it and whatever died"
