# SPDX-License-Identifier: Apache-2.0
#
# Builds Stowage, installs it and runs its tests.  `make help` lists the targets.
#
# Knobs, given as `make KNOB=value`:
#
#   O        build folder                                          build
#   SAN      sanitizers: address,undefined or thread               none
#   V        1 prints every command                                0
#   CC       the compiler, gcc or clang                            gcc
#   CFLAGS   optimisation and debug information                    -O2 -g
#   WERROR   0 keeps warnings from being errors                    1
#
#   DESTDIR PREFIX BINDIR LIBDIR INCLUDEDIR MANDIR                 for `make install`
#   RPATH    run path of the installed program                     $(LIBDIR)
#
# Sources are found by folder: common/*.c goes into everything, driver/NAME/*.c is
# drivers/NAME.so, plugin/*.c is libstowage.so, host/cli/*.c and host/serve/*.c are the program.

VERSION := 0.1.0
ABI     := 0

O       ?= build
SAN     ?=
V       ?= 0
WERROR  ?= 1
ifneq ($(filter default undefined,$(origin CC)),)
CC      := gcc
endif

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
RPATH      ?= $(LIBDIR)

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/bash

Q := $(if $(filter 1,$V),,@)
say = $(if $(filter 1,$V),,@printf '  %-8s %s\n' $(1) $(2);)

all: build

# ---- what there is ----

