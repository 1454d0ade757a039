# `make demo` and `make test` need Python 3.10 to 3.12 and pip's registry; no ROS, GPU or model hub.
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test soak fuzz bench bench-gpu through-time evaluation lint format lock docs clean

demo: $(INSTALLED)
	$(BIN)/python demo/run.py $(if $(VIDEO),--video $(VIDEO))

test: $(INSTALLED)
	$(BIN)/python -m pytest $(ARGS)

soak: $(INSTALLED)
	SOAK_S=1200 $(BIN)/python -m pytest -s test/ros/test_soak.py

fuzz: $(INSTALLED)
	FUZZ_RECORDINGS=2000 $(BIN)/python -m pytest test/integration/bags/test_fuzz.py

bench: $(INSTALLED)
	$(BIN)/python bench/host.py
	$(BIN)/python bench/bags.py
	$(BIN)/python bench/live.py $(ARGS)

bench-gpu: $(INSTALLED)
	$(BIN)/python bench/gpu.py $(ARGS)

through-time: $(INSTALLED)
	$(BIN)/python bench/through_time.py $(if $(VIDEO),--video $(VIDEO))

evaluation: $(INSTALLED)
	$(BIN)/python bench/evaluation.py $(if $(VIDEO),--video $(VIDEO))

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Files that are derived from the code; a test fails when they are stale.
docs: $(INSTALLED)
	$(BIN)/anon_ros config dump > config/anonymize.yaml
	$(BIN)/anon_ros config docs > docs/parameters.md
	$(BIN)/python bench/start_timesteps.py > docs/start_timesteps.csv

lock: $(INSTALLED)
	$(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --python-version 3.10 \
		requirements.in --override overrides.txt --output-file requirements.txt

$(INSTALLED): requirements.txt setup.py setup.cfg .ci/venv
	.ci/venv
	touch $@

clean:
	rm -rf .venv build install log
