#!/usr/bin/env bash
# Asks a real NVIDIA GPU what the simulator cannot know. CONTRIBUTING.md says when and how.
#
# usage: gpu-check.sh EXPORTER_BINARY RECORD_FOLDER [EXPORTER_FLAG …]
#
# Needs bash, curl, pgrep, awk and the driver. With nvidia-smi it compares values, with python3 it puts a load on GPU 0 for
# some seconds. Nothing is installed and no setting of a GPU is changed. Takes three to four minutes.
# In the environment: GPU_CHECK_SECONDS, how long each cost is measured (default 30), and GPU_CHECK_ADDRESS, where the exporter listens.
set -euo pipefail
usage='usage: gpu-check.sh EXPORTER_BINARY RECORD_FOLDER [EXPORTER_FLAG …]'
exporter=${1:?$usage}
record=${2:?$usage}
shift 2
for tool in curl pgrep awk; do
  command -v "$tool" >/dev/null || {
    echo "$tool is missing (hint: Debian has it in curl, procps or mawk)" >&2
    exit 2
  }
done
measured=${GPU_CHECK_SECONDS:-30}
flags=(--gpu.processes "$@")
address=${GPU_CHECK_ADDRESS:-127.0.0.1:19109}
failures=0
pid=
mkdir -p "$record"
: >"$record/summary.txt"
: >"$record/went-back.txt"

say() { printf '%s\n' "$*" | tee -a "$record/summary.txt"; }
verdict() { # verdict DESCRIPTION COMMAND…: runs the command, records whether it held
  local what=$1
  shift
  if "$@"; then say "ok    $what"; else
    say "FAIL  $what"
    failures=$((failures + 1))
  fi
}
until_true() { # until_true SECONDS COMMAND…: polls, since another process is what we wait for
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.2
  done
}

# --- the exporter ---

page() { curl -fsS --max-time 10 -H "Accept: $1" "http://$address/metrics"; }
classic() { page 'text/plain;version=0.0.4'; }
# Both read the page to its end: curl calls a closed pipe an error, and `pipefail` hears of it.
# value START: of the first series that begins so.
value() { classic | awk -v start="$1" '!found && index($0, start) == 1 { found = 1; print $NF }'; }
has_series() { classic | grep "$1" >/dev/null; } # has_series PATTERN
probe_pid() { pgrep -P "$pid" -f gpu-probe | head -n 1 || true; }
# The exporter of this check, and not another one that has the address.
is_running() { kill -0 "$pid" 2>/dev/null; }
gpu_is_up() { is_running && [ "$(value gpu_up 2>/dev/null)" = 1 ]; }
gpu_is_decided() { gpu_is_up || ! is_running; }
gpu_comes_up() { until_true "$1" gpu_is_decided && gpu_is_up; } # gpu_comes_up SECONDS: or the exporter ends
gpu_is_gone() { ! gpu_is_up; }
new_probe() { local now; now=$(probe_pid) && [ -n "$now" ] && [ "$now" != "$killed" ]; }
start() { # start LOG FLAG…
  local log=$1
  shift
  "$exporter" --web.listen-address="$address" --web.enable-lifecycle "${flags[@]}" "$@" >"$record/$log" 2>&1 &
  pid=$!
}
stop() {
  local running=$pid
  pid=
  [ -z "$running" ] || { kill -TERM "$running" 2>/dev/null && wait "$running"; }
}
trap 'stop || true' EXIT
finish() {
  say "$failures failed; the record is in $record"
  [ "$failures" = 0 ]
}
# Nothing else can be looked at: says why, as far as the exporter does.
give_up() {
  is_running || say "note  the exporter has ended by itself (is $address taken? GPU_CHECK_ADDRESS=HOST:PORT is another)"
  tail -n 5 "$record/exporter.log" | sed 's/^/      /' | tee -a "$record/summary.txt"
  finish || true
  exit 1
}

# --- nvidia-smi ---

