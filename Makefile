# One profile (release) everywhere: LibTorch's bindings take minutes to compile, and once is enough.

# An empty LIBTORCH means none, to the scripts and to cargo alike.
ifeq ($(strip $(LIBTORCH)),)
unexport LIBTORCH
endif

# Property tests draw the same cases every time here, so that no run fails by luck; `cargo test` alone draws afresh.
export PROPTEST_RNG_SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help run build test lint format clippy deny bench bench-peers openapi libtorch tools

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## the server on http://127.0.0.1:8080, with sample data and a first model
	exec target/release/gatecast serve --demo

build: libtorch ## target/release/gatecast and target/release/gatecast-libtorch
	cargo build --release --locked --workspace

test: libtorch ## every test; PostgreSQL's where it is installed, or at GATECAST_TEST_POSTGRES
	python3 -B scripts/test_libtorch.py
	cargo build --release --locked --package gatecast-libtorch
	GATECAST_TEST_LIBTORCH=1 cargo test --release --locked --workspace

lint: format clippy deny ## formatting, clippy, and what the dependencies bring in

format:
	cargo fmt --check

clippy: libtorch
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

deny:
	@scripts/deny

bench: libtorch ## the benchmarks
	cargo bench --locked --workspace

bench-peers: build ## Gatecast against PyTorch and Keras (fetches both, some GB); writes docs/benchmarks.md
	python3 -B benches/peers/run.py

openapi: build ## rewrites the API's document, which a test compares with the code
	target/release/gatecast openapi > target/openapi.json && mv target/openapi.json docs/openapi.json

libtorch: tools ## fetches LibTorch once, into the user's cache
	@scripts/libtorch

tools:
	@command -v cargo >/dev/null || { echo "Rust is missing: install rustup, then run this again" >&2; exit 1; }
	@command -v "$${CXX:-c++}" >/dev/null || { echo "a C++ compiler is missing (on Debian and Ubuntu: apt-get install g++)" >&2; exit 1; }
	@command -v python3 >/dev/null || { echo "Python 3 is missing (on Debian and Ubuntu: apt-get install python3 python3-pip)" >&2; exit 1; }
