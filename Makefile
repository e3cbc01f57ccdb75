# The commands of this project. Those that need PostgreSQL or a C linker install them (Debian);
# `make image` needs a Docker engine.

.PHONY: help demo test smoke check check-rust check-docs check-scripts check-dependencies \
	check-kubernetes image install release clean

help: ## says what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 22

demo: ## shows castoff at work on a throwaway PostgreSQL
	@scripts/demo

test: ## runs every test, each against a real PostgreSQL
	scripts/c-linker
	scripts/test-programs
	PG_BIN=$$(scripts/postgres-server) && export PG_BIN && \
		cargo test --all-targets && cargo test --doc

smoke: ## tries the images and all that docker/ ships, on a Docker engine
	scripts/smoke

check: check-rust check-docs check-scripts check-dependencies check-kubernetes ## checks all that is not a test

check-rust: ## checks formatting and lints
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --lib --bins --no-default-features --features ring -- -D warnings
	cargo clippy --test smoke --test smoke-application -- -D warnings

check-docs: ## checks the documentation's links
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --document-private-items

check-scripts: ## checks the shell scripts
	shellcheck -x .ci/run tests/kubernetes/run $$(grep -rlE "^#(!.*bash| shellcheck shell=)" scripts)

check-dependencies: ## checks licences, sources, duplicates and advisories
	scripts/cargo-deny

check-kubernetes: ## checks the Kubernetes manifests
	scripts/kubernetes

image: ## builds the image castoff by docker/Dockerfile
	scripts/image

install: ## installs the command line castoff by cargo, without migrations in it
	scripts/c-linker
	folder=$$(mktemp -d) && CASTOFF_MIGRATIONS=$$folder cargo install --locked --path . && rmdir $$folder

release: ## builds the static binary, its checksum and its SBOM in dist/
	scripts/release

clean: ## removes what was built
	cargo clean