has_smi() { command -v nvidia-smi >/dev/null; }
# The mean of what GPU 0 draws in SECONDS, as nvidia-smi says it.
watts() {
  has_smi || { echo "no nvidia-smi"; return; }
  timeout "$1" nvidia-smi --id=0 --query-gpu=power.draw --format=csv,noheader,nounits --loop-ms=500 2>/dev/null |
    awk '$1 + 0 > 0 { sum += $1; n++ } END { if (n) printf "%.2f W\n", sum / n; else print "unknown" }' || true
}

# What the exporter has to say for an element of `nvidia-smi -q -x`: the end of its path, the series without `gpu` and `uuid`, the
# size of its unit, and by how much the two may differ beyond what the value moved between the two answers of nvidia-smi.
elements() {
  cat <<'TABLE'
fb_memory_usage/total gpu_memory_total_bytes 1048576 1048576
fb_memory_usage/reserved gpu_memory_reserved_bytes 1048576 1048576
fb_memory_usage/used gpu_memory_used_bytes 1048576 4194304
fb_memory_usage/free gpu_memory_free_bytes 1048576 4194304
utilization/gpu_util gpu_utilization_ratio 0.01 0.1
utilization/memory_util gpu_memory_controller_busy_ratio 0.01 0.1
utilization/encoder_util gpu_encoder_utilization_ratio 0.01 0.1
utilization/decoder_util gpu_decoder_utilization_ratio 0.01 0.1
utilization/jpeg_util gpu_jpeg_utilization_ratio 0.01 0.1
utilization/ofa_util gpu_ofa_utilization_ratio 0.01 0.1
temperature/gpu_temp gpu_temperature_celsius,sensor="gpu" 1 1
temperature/memory_temp gpu_temperature_celsius,sensor="memory" 1 1
temperature/gpu_temp_tlimit gpu_temperature_margin_celsius 1 1
temperature/gpu_temp_slow_threshold gpu_temperature_limit_celsius,limit="slowdown" 1 0
temperature/gpu_temp_max_threshold gpu_temperature_limit_celsius,limit="shutdown" 1 0
temperature/gpu_temp_max_gpu_threshold gpu_temperature_limit_celsius,limit="gpu_max" 1 0
temperature/gpu_temp_max_mem_threshold gpu_temperature_limit_celsius,limit="memory_max" 1 0
gpu_power_readings/power_draw gpu_power_watts 1 10
gpu_power_readings/average_power_draw gpu_power_average_watts,scope="gpu" 1 10
gpu_power_readings/instant_power_draw gpu_power_instant_watts,scope="gpu" 1 20
gpu_power_readings/current_power_limit gpu_power_limit_watts 1 0
gpu_power_readings/requested_power_limit gpu_power_requested_limit_watts 1 0
gpu_power_readings/default_power_limit gpu_power_default_limit_watts 1 0
gpu_power_readings/min_power_limit gpu_power_min_limit_watts 1 0
gpu_power_readings/max_power_limit gpu_power_max_limit_watts 1 0
clocks/graphics_clock gpu_clock_hertz,domain="graphics" 1000000 30000000
clocks/sm_clock gpu_clock_hertz,domain="sm" 1000000 30000000
clocks/mem_clock gpu_clock_hertz,domain="memory" 1000000 1000000
clocks/video_clock gpu_clock_hertz,domain="video" 1000000 30000000
max_clocks/graphics_clock gpu_clock_max_hertz,domain="graphics" 1000000 0
max_clocks/sm_clock gpu_clock_max_hertz,domain="sm" 1000000 0
max_clocks/mem_clock gpu_clock_max_hertz,domain="memory" 1000000 0
max_clocks/video_clock gpu_clock_max_hertz,domain="video" 1000000 0
performance_state gpu_performance_state 1 0
fan_speed gpu_fan_speed_ratio,fan="0" 0.01 0.05
pcie_gen/current_link_gen gpu_pcie_link_generation 1 0
pcie_gen/max_link_gen gpu_pcie_link_max_generation 1 0
link_widths/current_link_width gpu_pcie_link_width 1 0
link_widths/max_link_width gpu_pcie_link_max_width 1 0
pci/replay_counter gpu_pcie_replays_total 1 0
pci/replay_rollover_counter gpu_pcie_replay_rollovers_total 1 0
persistence_mode gpu_persistence_mode 1 0
mig_mode/current_mig gpu_mig_enabled 1 0
ecc_mode/current_ecc gpu_ecc_enabled 1 0
ecc_mode/pending_ecc gpu_ecc_pending_enabled 1 0
accounting_mode gpu_accounting_enabled 1 0
volatile/dram_correctable gpu_ecc_location_errors_total,kind="corrected",scope="volatile",location="dram" 1 0
volatile/dram_uncorrectable gpu_ecc_location_errors_total,kind="uncorrected",scope="volatile",location="dram" 1 0
aggregate/dram_correctable gpu_ecc_location_errors_total,kind="corrected",scope="aggregate",location="dram" 1 0
aggregate/dram_uncorrectable gpu_ecc_location_errors_total,kind="uncorrected",scope="aggregate",location="dram" 1 0
remapped_rows/remapped_row_corr gpu_row_remaps_total,cause="correctable" 1 0
remapped_rows/remapped_row_unc gpu_row_remaps_total,cause="uncorrectable" 1 0
remapped_rows/remapped_row_pending gpu_row_remap_pending 1 0
remapped_rows/remapped_row_failure gpu_row_remap_failed 1 0
multiple_single_bit_retirement/retired_count gpu_retired_pages,cause="single_bit" 1 0
double_bit_retirement/retired_count gpu_retired_pages,cause="double_bit" 1 0
clocks_event_reason_gpu_idle gpu_throttle_active,reason="idle" 1 0
clocks_event_reason_sw_power_cap gpu_throttle_active,reason="sw_power_cap" 1 0
clocks_event_reason_hw_slowdown gpu_throttle_active,reason="hw_slowdown" 1 0
clocks_event_reason_hw_thermal_slowdown gpu_throttle_active,reason="hw_thermal" 1 0
clocks_event_reason_sw_thermal_slowdown gpu_throttle_active,reason="sw_thermal" 1 0
clocks_event_reason_hw_power_brake_slowdown gpu_throttle_active,reason="hw_power_brake" 1 0
TABLE
}

