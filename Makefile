# The front door. CMake does the building; this file gets what it needs first and calls it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PREFIX ?= /usr/local
SANITIZE ?=
ifneq ($(filter-out 0,$(SANITIZE)),)
BUILD := build/sanitize$(if $(filter thread,$(SANITIZE)),-thread)
CONFIGURE := -DRAP_SANITIZE=$(if $(filter thread,$(SANITIZE)),thread,ON)
else
BUILD := build
CONFIGURE :=
endif
CMAKE_FLAGS ?=

.PHONY: help deps build demo test check bench install clean

help:
	@echo "RAP in C: makes a multimodal model personal: remember, retrieve, generate"
	@echo
	@echo "  make demo     set everything up and show the system at work"
	@echo "  make build    build/rap (the program), build/librap.a, build/librap.so"
	@echo "  make test     set everything up and run every test (SANITIZE=1: under ASan and UBSan, SANITIZE=thread: TSan)"
	@echo "  make check    style: formatting, layers, banned functions, the header, exported symbols"
	@echo "  make bench    speed of the first cut"
	@echo "  make install  into PREFIX (now $(PREFIX)); DESTDIR is honoured"
	@echo "  make clean    remove what was built (the cache of llama.cpp stays)"
	@echo
	@echo "The first build installs Debian packages (as root, or through sudo) and compiles llama.cpp"
	@echo "once. LLAMA_CPP_DIR names a llama.cpp source of your own; RAP_CACHE moves the cache."

deps:
	@tools/setup/deps.sh build

build: deps
	@cmake -S . -B $(BUILD) -G Ninja -Wno-dev --log-level=WARNING $(CONFIGURE) \
		-DCMAKE_INSTALL_PREFIX=$(PREFIX) $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD)

demo: build
	@RAP_BIN=$(CURDIR)/$(BUILD)/rap examples/demo.sh

test: build
	@tools/check/tests.sh $(BUILD)

check: build
	@tools/setup/deps.sh check
	@tools/check/format.sh
	@tools/check/layers.sh
	@tools/check/banned.sh
	@tools/check/header.sh
	@tools/check/symbols.sh $(BUILD)

bench: build
	@RAP_BIN=$(CURDIR)/$(BUILD)/rap bench/run.sh

install: build
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)
	@echo "installed into $(DESTDIR)$(PREFIX)"

# build/tiny holds checkpoints of trainings that may have taken hours: tools/tiny owns it.
clean:
	@[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name tiny -exec rm -rf {} +
