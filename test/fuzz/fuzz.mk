# `make fuzz SECONDS=30`: parsers and renderers of the L1 rooms under libFuzzer, each target for that
# long (FUZZ_TARGETS='cron url' runs some); `make unit-sanitized`: the unit tests. Both with clang's
# AddressSanitizer and UndefinedBehaviorSanitizer, on the same objects. test/fuzz/<name>.corpus holds a
# target's seeds, and test/fuzz/<name>.dict its words; both may be missing. What a run has found of new
# paths is in build/sanitized/found, what it broke on in build/sanitized.
FUZZ_SECONDS ?= $(or $(SECONDS), 30)
SANITIZED_CXX ?= clang++
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZED_CXXFLAGS = -std=c++17 -O1 -gline-tables-only -Wall -Wextra -Werror -Iinclude -Isrc -MMD -MP \
	-fsanitize=fuzzer-no-link $(SANITIZERS)
sanitized = $(addprefix build/sanitized/, $(1))
SANITIZED_ROOM_OBJS = $(call sanitized, $(call objects, base $(L1_ROOMS)))
SANITIZED_NET_OBJS = $(call sanitized, $(call objects, $(NET_L1_ROOMS)))
FUZZ_OBJS = $(call sanitized, $(patsubst %.cpp, %.o, $(wildcard test/fuzz/*.cpp)))
SANITIZED_UNIT_OBJS = $(call sanitized, $(patsubst %.cpp, %.o, \
	$(wildcard $(addsuffix /*.cpp, $(addprefix test/unit/, $(UNIT_ROOMS))))))

.PHONY: fuzz unit-sanitized
fuzz: build/sanitized/fuzz
	test/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

unit-sanitized: build/sanitized/unit
	build/sanitized/unit --gtest_brief=1 $(if $(UNIT_FILTER),--gtest_filter='$(UNIT_FILTER)')

build/sanitized/fuzz: $(FUZZ_OBJS) $(SANITIZED_ROOM_OBJS)
	$(SANITIZED_CXX) -fsanitize=fuzzer $(SANITIZERS) -o $@ $^ -lre2 -lyaml-cpp -lzstd -lpthread

build/sanitized/unit: $(SANITIZED_UNIT_OBJS) $(SANITIZED_ROOM_OBJS) $(SANITIZED_NET_OBJS)
	$(SANITIZED_CXX) $(SANITIZERS) -o $@ $^ -lgtest_main -lgtest $(NET_LIBS) -lre2 -lyaml-cpp -lzstd -lpthread

build/sanitized/%.o: %.cpp
	@mkdir -p $(@D)
	$(SANITIZED_CXX) $(SANITIZED_CXXFLAGS) -c -o $@ $<

.PRECIOUS: build/sanitized/%.o
-include $(patsubst %.o, %.d, $(FUZZ_OBJS) $(SANITIZED_ROOM_OBJS) $(SANITIZED_NET_OBJS) $(SANITIZED_UNIT_OBJS))
