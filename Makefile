.DEFAULT_GOAL := help
.PHONY: help setup demo test format parity load test-heavy bench

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Install Debian and Python packages into .venv
	scripts/setup engine service evaluation training dev

demo: ## Set up and enlarge the repository's clip
	scripts/demo

test: ## Set up and run formatting, lint, types and tests
	scripts/test

format: ## Format the sources and mend what lint can mend
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

parity: ## Hold the engine against reference numbers: make parity DIR=folder
	.venv/bin/python -m tests.parity $(DIR)

load: ## Put 2,000 jobs through a whole farm on this machine, with a stub engine
	.venv/bin/python -m tests.load

test-heavy: ## Run the tests that take minutes, or need RabbitMQ and radosgw (Debian packages)
	.venv/bin/python -m pytest -q -m heavy

bench: ## Measure the engine at true size and append the figures to docs/performance.md
	.venv/bin/python -m benchmark --files --layers --agreement --append docs/performance.md
