# The commands of this project. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo up test lint mutants bench soak chaos fuzz compose-test gpu-check install-deps install-cargo-deny install-cargo-machete release

CARGO_DENY := 0.20.2
CARGO_MACHETE := 0.9.2
DATA ?= ./data
RECORD ?= ./gpu-record
MINUTES ?= 30
# `SECONDS` in the environment is the shell's own; only the one on make's command line is meant.
SECONDS_EACH := $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60)
OURS := -p gpu-node-exporter -p alert-relay -p nvml-sim -p e2e

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: packages-demo release ## The whole chain with simulated GPUs: an incident, and the messages it sends (ONCE=1: ends by itself)
	@target/release/demo $(if $(ONCE),--once)

up: packages-up release ## The whole chain on this machine for real use, until Ctrl-C (DATA=./data says where its data goes)
	@target/release/up --data '$(DATA)'

test: packages-test lint ## Everything CI runs: lints, unit tests, rule tests, the end-to-end tests with real programs
	cargo build --workspace --all-targets
	cargo test --workspace --no-fail-fast

lint: packages-test install-cargo-deny install-cargo-machete ## Formatting, clippy, documentation, dependencies, Prometheus rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --quiet --workspace --no-deps --document-private-items
	cargo deny check bans licenses sources
	cargo machete
	promtool check rules --lint-fatal rules/*.rules.yml
	promtool test rules rules/*.test.yml

mutants: packages-mutants ## Changes the alert rules in every small way, and says which changes their tests do not notice (ONLY=Host or gpu-links: those rules, or those of that file)
	cargo run --quiet -p e2e --bin mutants -- "$(ONLY)"

bench: packages-bench release ## Exporter and relay measured side by side with Debian's node_exporter (ONLY=exporter or relay: one of them; ONLY=relay:pending: a part of it; ONLY=host: what node_exporter has too; ONLY=costs: their largest inputs, doubled)
	@target/release/bench $(ONLY)

soak: packages-bench release ## The exporter scraped 50 times a second for eleven minutes and then for MINUTES=30, its probe killed every 10 s: nothing may grow, no counter go back
	@target/release/bench soak '$(MINUTES)'

chaos: packages-bench release ## The relay killed at its I/O again and again for MINUTES=60, its messages held against what was true
	@target/release/chaos '$(if $(filter command line,$(origin MINUTES)),$(MINUTES),60)'

fuzz: ## The fuzzers in fuzz/ for SECONDS=60 each (fuzz/README.md says what they need)
	@fuzz/run.sh '$(SECONDS_EACH)' $(TARGETS)

compose-test: ## The compose file and its profiles under this machine's Docker engine: health, reloads, crashes, take-over
	@tests/compose-test.sh

gpu-check: packages-gpu-check ## Asks this machine's real NVIDIA GPU what the simulator cannot know (CONTRIBUTING.md says more)
	cargo build --release -p gpu-node-exporter
	tests/gpu-check.sh target/release/gpu-node-exporter '$(RECORD)'

# The rest is called by the targets above. Programs are built in one cargo call and then run from target/, since a call that
# names fewer packages chooses other features and builds everything once more.

install-deps: packages-all

packages-%:
	@tests/debian-packages.sh $*

install-cargo-deny:
	@cargo deny --version 2>/dev/null | grep -qxF 'cargo-deny $(CARGO_DENY)' || cargo install cargo-deny --version $(CARGO_DENY) --locked --profile dev

install-cargo-machete:
	@cargo machete --version 2>/dev/null | grep -qxF '$(CARGO_MACHETE)' || cargo install cargo-machete --version $(CARGO_MACHETE) --locked --profile dev

release:
	@command -v cargo >/dev/null || { echo 'cargo is not installed (hint: https://rustup.rs, Rust 1.95 or newer)' >&2; exit 1; }
	cargo build --release $(OURS)
