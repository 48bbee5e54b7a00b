# contact_sync: a PostgreSQL extension in C++17, built with PGXS.
#
#   make                  the module, its LLVM bitcode and the install script
#   make install          into the server that pg_config (or PG_CONFIG=...) names
#   make installcheck     the regression tests, on a running server
#   make isolationcheck   the concurrency tests, on a running server
#   make tapcheck         tests that start servers of their own
#   make bench            what it costs, beside what else there is; writes doc/benchmark.md
#   make dist             the release's zip for PGXN, of what is committed
#   make soakcheck        an hour's work in one backend, whose memory must stay what it is
#   make fuzzcheck        libFuzzer on the number function; RUNS=... says how often
#   make lint             the sources, the scripts and what other compilers say of them

EXTENSION = contact_sync
MODULE_big = contact_sync
PGFILEDESC = "contact_sync - customers' contact data, kept right by guarded triggers"
SOURCES = $(sort $(wildcard src/*/*.cpp))
OBJS = $(SOURCES:.cpp=.o)

# The install script is kept by subject, in the order in which the parts need each other.
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" contact_sync.control)
PARTS = head failures functions describe customers quarantine tables values policies triggers advice verify attach \
  drift reconcile switch rights
# What earlier versions were installed by, and the way from each to the next (contact_sync--1.0--1.1.sql).
DATA = $(wildcard extension/published/*.sql)
DATA_built = contact_sync--$(EXTVERSION).sql

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --load-extension=contact_sync
SPECS = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
TAP_TESTS_OF_OURS = $(sort $(wildcard test/t/*.pl))
EXTRA_CLEAN = output_iso tmp_check contact_sync-*.zip

# Headers of the server and of Boost are not ours to warn about.
WARNINGS = -Wall -Wextra
STANDARD = -std=c++17 -fvisibility=hidden -fvisibility-inlines-hidden
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -DCONTACT_SYNC_VERSION='"$(EXTVERSION)"'
# Faults at the borders between C++ and PostgreSQL, for test/t/060_faults.pl alone.
ifdef FAULTS
SOURCES += test/fault.cpp
PG_CPPFLAGS += -DCONTACT_SYNC_FAULTS
endif
# INSTRUMENT has flags for sanitizers or coverage.
PG_CXXFLAGS = $(STANDARD) $(WARNINGS) $(INSTRUMENT)
# PGXS links modules with the C compiler.
SHLIB_LINK = -lstdc++ $(INSTRUMENT)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

BITCODE_CXXFLAGS += $(STANDARD) $(WARNINGS)

$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*/*.hpp) Makefile

$(DATA_built): $(PARTS:%=extension/%.sql) Makefile
	cat $(PARTS:%=extension/%.sql) > $@

# On a throw-away server of its own.
bench:
	test/bench/run

.PHONY: isolationcheck tapcheck soakcheck fuzzcheck bench dist lint

isolationcheck:
	$(top_builddir)/src/test/isolation/pg_isolation_regress --bindir='$(bindir)' --inputdir=test/isolation \
	  --outputdir=output_iso --dbname=contact_sync_isolation --load-extension=contact_sync $(SPECS)

tapcheck: override PROVE_TESTS = $(TAP_TESTS_OF_OURS)
tapcheck:
	$(prove_installcheck)

soakcheck: override PROVE_TESTS = test/slow/soak.pl
soakcheck:
	$(prove_installcheck)

# A copy of the corpus grows; what it is worth to keep is for whoever runs it to say.
RUNS ?= 20000000
fuzzcheck:
	mkdir -p tmp_check/corpus && cp test/fuzz/corpus/* tmp_check/corpus
	$(CLANGXX) -std=c++17 $(WARNINGS) -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc \
	  src/triggers/number.cpp test/fuzz/number.cpp -o tmp_check/fuzz
	tmp_check/fuzz -runs=$(RUNS) -max_len=256 -verbosity=0 -print_final_stats=1 tmp_check/corpus

# The same commit makes the same bytes. A zip has local time.
DISTRIBUTION = contact_sync-$(shell sed -n '/"provides"/q; s/^    "version": "\(.*\)",/\1/p' META.json)
dist: $(DATA_built)
	TZ=UTC git archive --format=zip -9 --prefix=$(DISTRIBUTION)/ --add-file=$(DATA_built) --output=$(DISTRIBUTION).zip HEAD

# What the compilers and linters say; the first complaint fails.
SHELL_SCRIPTS = .ci/run debian/tests/installcheck scripts/build-deb scripts/lib.sh scripts/quickstart \
  scripts/systems.sh scripts/test scripts/test-deb scripts/test-instrumented scripts/test-matrix scripts/test-pgxn \
  scripts/test-upgrade $(addprefix test/bench/,run peak_memory report)
LINT_FLAGS = $(PG_CPPFLAGS) -D_GNU_SOURCE $(STANDARD)
CLANG_FORMAT ?= clang-format
CLANG_TIDY ?= clang-tidy
CLANGXX ?= clang++
CPPCHECK ?= cppcheck

lint:
	$(foreach cxx,g++ clang++,$(cxx) $(LINT_FLAGS) $(WARNINGS) -Werror -fsyntax-only -x c++ $(SOURCES) &&) true
	$(CLANG_FORMAT) --dry-run -Werror $(SOURCES) $(wildcard src/*/*.hpp) test/fault.cpp test/fuzz/*.cpp
	$(CLANG_TIDY) --quiet $(SOURCES) test/fault.cpp test/fuzz/number.cpp -- $(LINT_FLAGS) -DCONTACT_SYNC_FAULTS
	$(CPPCHECK) --quiet --error-exitcode=1 --std=c++17 --enable=warning,performance,portability --inline-suppr \
	  '-Dforeach(cell,list)=for(;cell;)' src
	shellcheck -x $(SHELL_SCRIPTS)
