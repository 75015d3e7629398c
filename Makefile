# SPDX-License-Identifier: BSD-2-Clause
# The face. Meson and ninja do the work; what is missing from Debian is
# installed where that is allowed, else the one line to type is printed.

BUILD := build
PACKAGES := $(shell grep -v '^\#' packaging/debian-build.txt)
DEMO_PACKAGES := $(PACKAGES) $(shell grep -v '^\#' packaging/debian-demo.txt)
TEST_PACKAGES := $(DEMO_PACKAGES) $(shell grep -v '^\#' packaging/debian-test.txt)
BENCH_PACKAGES := $(PACKAGES) $(shell grep -v '^\#' packaging/debian-bench.txt)

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@sh packaging/need.sh $(PACKAGES)
	@meson setup $(BUILD) >/dev/null || { cat $(BUILD)/meson-logs/meson-log.txt; exit 1; }

demo:
	@sh packaging/need.sh $(DEMO_PACKAGES)
	@$(MAKE) --no-print-directory all
	@sh examples/demo.sh $(BUILD)/weir

test:
	@sh packaging/need.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory all
	@sh tests/run.sh $(BUILD)

bench:
	@sh packaging/need.sh $(BENCH_PACKAGES) || echo "going on: rows that need these will say so" >&2
	@$(MAKE) --no-print-directory all
	@sh bench/peers.sh $(BUILD)
	@python3 bench/run.py $(BUILD)

install: all
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet

clean:
	rm -rf $(BUILD)

.PHONY: all demo test bench install clean