# what needs libcurl, and so not every program's
HTTPC_SRC  := $(wildcard common/http-client.c common/http-request.c)
COMMON_SRC := $(filter-out $(HTTPC_SRC),$(wildcard common/*.c))
PLUGIN_SRC := $(wildcard plugin/*.c)
HOST_SRC   := $(wildcard host/cli/*.c host/serve/*.c)
DRIVER_SRC := $(wildcard driver/*/*.c)
DRIVERS    := $(sort $(notdir $(patsubst %/,%,$(dir $(DRIVER_SRC)))))
# wraps another driver and injects faults: for tests, never installed
SHIPPED    := $(filter-out fault,$(DRIVERS))
HEADERS    := $(wildcard include/stowage.h include/stowage/*.h)
ROOMS      := common plugin host/cli host/serve $(addprefix driver/,$(DRIVERS))

UNIT_SRC     := $(wildcard tests/unit/*.c)
REGISTRY_SRC := $(wildcard tests/registry/*.c)
SCHEMA1_SRC  := $(wildcard tests/schema1/*.c)
DRIVE_SRC    := $(wildcard tests/driver/drive.c)
SIGNER_SRC   := $(wildcard tests/driver/signer.c)
STRESS_SRC   := $(wildcard tests/driver/stress*.c)
CONTRACT_SRC := $(filter-out $(DRIVE_SRC) $(SIGNER_SRC) $(STRESS_SRC),$(wildcard tests/driver/*.c))
BENCH_SRC    := $(wildcard bench/*.c)
# one target a file ROOM-topic.c, and what runs them without a fuzzer
FUZZ_SRC     := $(wildcard tests/fuzz/*-*.c)
REPLAY_SRC   := tests/fuzz/replay.c
# what targets of the S3 driver have below it
STORE_SRC    := tests/fuzz/store.c

objs = $(patsubst %.c,$O/obj/%.o,$(1))

COMMON_A  := $O/obj/common.a
HTTPC_OBJ := $(call objs,$(HTTPC_SRC))
SO        := $O/libstowage.so
SONAME    := libstowage.so.$(ABI)
BIN       := $O/stowage
DRIVER_SO := $(patsubst %,$O/drivers/%.so,$(DRIVERS))
UNIT      := $(patsubst %.c,$O/%,$(UNIT_SRC))
REGISTRY  := $(patsubst %.c,$O/%,$(REGISTRY_SRC))
CONTRACT  := $(if $(wildcard tests/driver/contract.c),$O/tests/driver/contract)
# takes a folder of vectors and scenarios
SCHEMA1   := $(if $(SCHEMA1_SRC),$O/tests/schema1-vectors)
# makes the calls that a script asks for
DRIVE     := $(patsubst %.c,$O/%,$(DRIVE_SRC))
# signs what a script asks for
SIGNER    := $(patsubst %.c,$O/%,$(SIGNER_SRC))
# keeps many workers on one instance
STRESS    := $(if $(STRESS_SRC),$O/tests/driver/stress)
BENCH     := $(patsubst %.c,$O/%,$(BENCH_SRC))
# drivers that break the ABI, each in its way; missing.c makes one for each mandatory call
BROKEN_SRC   := $(filter-out tests/abi/broken/missing.c,$(wildcard tests/abi/broken/*.c))
BROKEN_CALLS := open close stat get put remove read_open read read_close write_open write \
	write_commit write_close list_open list_next list_close
BROKEN       := $(patsubst %.c,$O/%.so,$(BROKEN_SRC)) \
	$(foreach c,$(BROKEN_CALLS),$O/tests/abi/broken/missing-$(subst _,-,$c).so)
# drivers of an older and of a newer minor; exposed.so has all of driver.h in its ABI
ABI_DRIVERS  := $(patsubst tests/abi/driver-1.0/%.c,$O/tests/abi/drivers/%.so,$(wildcard \
	tests/abi/driver-1.0/*.c))
ABI_EXPOSED  := $O/tests/abi/exposed.so
FUZZ      := $(patsubst %.c,$O/%,$(FUZZ_SRC))
# pages with the options of a driver, from its table, where it has "@OPTIONS@"
PAGES     := $(patsubst docs/%.in,$O/docs/%,$(wildcard docs/stowage-*.5.in))
MANUALS   := $(wildcard docs/*.1 docs/*.5) $(PAGES)

# ---- flags ----

CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null | head -n 1))

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wvla -Walloca -Wundef \
	-Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations \
	-Wold-style-definition -Wwrite-strings -Wformat=2 -Wnull-dereference -Wdouble-promotion \
	-Wswitch-enum -Wunused-macros -Wredundant-decls -Wdate-time
WARN_GCC := -Warith-conversion -Wcast-align=strict -Wformat-signedness -Wimplicit-fallthrough=5 \
	-Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init
WARN_CLANG := -Wcast-align -Wimplicit-fallthrough -Wthread-safety
WARNINGS := $(WARN) $(if $(CLANG),$(WARN_CLANG),$(WARN_GCC)) $(if $(filter 0,$(WERROR)),,-Werror)

ifeq ($(SAN),)
CFLAGS   ?= -O2 -g
HARDEN   := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection $(if $(filter x86_64 i%86,$(shell uname -m)),-fcf-protection)
# libraries come before --as-needed nowhere: unneeded ones leave no NEEDED entry
LDHARDEN := -Wl,-z,relro,-z,now,--as-needed
LDWHOLE  := -Wl,-z,defs -Wl,--no-undefined
else
CFLAGS   ?= -O1 -g
HARDEN   := -fsanitize=$(SAN) -fno-omit-frame-pointer \
	$(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined)
LDHARDEN := -fsanitize=$(SAN) -Wl,--as-needed
# clang's run time is linked into the program only: a library may not ask for all symbols
LDWHOLE  := $(if $(CLANG),,-Wl,-z,defs -Wl,--no-undefined)
# optimisers warn more, and wrongly, about code that a sanitizer has rewritten
WARNINGS += -Wno-null-dereference $(if $(CLANG),,-Wno-maybe-uninitialized)
endif

BASE := -std=c11 -D_GNU_SOURCE -Iinclude -I. -include common/banned.h -fPIC -pthread -fno-common \
	-fvisibility=hidden -DSTOW_VERSION='"$(VERSION)"'
ALL_CFLAGS  = $(BASE) $(CFLAGS) $(HARDEN) $(WARNINGS) $(CPPFLAGS) $(LIB_CFLAGS)
ALL_LDFLAGS = $(LDHARDEN) $(LDFLAGS) -pthread

# asked for once, and only where something is built
PKG_CONFIG ?= pkg-config
once = $(eval $(1) := $(2))$($(1))
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1))
CRYPTO_LIBS  = $(call once,CRYPTO_LIBS,$(call pkg_libs,libcrypto))
CURL_LIBS    = $(call once,CURL_LIBS,$(call pkg_libs,libcurl))
XML_LIBS     = $(call once,XML_LIBS,$(call pkg_libs,libxml-2.0))
JANSSON_LIBS = $(call once,JANSSON_LIBS,$(call pkg_libs,jansson))
MHD_LIBS     = $(call once,MHD_LIBS,$(call pkg_libs,libmicrohttpd))
CRYPT_LIBS   = $(call once,CRYPT_LIBS,$(call pkg_libs,libcrypt))
TLS_LIBS     = $(call once,TLS_LIBS,$(call pkg_libs,gnutls))
CMOCKA_LIBS  = $(call once,CMOCKA_LIBS,$(call pkg_libs,cmocka))
LIB_CFLAGS   = $(call once,LIB_CFLAGS,$(patsubst -I%,-isystem %,$(shell \
	$(PKG_CONFIG) --cflags libcrypto libcurl libxml-2.0 jansson libmicrohttpd gnutls)))

LIBS_s3     = $(CURL_LIBS) $(XML_LIBS) $(JANSSON_LIBS)
LIBS_plugin = $(JANSSON_LIBS) -ldl
LIBS_host   = $(MHD_LIBS) $(TLS_LIBS) $(CRYPT_LIBS) $(JANSSON_LIBS) $(CURL_LIBS)

# ---- objects ----

# A file whose text is the flags: it is rewritten, and all is rebuilt, where they have changed.
# The second one holds the names of the sources, so that one taken away is linked out.
define keep
$(shell mkdir -p $(dir $(1)); printf '%s\n' '$(subst ','\'',$(2))' | cmp -s - $(1) || \
	printf '%s\n' '$(subst ','\'',$(2))' > $(1))
endef

BUILDS := $(filter-out help clean distclean deps test-deps run run-minio format format-check tidy \
	check-includes check-headers check-style test test-long uninstall go-tools,$(or $(MAKECMDGOALS),all))
ifneq ($(BUILDS),)
$(call keep,$O/obj/flags,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LDWHOLE))
$(call keep,$O/obj/sources,$(COMMON_SRC) $(HTTPC_SRC) $(PLUGIN_SRC) $(HOST_SRC) $(DRIVER_SRC))
endif

$O/obj/%.o: %.c $O/obj/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(COMMON_A): $(call objs,$(COMMON_SRC)) $O/obj/sources
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(filter %.o,$^)

-include $(patsubst %.c,$O/obj/%.d,$(COMMON_SRC) $(HTTPC_SRC) $(PLUGIN_SRC) $(HOST_SRC) \
	$(DRIVER_SRC) $(UNIT_SRC) $(REGISTRY_SRC) $(CONTRACT_SRC) $(SCHEMA1_SRC) $(DRIVE_SRC) \
	$(SIGNER_SRC) $(STRESS_SRC) $(BENCH_SRC) $(FUZZ_SRC) $(REPLAY_SRC) $(STORE_SRC))

# ---- shared objects and the program ----

define driver_rules
DRIVER_OBJ_$(1) := $$(call objs,$$(wildcard driver/$(1)/*.c)) $(if $(filter s3,$(1)),$(HTTPC_OBJ))
$O/drivers/$(1).so: $$(DRIVER_OBJ_$(1)) $(COMMON_A) driver/driver.map $O/obj/sources
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(CC) -shared $$(ALL_LDFLAGS) $$(LDWHOLE) -Wl,-z,nodelete \
		-Wl,--version-script=driver/driver.map -o $$@ $$(DRIVER_OBJ_$(1)) $(COMMON_A) \
		$$(LIBS_$(1)) $$(CRYPTO_LIBS)
endef
$(foreach d,$(DRIVERS),$(eval $(call driver_rules,$d)))

PLUGIN_OBJ := $(call objs,$(PLUGIN_SRC))
link_plugin = $(CC) -shared $(ALL_LDFLAGS) $(LDWHOLE) -Wl,-soname,$(SONAME) \
	-Wl,--version-script=plugin/stowage.map -o $@ $(1) $(COMMON_A) $(LIBS_plugin) $(CRYPTO_LIBS)
$O/$(SONAME): $(PLUGIN_OBJ) $(COMMON_A) plugin/stowage.map $O/obj/sources
	$(call say,LD,$@)$(call link_plugin,$(PLUGIN_OBJ))
$(SO): $O/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

HOST_OBJ := $(call objs,$(HOST_SRC))
comma := ,
link_host = $(CC) $(ALL_LDFLAGS) -pie $(1) -o $@ $(HOST_OBJ) $(HTTPC_OBJ) $(COMMON_A) -L$O \
	-lstowage $(LIBS_host) $(CRYPTO_LIBS)
$(BIN): $(HOST_OBJ) $(HTTPC_OBJ) $(COMMON_A) $(SO) $O/obj/sources
	$(call say,LD,$@)$(call link_host,-Wl$(comma)-rpath$(comma)'$$ORIGIN')
build: $(if $(HOST_SRC),$(BIN)) $(if $(PLUGIN_SRC),$(SO)) $(DRIVER_SO)

$O/docs/stowage-%.5: docs/stowage-%.5.in $(BIN) $(DRIVER_SO)
	@mkdir -p $(@D)
	$(call say,MDOC,$@)STOWAGE_DRIVER_PATH=$(abspath $O)/drivers $(BIN) config --mdoc $* > $@.options
	$(Q)sed -e '/@OPTIONS@/{r $@.options' -e 'd;}' $< > $@ && rm $@.options
manuals: $(PAGES)

# CNCF Distribution with the drivers as its storage, where there is a Go to build it
GO_MODULE := host/distribution
registry-stowage: build
	@command -v go >/dev/null || { echo "registry-stowage: there is no go"; exit 1; }
	$(call say,GO,$O/registry-stowage)cd $(GO_MODULE) && GOFLAGS=-mod=readonly \
		CGO_CFLAGS="$$(LIBDIR=$(LIBDIR) ./cgo-flags)" go build -o $(abspath $O)/registry-stowage ./cmd/registry-stowage

# ---- test programs ----

# the room of tests/unit/ROOM-topic.c gives the objects it sees
room = $(firstword $(subst -, ,$(notdir $(1))))
UNIT_OBJ_plugin := $(PLUGIN_OBJ)
UNIT_OBJ_serve  := $(filter-out $O/obj/host/cli/main.o,$(HOST_OBJ)) $(HTTPC_OBJ)
UNIT_OBJ_cli    := $(filter-out $O/obj/host/cli/main.o,$(HOST_OBJ)) $(HTTPC_OBJ)
UNIT_OBJ_common := $(HTTPC_OBJ)
UNIT_LIBS_common = $(CURL_LIBS) $(JANSSON_LIBS)
UNIT_LIBS_plugin = $(LIBS_plugin)
UNIT_LIBS_serve  = -L$O -lstowage $(LIBS_host)
UNIT_LIBS_cli    = -L$O -lstowage $(LIBS_host)
UNIT_DEPS_serve := $(SO)
UNIT_DEPS_cli   := $(SO)
TEST_RPATH := -Wl,-rpath,'$$ORIGIN/../..'

define unit_rules
$(1): $O/obj/$(patsubst $O/%,%,$(1)).o $$(or $$(UNIT_OBJ_$(2)),$$(DRIVER_OBJ_$(2))) \
		$$(UNIT_DEPS_$(2)) $(COMMON_A) $O/obj/sources
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(CC) $$(ALL_LDFLAGS) $$(TEST_RPATH) -o $$@ $$(filter %.o,$$^) \
		$(COMMON_A) $$(or $$(UNIT_LIBS_$(2)),$$(LIBS_$(2))) $$(CMOCKA_LIBS) $$(CRYPTO_LIBS)
endef
$(foreach t,$(UNIT),$(eval $(call unit_rules,$t,$(call room,$t))))

# its allocators fail as it wants
$O/tests/unit/plugin-allocation: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc \
	reallocarray strdup strndup)

# what stands on the public interface alone
$(REGISTRY): $O/%: $O/obj/%.o $(COMMON_A) $(SO)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) $(TEST_RPATH) -o $@ $< $(COMMON_A) -L$O -lstowage \
		$(CMOCKA_LIBS) $(CRYPTO_LIBS) $(JANSSON_LIBS)

# what stands on the driver ABI alone
$(CONTRACT): $(call objs,$(CONTRACT_SRC))
$(STRESS): $(call objs,$(STRESS_SRC))
$(CONTRACT) $(STRESS): $(COMMON_A)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(COMMON_A) -ldl \
		$(CRYPTO_LIBS)
# sees the core from within: its scenarios change objects below it
$(SCHEMA1): $(call objs,$(SCHEMA1_SRC)) $(PLUGIN_OBJ) $(COMMON_A)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(COMMON_A) $(LIBS_plugin) \
		$(CRYPTO_LIBS)
$(DRIVE) $(BENCH): $O/%: $O/obj/%.o $(COMMON_A)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(COMMON_A) -ldl $(CRYPTO_LIBS)
# sees one file of the driver, which stands on common/ alone
$(SIGNER): $O/%: $O/obj/%.o $O/obj/driver/s3/sign.o $(COMMON_A)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(COMMON_A) $(CRYPTO_LIBS)

# Fuzz targets see rooms as archives, so that each takes what it looks at, and may put its own in
# the place of what lies below.  FUZZER=1 links the fuzzer, else replay.c runs their corpora.
FUZZ_ROOMS_plugin := plugin
FUZZ_ROOMS_serve  := serve plugin
FUZZ_ROOMS_s3     := s3
FUZZ_OBJ_plugin   := $(PLUGIN_OBJ)
FUZZ_OBJ_serve    := $(filter-out $O/obj/host/cli/main.o,$(HOST_OBJ))
FUZZ_OBJ_s3       := $(filter-out $(HTTPC_OBJ),$(DRIVER_OBJ_s3)) $(call objs,$(STORE_SRC))
FUZZ_LIBS          = $(LIBS_plugin) $(XML_LIBS) $(CRYPTO_LIBS)
FUZZER            ?=
FUZZ_MAIN         := $(if $(FUZZER),-fsanitize=fuzzer,$(call objs,$(REPLAY_SRC)))

$O/obj/tests/fuzz/%.a: $O/obj/sources
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && ar qcs $@ $(filter %.o,$^)
$(foreach r,plugin serve s3,$(eval $O/obj/tests/fuzz/$r.a: $(FUZZ_OBJ_$r)))

define fuzz_rules
$(1): $O/obj/$(patsubst $O/%,%,$(1)).o $(if $(FUZZER),,$(FUZZ_MAIN)) $(COMMON_A) \
		$(patsubst %,$O/obj/tests/fuzz/%.a,$(FUZZ_ROOMS_$(2)))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$(filter-out $(FUZZ_MAIN),$$(filter %.o,$$^)) \
		$(FUZZ_MAIN) $(patsubst %,$O/obj/tests/fuzz/%.a,$(FUZZ_ROOMS_$(2))) $(COMMON_A) \
		$$(FUZZ_LIBS)
endef
$(foreach t,$(FUZZ),$(eval $(call fuzz_rules,$t,$(call room,$t))))

# its lists are its own
$O/tests/fuzz/serve-link: LDFLAGS += $(addprefix -Wl$(comma)--wrap=stow_,tags_open catalog_open \
	names_next names_close referrers_open referrers_next referrers_close)

ABI_LINK = $(CC) -shared $(ALL_LDFLAGS) -Wl,-z,nodelete -Wl,--version-script=driver/driver.map
broken_deps = tests/abi/broken/broken.h driver/driver.map include/stowage/driver.h \
	include/stowage/types.h $O/obj/flags
$O/tests/abi/broken/missing-%.so: tests/abi/broken/missing.c $(broken_deps)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(ABI_LINK) $(ALL_CFLAGS) -DNAME='"missing-$*"' -DMISSING=$(subst -,_,$*) \
		-o $@ $<
$O/tests/abi/broken/%.so: tests/abi/broken/%.c $(broken_deps)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(ABI_LINK) $(ALL_CFLAGS) -DNAME='"$*"' -o $@ $<

# from the header of their time alone, which knows nothing of the present one
$O/tests/abi/drivers/%.so: tests/abi/driver-1.0/%.c driver/driver.map $O/obj/flags \
		$(wildcard tests/abi/driver-1.0/*.[ch] tests/abi/driver-1.0/include/stowage/*.h)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(ABI_LINK) $(CFLAGS) $(HARDEN) -std=c11 -D_POSIX_C_SOURCE=200809L -fPIC \
		-fvisibility=hidden -Wall -Wextra -Werror -Itests/abi/driver-1.0/include -pthread \
		-o $@ $< $(CRYPTO_LIBS)

$(ABI_EXPOSED): tests/abi/exposed.c include/stowage/driver.h include/stowage/types.h $O/obj/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared $(ALL_LDFLAGS) $(ALL_CFLAGS) -g -o $@ $<

tests: build $(UNIT) $(REGISTRY) $(CONTRACT) $(SCHEMA1) $(DRIVE) $(SIGNER) $(STRESS) $(FUZZ) \
	$(BROKEN) $(ABI_DRIVERS) $(ABI_EXPOSED)
fuzzers: $(FUZZ)
bench: build $(BENCH)

# ---- running and testing ----

export O SAN
RUN := tests/run --build $O
# one name for the results of one `make test`
RESULTS ?=

deps:
	@tests/tools/packages build

test-deps: deps
	@tests/tools/packages test
	@tests/tools/go-tools $O/tools/bin
	@tests/tools/python-tools $O/tools
	@tests/tools/deb-tools $O/tools

run: deps
	@$(MAKE) --no-print-directory -j$(shell nproc) build
	@tests/tools/serve filesystem $O

run-minio: deps
	@tests/tools/go-tools $O/tools/bin minio
	@$(MAKE) --no-print-directory -j$(shell nproc) build
	@tests/tools/serve minio $O

check: build tests manuals
	@tests/tools/suite check $O

test:
	@tests/tools/suite test $O

tidy:
	@tests/tools/tidy $O

# the long ones: streams of gigabytes
test-long:
	@tests/tools/suite long $O

check-clang:
	@$(MAKE) --no-print-directory O=$O/clang CC=clang-14 tests bench

FUZZTIME ?= 20
fuzz:
	@$(MAKE) --no-print-directory O=$O/fuzz CC=clang-14 SAN=address,undefined FUZZER=1 \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' fuzzers
	@tests/tools/fuzz $O/fuzz $(FUZZTIME) $(FUZZ_SRC)

check-includes:
	@tests/tools/check-includes
check-exports: build
	@tests/tools/check-exports $O
check-abi: build $(ABI_EXPOSED)
	@tests/tools/check-abi check $O
abi-baseline: build $(ABI_EXPOSED)
	@tests/tools/check-abi renew $O
check-headers:
	@tests/tools/check-headers
check-style:
	@tests/tools/check-style
format-check:
	@tests/tools/format check
format:
	@tests/tools/format write

clean:
	rm -rf $O/obj $O/drivers $O/docs $O/tests $O/bench $O/results $O/clang $O/fuzz $O/address $O/thread $O/installed \
		$O/stowage $O/libstowage.so* $O/registry-stowage
distclean: clean
	rm -rf $O

# ---- installing ----

INSTALL ?= install

# What knows where it will lie is made anew for each place: the library knows the folder of drivers,
# the program the folder of the library, and neither knows the build folder.
ifneq ($(filter install,$(MAKECMDGOALS)),)
$(call keep,$O/installed/places,$(PREFIX) $(LIBDIR) $(INCLUDEDIR) $(RPATH))
endif
LOADER := $O/obj/plugin/loader.o

$O/installed/loader.o: plugin/loader.c $(LOADER) $O/installed/places
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -DSTOW_LIBDIR='"$(LIBDIR)"' -c -o $@ $<
$O/installed/$(SONAME): $(SO) $O/installed/loader.o
	$(call say,LD,$@)$(call link_plugin,$(filter-out $(LOADER),$(PLUGIN_OBJ)) $O/installed/loader.o)
$O/installed/stowage: $(HOST_OBJ) $(HTTPC_OBJ) $(COMMON_A) $(SO) $O/obj/sources $O/installed/places
	$(call say,LD,$@)$(call link_host,$(if $(RPATH),-Wl$(comma)-rpath$(comma)'$(RPATH)'))

below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
$O/installed/stowage.pc: Makefile $O/installed/places
	$(Q)printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(call below_prefix,$(LIBDIR))' \
		'includedir=$(call below_prefix,$(INCLUDEDIR))' \
		'driverdir=$${libdir}/stowage/drivers' '' 'Name: stowage' \
		"Description: A container registry's storage" 'Version: $(VERSION)' \
		'Libs: -L$${libdir} -lstowage' 'Cflags: -I$${includedir}' > $@

install: build manuals $O/installed/stowage $O/installed/$(SONAME) $O/installed/stowage.pc
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(LIBDIR)/stowage/drivers $(DESTDIR)$(INCLUDEDIR)/stowage
	$(INSTALL) -m 755 $O/installed/stowage $(DESTDIR)$(BINDIR)/stowage
	$(INSTALL) -m 755 $O/installed/$(SONAME) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libstowage.so
	$(INSTALL) -m 755 $(patsubst %,$O/drivers/%.so,$(SHIPPED)) $(DESTDIR)$(LIBDIR)/stowage/drivers
	$(INSTALL) -m 644 $O/installed/stowage.pc $(DESTDIR)$(LIBDIR)/pkgconfig/stowage.pc
	$(INSTALL) -m 644 include/stowage.h $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 644 $(wildcard include/stowage/*.h) $(DESTDIR)$(INCLUDEDIR)/stowage
	@for m in $(MANUALS); do s=$${m##*.}; \
		$(INSTALL) -d $(DESTDIR)$(MANDIR)/man$$s && \
		$(INSTALL) -m 644 $$m $(DESTDIR)$(MANDIR)/man$$s || exit 1; done

# what install put there, and the folders that are nobody else's
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/stowage $(DESTDIR)$(LIBDIR)/$(SONAME) \
		$(DESTDIR)$(LIBDIR)/libstowage.so $(DESTDIR)$(LIBDIR)/pkgconfig/stowage.pc \
		$(patsubst %,$(DESTDIR)$(LIBDIR)/stowage/drivers/%.so,$(SHIPPED)) \
		$(patsubst include/%,$(DESTDIR)$(INCLUDEDIR)/%,$(HEADERS))
	rm -f $(foreach m,$(MANUALS),\
		$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $m))/$(notdir $m))
	@for d in $(LIBDIR)/stowage/drivers $(LIBDIR)/stowage $(INCLUDEDIR)/stowage; do \
		[ ! -d $(DESTDIR)$$d ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$d; done

# ---- help ----

help:
	@printf '%s\n' 'Targets:' \
	'  all           build/stowage, build/libstowage.so, build/drivers/*.so (the default)' \
	'  deps          install what the build needs (Debian, Ubuntu), or print the list' \
	'  run           deps, build, and serve ./var on 127.0.0.1:5000' \
	'  run-minio     the same on a MinIO that is brought and started too' \
	'  check         the tests without servers, under a minute' \
	'  test          sets everything up and runs all tests; the last line is the count' \
	'  test-deps     install what the tests need' \
	'  tests bench   build the test programs, the benchmarks' \
	'  manuals       build the manual pages that are made of option tables' \
	'  tidy          clang-tidy' \
	'  fuzz          fuzz every parser, each for FUZZTIME=20 seconds, with clang-14' \
	'  check-clang   build all with clang-14, its warnings and -Wthread-safety' \
	'  check-includes check-exports check-headers check-style' \
	'                the rules of the house: who may include whom, what is exported, ...' \
	'  format        lay the sources out with clang-format-14; format-check only looks' \
	'  check-abi     compare both ABIs with tests/abi/*.abi; abi-baseline renews these' \
	'  test-long     the driver suite of CNCF Distribution whole: 3 GB of memory, 6 GB of disk' \
	'  registry-stowage  CNCF Distribution with the drivers as its storage; needs go' \
	'  install       to DESTDIR, PREFIX, BINDIR, LIBDIR, INCLUDEDIR, MANDIR' \
	'  uninstall     takes away from there what install put' \
	'  clean         remove what was built; distclean removes the tools, too' ''
	@sed -n '/^# Knobs/,/^# Sources/{s/^# \?//;/^Sources/d;p}' Makefile

.PHONY: all build manuals tests bench fuzz fuzzers deps test-deps run run-minio check test tidy check-clang \
	check-includes check-exports check-headers check-style format format-check clean distclean \
	install uninstall help check-abi abi-baseline test-long registry-stowage
