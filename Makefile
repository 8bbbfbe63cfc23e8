.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint format model train bench clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

setup: ## install what is missing; leaves the command at .venv/bin/qalqan
	@scripts/setup run

demo: setup ## run everything on the demonstration pages; prints address and logins (PORT=8080 for another port)
	@.venv/bin/qalqan demo $(if $(PORT),--port $(PORT))

test: ## install what is missing; run every check and every test
	@scripts/setup test
	@$(MAKE) --no-print-directory check

check: lint ## ruff, mypy, import rules and all tests (of what is installed)
	.venv/bin/pytest

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: ## format the code
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

model: ## fetch and convert the pretrained encoder (git-ignored cache)
	.venv/bin/python -m classifiers.text.base_model

train: ## train a text classifier on our corpus, into var/models/next
	.venv/bin/qalqan train text

bench: ## measure the pipeline stage by stage, the classifier beside transformers.pipeline, Elasticsearch where it is
	.venv/bin/python -m bench.pipeline
	.venv/bin/python -m bench.classification
	.venv/bin/python -m bench.store

clean: ## remove what the set-up and the demo made
	rm -rf .venv .cache var build *.egg-info
