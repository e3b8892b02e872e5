# `check` uses the dev profile and needs no LibTorch, so that it is quick between commits. All other targets use the release
# profile.

# The scripts and cargo treat an empty LIBTORCH as unset.
ifeq ($(strip $(LIBTORCH)),)
unexport LIBTORCH
endif

# Property tests use the same cases in every run, so that results are reproducible. Plain `cargo test` draws new cases.
export PROPTEST_RNG_SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help run build check test lint format clippy deny machete doc miri fuzz bench bench-peers bench-panel openapi libtorch panel tools

# Every crate except the one that needs LibTorch.
PURE := --workspace --exclude gatecast-libtorch

help: ## lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## the server on http://127.0.0.1:8080, with sample data and a first model
	exec target/release/gatecast serve --demo

build: libtorch ## target/release/gatecast and target/release/gatecast-libtorch
	cargo build --release --locked --workspace

check: format ## formatting, clippy and unit tests, without LibTorch: seconds after a small change
	cargo clippy --locked $(PURE) --all-targets -- -D warnings
	cargo test --locked --quiet $(PURE) --lib

test: libtorch ## every test, also on PostgreSQL if it is installed or GATECAST_TEST_POSTGRES is set
	python3 -B scripts/test_libtorch.py
	python3 -B benches/accuracy/test_panel.py
	cargo build --release --locked --package gatecast-libtorch
	GATECAST_TEST_LIBTORCH=1 cargo test --release --locked --workspace

lint: format clippy doc machete deny ## formatting, clippy, documentation and dependencies

format: ## check formatting (`cargo fmt` fixes it) and wording
	cargo fmt --all --check
	@scripts/prose

clippy: libtorch ## clippy on everything, LibTorch's crate included
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

doc: ## the code's documentation, in target/doc; a broken link is an error
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items $(PURE)

machete: ## finds unused dependencies (needs cargo-machete)
	@command -v cargo-machete >/dev/null || { echo "cargo-machete is missing: cargo install --locked cargo-machete" >&2; exit 1; }
	cargo machete

deny: ## licences, sources and known vulnerabilities of dependencies (needs cargo-deny)
	@scripts/deny

miri: ## runs the portable kernels under Miri, which finds undefined behaviour (needs a nightly toolchain with Miri)
	@scripts/miri

fuzz: ## runs each fuzz target for a minute (needs a nightly toolchain and cargo-fuzz)
	@scripts/fuzz

bench: libtorch ## the benchmarks
	cargo bench --locked --workspace

bench-peers: build ## Gatecast against PyTorch and Keras (downloads both, a few GB); writes docs/benchmarks.md
	python3 -B benches/peers/run.py

bench-panel: panel build ## accuracy on the sets in PANEL=FOLDER, beside statsforecast (docs/accuracy.md)
	python3 -B benches/accuracy/panel.py "$(PANEL)" --windows 1

openapi: build ## rewrites docs/openapi.json, which a test compares with the code
	target/release/gatecast openapi > target/openapi.json && mv target/openapi.json docs/openapi.json

libtorch: tools ## downloads LibTorch once, into the user's cache
	@scripts/libtorch

panel:
	@test -n "$(PANEL)" || { echo "PANEL is not set: make bench-panel PANEL=FOLDER (docs/accuracy.md has the form)" >&2; exit 1; }

tools:
	@command -v cargo >/dev/null || { echo "Rust is missing: install rustup, then run this again" >&2; exit 1; }
	@command -v "$${CXX:-c++}" >/dev/null || { echo "a C++ compiler is missing (on Debian and Ubuntu: apt-get install g++)" >&2; exit 1; }
	@command -v python3 >/dev/null || { echo "Python 3 is missing (on Debian and Ubuntu: apt-get install python3 python3-pip)" >&2; exit 1; }
