#!/usr/bin/env bash
# Runs the fuzzers for a number of seconds each, one on each core: run.sh SECONDS [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
targets=("$@")
command -v cargo-fuzz >/dev/null || { echo 'cargo-fuzz is not installed (hint: cargo install cargo-fuzz --locked)' >&2; exit 1; }
cargo +nightly --version >/dev/null 2>&1 || { echo 'a nightly compiler is needed (hint: rustup toolchain install nightly)' >&2; exit 1; }
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
cargo +nightly fuzz build

# What is found new goes to a folder that is not committed; the stored corpus is only read.
fuzz_one() {
  mkdir -p "fuzz/artifacts/$2" "fuzz/target/grown/$2"
  log=fuzz/target/grown/$2.log
  if cargo +nightly fuzz run "$2" "fuzz/target/grown/$2" "fuzz/corpus/$2" -- \
      -max_total_time="$1" -rss_limit_mb=2048 -timeout=10 -max_len=65536 -print_final_stats=1 >"$log" 2>&1; then
    echo "$2: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, nothing found"
  else
    echo "$2: FOUND SOMETHING, see $log and fuzz/artifacts/$2" >&2
    return 1
  fi
}
export -f fuzz_one
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c "fuzz_one '$seconds' {}"