# An answer of `nvidia-smi -q -x` as lines `GPU PATH<tab>TEXT`. Each element is on a line of its own there.
flat() {
  awk '
    { sub(/^[ \t]+/, ""); sub(/[ \t\r]+$/, "") }
    /^<gpu id=/ { gpu = gpus++; path = ""; next }
    /^<\/gpu>/ { gpu = ""; next }
    gpu == "" { next }
    /^<[^\/>]+>[^<]*<\/[^>]+>$/ {
      tag = $0; sub(/^</, "", tag); sub(/>.*/, "", tag)
      text = $0; sub(/^[^>]*>/, "", text); sub(/<.*/, "", text)
      # A MIG device has elements of the same names.
      if (path !~ /\/mig_device/) printf "%s %s/%s\t%s\n", gpu, path, tag, text
      next
    }
    /^<\// { sub(/\/[^\/]*$/, "", path); next }
    /^<[a-z]/ && !/\/>$/ { tag = $0; sub(/^</, "", tag); sub(/[ >].*/, "", tag); path = path "/" tag }
  ' "$1"
}

# compare: one line for each element and GPU, from first.txt and the answers of nvidia-smi before and after it.
compare() {
  elements >"$record/elements.tmp"
  flat "$record/before.xml" >"$record/before.tmp"
  flat "$record/after.xml" >"$record/after.tmp"
  awk -F '\t' '
    function number(text) { # NaN is "", since what is not a number has no value to compare
      if (text ~ /^(Enabled|Active|Yes)$/) return 1
      if (text ~ /^(Disabled|Not Active|No)$/) return 0
      sub(/^P/, "", text); sub(/x$/, "", text); sub(/ .*/, "", text)
      return text ~ /^-?[0-9.]+$/ ? text + 0 : ""
    }
    function smi(texts, gpu, suffix,   key) {
      for (key in texts) if (key ~ ("^" gpu " .*/" suffix "$")) return texts[key]
      return ""
    }
    FILENAME ~ /before.tmp$/ { before[$1] = $2; split($1, at, " "); if (at[1] >= gpus) gpus = at[1] + 1; next }
    FILENAME ~ /after.tmp$/ { after[$1] = $2; next }
    FILENAME ~ /first.txt$/ {
      if (!/^gpu_/ || !/[{,]gpu="/) next
      split($0, part, /[{}]/)
      labels = part[2]; sub(/.*gpu="/, "", labels); gpu = labels; sub(/".*/, "", gpu)
      sub(/^[0-9]+",uuid="[^"]*"/, "", labels)
      found = part[3]; sub(/^ /, "", found); sub(/ .*/, "", found)
      said[gpu " " part[1] labels] = found
      next
    }
    {
      split($0, row, " ")
      for (gpu = 0; gpu < gpus; gpu++) {
        from = smi(before, gpu, row[1]); to = smi(after, gpu, row[1])
        low = number(from); high = number(to); ours = said[gpu " " row[2]]
        if (low == "" && ours == "") { if (from != "") print "neither\t" gpu "\t" row[1] "\t" row[2] "\t" from; continue }
        if (low == "") { print "exporter only\t" gpu "\t" row[1] "\t" row[2] "\t" ours; continue }
        if (ours == "") { print "nvidia-smi only\t" gpu "\t" row[1] "\t" row[2] "\t" from; continue }
        if (high == "") high = low
        if (high < low) { swap = low; low = high; high = swap }
        fits = ours + 0 >= low * row[3] - row[4] && ours + 0 <= high * row[3] + row[4]
        print (fits ? "same" : "DIFFERS") "\t" gpu "\t" row[1] "\t" row[2] "\t" ours "\t" from " … " to
      }
    }
  ' "$record/before.tmp" "$record/after.tmp" "$record/first.txt" "$record/elements.tmp" >"$record/comparison.txt"
  rm -f "$record"/*.tmp
}
count_of() { awk -F '\t' -v verdict="$1" '$1 == verdict' "$record/comparison.txt" | wc -l; }

# --- cost ---

ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat" 2>/dev/null || echo 0; }
# How old the newest readings get: the interval and the time of a sweep.
oldest_readings() {
  local look
  for ((look = 0; look < 20; look++)); do
    value gpu_snapshot_age_seconds
    sleep 0.05
  done | awk '$1 > oldest { oldest = $1 } END { print oldest + 0 }'
}
# Whether the GPUs sleep (runtime D3): the kernel's word for each NVIDIA display controller.
power_states() { grep -l 0x10de /sys/bus/pci/devices/*/vendor 2>/dev/null | while read -r vendor; do
  case $(cat "${vendor%vendor}class") in 0x03*) cat "${vendor%vendor}power/runtime_status" ;; esac
done | sort | uniq -c | tr -s ' \n' ' '; }
# cost INTERVAL: what the running exporter costs at that interval.
cost() {
  local probe sweeps probe_before exporter_before
  probe=$(probe_pid)
  probe_before=$(ticks "$probe") exporter_before=$(ticks "$pid")
  local drawn
  drawn=$(watts "$measured")
  has_smi || sleep "$measured"
  say "cost at $1: probe $(($(ticks "$probe") - probe_before)) and exporter $(($(ticks "$pid") - exporter_before)) ticks of CPU in $measured s ($(getconf CLK_TCK) a second), GPU 0 draws $drawn"
  say "readings at $1: at most $(oldest_readings) s old, power states:$(power_states)"
  say "memory at $1: probe $(awk '/^VmRSS/ { print $2, $3 }' "/proc/$probe/status"), exporter $(awk '/^VmRSS/ { print $2, $3 }' "/proc/$pid/status") resident"
}

# --- a load ---

# Multiplies on GPU 0 for SECONDS and holds 2 GiB: with PyTorch where it is installed, else with the driver alone.
load() {
  command -v python3 >/dev/null || return 1
  python3 - "$1" >"$record/load.log" 2>&1 <<'PYTHON'
import ctypes, sys, time

seconds = float(sys.argv[1])
try:
    import torch
except ImportError:
    torch = None
if torch is not None and torch.cuda.is_available():
    held = torch.empty(2 << 30, dtype=torch.uint8, device="cuda")
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
    # To import it, and to start CUDA, may have taken longer than this.
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        a = (a @ a).clamp(-1, 1)
        torch.cuda.synchronize()
    del held
    sys.exit()

KERNEL = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry multiply(.param .u64 out, .param .u32 rounds)
{
  .reg .pred %p; .reg .u32 %i, %n; .reg .f32 %x; .reg .u64 %to;
  ld.param.u64 %to, [out];
  ld.param.u32 %n, [rounds];
  mov.u32 %i, 0;
  mov.f32 %x, 0f3F000000;
again:
  fma.rn.f32 %x, %x, %x, %x;
  add.u32 %i, %i, 1;
  setp.lt.u32 %p, %i, %n;
  @%p bra again;
  cvta.to.global.u64 %to, %to;
  st.global.f32 [%to], %x;
  ret;
}
"""
cuda = ctypes.CDLL("libcuda.so.1")


def call(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    if code != 0:
        sys.exit(f"{name} answered {code}")


device, context, module, function = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
memory = ctypes.c_uint64()
call("cuInit", 0)
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(2 << 30))
call("cuModuleLoadData", ctypes.byref(module), KERNEL)
call("cuModuleGetFunction", ctypes.byref(function), module, b"multiply")
rounds = ctypes.c_uint32(1 << 22)
values = (ctypes.c_void_p * 2)(
    ctypes.cast(ctypes.pointer(memory), ctypes.c_void_p), ctypes.cast(ctypes.pointer(rounds), ctypes.c_void_p)
)
end = time.monotonic() + seconds
while time.monotonic() < end:
    call("cuLaunchKernel", function, 1024, 1, 1, 256, 1, 1, 0, None, values, None)
    call("cuCtxSynchronize")
PYTHON
}
of_first() { value "$1{gpu=\"0\""; }
is_more() { awk -v one="$1" -v other="$2" 'BEGIN { exit !(one + 0 > other + 0) }'; }
has_risen() { is_more "$(of_first "$1")" "$2"; } # has_risen FAMILY FROM
process_is_listed() { has_series '^gpu_process_memory_used_bytes{.*pid="'"$1"'"'; }
is_owned() { has_series '^gpu_container_memory_used_bytes{'; }
# Inside a container the driver lists the host's process numbers, or none (the number is the kernel's own for the first namespace).
has_own_processes() { [ "$(readlink /proc/self/ns/pid)" != 'pid:[4026531836]' ]; }

# Counters of GPUs that went back from one page to another, each with both values.
went_back() {
  awk '/^gpu_[a-z0-9_]*_total\{/ { found = $NF; sub(/ [^ ]*$/, ""); if (FILENAME == first) before[$0] = found; else if ($0 in before && found + 0 < before[$0] + 0) print $0, before[$0], "to", found }
    BEGIN { first = ARGV[1] }' "$1" "$2"
}
watch_counters() { # watch_counters SECONDS: looks at a page each second
  local before="$record/counters.tmp" after="$record/counters-next.tmp" second
  classic >"$before"
  for ((second = 0; second < $1; second++)); do
    sleep 1
    classic >"$after"
    went_back "$before" "$after" >>"$record/went-back.txt"
    mv "$after" "$before"
  done
  rm -f "$before"
}

has_begun() { ! kill -0 "$1" 2>/dev/null || has_risen "$2" "$3"; } # has_begun JOB FAMILY FROM: or has ended
rises() { # rises WHAT FAMILY FROM: a verdict, where GPU 0 had the family before the load
  if [ -z "$3" ]; then
    say "note  $1 under load: not looked at, GPU 0 has no $2"
  else
    verdict "$1 rises under load" until_true 10 has_risen "$2" "$3"
  fi
}

under_load() {
  local utilization memory power job python sign
  utilization=$(of_first gpu_utilization_ratio) memory=$(of_first gpu_memory_used_bytes) power=$(of_first gpu_power_watts)
  load "$measured" &
  job=$!
  # What tells soonest of what there is: on unified memory no memory, in MIG mode no utilisation.
  if [ -n "$memory" ]; then sign=(gpu_memory_used_bytes "$memory"); else sign=(gpu_utilization_ratio "$utilization"); fi
  # The import of PyTorch, the start of CUDA, and the sweep after it.
  until_true 60 has_begun "$job" "${sign[@]}" || true
  if ! kill -0 "$job" 2>/dev/null; then
    say "note  no load could be put on GPU 0: $(tail -n 1 "$record/load.log" 2>/dev/null || echo 'python3 is missing')"
    return
  fi
  python=$(pgrep -P "$job" python3 | head -n 1 || true)
  rises memory gpu_memory_used_bytes "$memory"
  rises utilisation gpu_utilization_ratio "$utilization"
  rises power gpu_power_watts "$power"
  if has_own_processes; then
    say "note  this shell has process numbers of its own: whether the process is listed cannot be seen here"
  else
    verdict "the process is listed with its memory" until_true 10 process_is_listed "${python:-$job}"
    verdict "its owner is listed" until_true 10 is_owned
  fi
  watch_counters 8
  classic >"$record/load.txt"
  say "load: utilisation $utilization to $(of_first gpu_utilization_ratio), memory $memory to $(of_first gpu_memory_used_bytes), power $power to $(of_first gpu_power_watts)"
  wait "$job" || say "note  the load ended early: $(tail -n 1 "$record/load.log")"
}

# A scenario of nvml-sim that looks like this machine, by the card that is most like its own: as idle as now, then as busy as under load, then idle again.
scenario() {
  awk -F '[{}]' '
    function label(name,   text) { text = $2; if (!sub("(^|.*,)" name "=\"", "", text)) return ""; sub(/".*/, "", text); return text }
    { found = $3; sub(/^ /, "", found); sub(/ .*/, "", found) }
    /^gpu_info\{/ { count++; name = label("name"); architecture = label("architecture") }
    /^gpu_driver_info\{/ { version = label("version"); split(label("cuda_version"), cuda, ".") }
    /^gpu_utilization_ratio\{gpu="0"/ { busy[FILENAME ~ /load/] = found }
    /^gpu_memory_used_bytes\{gpu="0"/ { used[FILENAME ~ /load/] = found }
    /^gpu_memory_free_bytes\{gpu="0"/ { free[FILENAME ~ /load/] = found }
    function share(loaded) { return used[loaded] + free[loaded] > 0 ? used[loaded] / (used[loaded] + free[loaded]) : 0 }
    function ramp(from, to) { return sprintf("{ ramp: { from: %.3f, to: %.3f, start: 30s, over: 5s, hold: 30s, fall: 5s } }", from, to) }
    END {
      model = "h100-sxm"
      if (name ~ /GH200/) model = "gh200"
      if (architecture ~ /Blackwell/) model = name ~ /GB10( |$)/ ? "gb10" : "b200"
      if (architecture ~ /Ada/) model = name ~ /GeForce/ ? "rtx4090" : "l40s"
      if (architecture ~ /Turing/) model = "t4"
      if (!(1 in busy)) { busy[1] = busy[0]; used[1] = used[0]; free[1] = free[0] }
      card = toupper(model)
      sub(/^RTX|-SXM$/, "", card)
      if (!index(toupper(name), card)) printf "# nvml-sim has no %s: %s stands for it.\n", name, model
      printf "description: Recorded on %d x %s.\n", count, name
      printf "driver: { version: \"%s\", cuda: %d }\n", version, cuda[1] * 1000 + cuda[2] * 10
      printf "gpus:\n  - { model: %s, count: %d, utilization: %s, memory_used: %s }\n", model, count, ramp(busy[0], busy[1]), ramp(share(0), share(1))
    }
  ' "$record/first.txt" $([ ! -f "$record/load.txt" ] || echo "$record/load.txt") >"$record/scenario.yaml"
  sed -n 's/^# /note  scenario.yaml: /p' "$record/scenario.yaml" | tee -a "$record/summary.txt"
}

# --- the check ---

say "exporter: $("$exporter" --version 2>&1 | head -n 1)"
say "kernel:   $(uname -r), user $(id -un)"
cp /proc/driver/nvidia/params "$record/driver-params.txt" 2>/dev/null || say "note  /proc/driver/nvidia/params cannot be read"
if has_smi; then
  nvidia-smi -q >"$record/nvidia-smi-q.txt" 2>&1 || say "note  nvidia-smi failed: see nvidia-smi-q.txt"
  say "idle:     GPU 0 draws $(watts "$measured") without the exporter"
fi
verdict "--check finds no fault" sh -c '"$0" --check "$@" >"'"$record"'/check.txt" 2>&1' "$exporter" "${flags[@]}"

start exporter.log
verdict "a GPU is up within 15 s" gpu_comes_up 15
! is_running || sleep 2
gpu_is_up || give_up
! has_smi || nvidia-smi -q -x >"$record/before.xml" 2>/dev/null || true
classic >"$record/first.txt"
! has_smi || nvidia-smi -q -x >"$record/after.xml" 2>/dev/null || true
page 'application/openmetrics-text;version=1.0.0' >"$record/first.openmetrics.txt"
if [ -s "$record/before.xml" ] && [ -s "$record/after.xml" ]; then
  compare
  say "compared with nvidia-smi: $(count_of same) the same, $(count_of DIFFERS) differ, $(count_of 'nvidia-smi only') nvidia-smi alone says, $(count_of 'exporter only') the exporter alone (comparison.txt)"
  verdict "something could be compared" [ "$(count_of same)" -gt 0 ]
  verdict "no value differs from nvidia-smi's" [ "$(count_of DIFFERS)" = 0 ]
else
  say "note  nothing to compare with: nvidia-smi did not answer"
fi
say "series:   $(grep -c '^gpu_' "$record/first.txt") that begin with gpu_, $(curl -s -o /dev/null -w '%{time_total} s' "http://$address/metrics") a scrape"
cost 1s
under_load
scenario

classic >"$record/before-kill.txt"
killed=$(probe_pid)
kill -9 "$killed"
verdict "host metrics stay while the probe is gone" sh -c "curl -fsS http://$address/metrics | grep -q '^node_load1 '"
verdict "a new probe starts after kill -9" until_true 30 new_probe
verdict "the GPU is up again after kill -9" until_true 30 gpu_is_up
classic >"$record/after-kill.txt"
went_back "$record/before-kill.txt" "$record/after-kill.txt" >>"$record/went-back.txt"
verdict "no counter of a GPU went back (went-back.txt)" [ ! -s "$record/went-back.txt" ]

curl -fsS -X POST "http://$address/-/gpu/release" >/dev/null
verdict "release lets go of the driver" until_true 15 sh -c "! pgrep -P $pid -f gpu-probe >/dev/null"
verdict "a released GPU is not reported as up" until_true 15 gpu_is_gone
say "power states once released:$(power_states)"
curl -fsS -X POST "http://$address/-/gpu/acquire" >/dev/null
verdict "the GPU is up again after acquire" until_true 30 gpu_is_up
verdict "stops on SIGTERM" stop

start exporter-100ms.log --gpu.sample-interval=100ms
verdict "a GPU is up within 15 s at 100 ms" gpu_comes_up 15
cost 100ms
stop || true
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  # Whether performance counters need a privilege: RmProfilingAdminOnly in driver-params.txt is what the driver was told.
  chmod a+rx "$record"
  (exec setpriv --reuid=65534 --regid=65534 --clear-groups "$exporter" --check "${flags[@]}") >"$record/check-unprivileged.txt" 2>&1 || true
fi
finish
