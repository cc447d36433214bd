# The whole of a newcomer's interface; `make help` lists it. Each target sets the machine up first, which takes under a
# second when there is nothing to do.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(HOME)/.cargo/bin:$(PATH)
RUST_VERSION = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
CARGO_FLAGS := --release --workspace --locked

.PHONY: help setup build demo test bench-kernel bench-gateway fmt lint clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

setup: ## install what is missing: Redis, PostgreSQL, NATS, libtorch, ONNX Runtime, PDFium, the models
	@command -v cargo >/dev/null || { echo 'make: Rust is missing; install $(RUST_VERSION) or newer from https://rustup.rs and run make again' >&2; exit 1; }
	@deploy/setup/setup.sh

# With the tests, because they turn on features of shared dependencies: one set of features is compiled once, two are twice.
build: setup ## build everything in release mode
	cargo build $(CARGO_FLAGS) --all-targets

demo: build ## run the insurer's claims intake end to end and verify every proof
	.cache/target/release/orrery demo

test: setup ## formatting, lints with warnings denied, all tests
	@deploy/setup/python-clients.sh
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo test $(CARGO_FLAGS) --no-fail-fast

bench-kernel: SCENARIO ?= steps
bench-kernel: build ## load on the kernel beside Restate; SCENARIO=steps, waiting or fairness
	restate=$$(loadtests/kernel/restate/install.sh) && .cache/target/release/orrery-loadtest-kernel --scenario $(SCENARIO) \
	    $${restate:+--restate $$restate} --out loadtests/results/$(if $(filter steps,$(SCENARIO)),kernel,kernel-$(SCENARIO)).json

bench-gateway: SCENARIO ?= calls
bench-gateway: build ## load on the gateway; SCENARIO=calls, soak or leave; PEERS=1: beside LiteLLM and SMG
	$(if $(PEERS),peers=$$(loadtests/gateway/peers/install.sh) && ).cache/target/release/orrery-loadtest-gateway \
	    --scenario $(SCENARIO) $(if $(PEERS),--peers $$peers) $(ARGS) \
	    --out loadtests/results/$(if $(filter calls,$(SCENARIO)),gateway,gateway-$(SCENARIO)).json

fmt: ## format all sources
	cargo fmt --all

lint: setup ## lints only, with warnings denied
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings

clean: ## remove what was built; downloads and models stay
	cargo clean
