# `make demo` and `make test` need Python 3.10 to 3.12 and pip's registry; no ROS, GPU or model hub.
# `make test ROS_DISTRO=kilted` runs on the wheels of Kilted. Only from the command line: where ROS is
# sourced, the environment has the variable, too, and these wheels must not mix with that ROS.
DISTRO := $(if $(filter command,$(origin ROS_DISTRO)),$(ROS_DISTRO),jazzy)
VENV := $(if $(filter jazzy,$(DISTRO)),.venv,.venv-$(DISTRO))
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
SITE := build/site-venv
TRAINING := $(VENV)/training-installed

.PHONY: help demo test lint format links docs site diagrams lock sbom bench bench-gpu mask-memory evaluation generator soak fuzz clean

help:  ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED)  ## a camera, the node and a recorder, checked frame by frame; a bag; a clip
	$(BIN)/python demo/run.py $(if $(VIDEO),--video $(VIDEO))

test: $(INSTALLED)  ## the whole test suite on two cores (ARGS="-k name" selects, "-n 0" runs on one, ROS_DISTRO=kilted)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(INSTALLED)  ## ruff, mypy, the layers and the Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy examples/*.py
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile

format: $(INSTALLED)  ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

links:  ## check the relative links of all pages
	$(or $(PYTHON),python3) .ci/check_links.py

# Files that are derived from the code; a test fails when they are stale.
docs: $(INSTALLED)  ## make the generated files anew (parameters, start timesteps)
	$(BIN)/anon_ros config dump > config/anonymize.yaml
	$(BIN)/anon_ros config docs > docs/parameters.md
	$(BIN)/python bench/start_timesteps.py > docs/start_timesteps.csv

site: $(SITE)/installed  ## the documentation site, in build/site (Python 3.11 or later)
	$(SITE)/bin/sphinx-build -W --keep-going -n -q docs build/site
	@echo "build/site/index.html"

$(SITE)/installed: docs/requirements.txt
	$(or $(PYTHON),python3) -m venv --clear $(SITE)
	$(SITE)/bin/pip install --quiet --no-deps --require-hashes -r docs/requirements.txt
	touch $@

diagrams:  ## draw docs/diagrams/*.svg anew (needs Graphviz)
	for name in architecture layers; do dot -Tsvg docs/diagrams/$$name.dot -o docs/diagrams/$$name.svg; done

lock: $(INSTALLED)  ## pin the newest versions and their hashes in requirements.txt
	$(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --generate-hashes --python-version 3.10 \
		requirements.in --override requirements-overrides.txt --output-file requirements.txt
	for distro in jazzy kilted; do $(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --generate-hashes \
		--python-version 3.10 requirements/ros-$$distro.in --constraints requirements.txt \
		$(foreach name,empy numpy pyyaml setuptools typing-extensions,--no-emit-package $(name)) \
		--output-file requirements/ros-$$distro.txt || exit 1; done
	for pins in humble:3.10 jazzy:3.12; do $(BIN)/uv pip compile --quiet --universal --no-header --no-annotate \
		--python-version $${pins#*:} requirements/vehicle.in --override requirements-overrides.txt \
		--no-emit-package setuptools --output-file requirements/constraints-$${pins%:*}.txt || exit 1; done
	$(BIN)/uv pip compile --quiet --universal --no-deps --no-header --no-annotate --generate-hashes --python-version 3.10 \
		requirements-training.in --output-file requirements-training.txt

sbom: $(INSTALLED)  ## list what is installed: build/sbom.json (CycloneDX) and build/licenses.csv
	$(BIN)/python .ci/sbom.py build

bench: $(INSTALLED)  ## cost of the core, of bags and of the node
	$(BIN)/python bench/frame_overhead.py
	$(BIN)/python bench/bag_throughput.py
	$(BIN)/python bench/media_search.py
	$(BIN)/python bench/node_latency.py $(ARGS)

bench-gpu: $(INSTALLED)  ## speed of the full-size networks on this GPU
	$(BIN)/python bench/gpu.py $(ARGS)

mask-memory: $(INSTALLED)  ## measure docs/mask_memory.md (VIDEO=vtest.avi)
	$(BIN)/python -m bench.mask_memory.experiment $(if $(VIDEO),--video $(VIDEO))

evaluation: $(INSTALLED)  ## measure docs/evaluation.md (VIDEO=vtest.avi)
	$(BIN)/python bench/evaluation_page.py $(if $(VIDEO),--video $(VIDEO))

generator: $(TRAINING)  ## render people and train the generator anew, in build/generator (MINUTES=60 FIGURES=6000; resumable)
	$(BIN)/python -m training.people --out build/generator/people --count $(or $(FIGURES),6000) --seed 0 --workers 2
	$(BIN)/python -m training --figures build/generator/people --work build/generator \
		--out build/generator/pipeline --minutes $(or $(MINUTES),60)

$(TRAINING): requirements-training.txt $(INSTALLED)
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-training.txt
	touch $@

soak: $(INSTALLED)  ## 20 minutes of faults against the node
	SOAK_S=1200 $(BIN)/python -m pytest -s test/ros/test_soak.py

fuzz: $(INSTALLED)  ## 2,000 mutated recordings
	FUZZ_RECORDINGS=2000 $(BIN)/python -m pytest test/integration/bags/test_fuzz.py

clean:  ## remove everything that was built or installed here
	rm -rf .venv .venv-kilted build install log

$(INSTALLED): requirements.txt $(wildcard requirements/ros-$(DISTRO).txt) demo/requirements.txt setup.py setup.cfg .ci/venv
	.ci/venv $(VENV) $(DISTRO)
	touch $@
