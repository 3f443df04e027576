# `make fuzz FUZZ_SECONDS=30`: builds every test/fuzz/<name>_fuzz.cpp with clang's libFuzzer and
# AddressSanitizer and runs each for that long. test/fuzz/<name>.corpus holds its seeds, and
# test/fuzz/<name>.dict its words; both may be missing.
FUZZ_SECONDS ?= 30
FUZZ_CXX = clang++
FUZZ_CXXFLAGS = -std=c++17 -O1 -g -Wall -Wextra -Werror -Iinclude -Isrc -MMD -MP \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_NAMES = $(patsubst test/fuzz/%_fuzz.cpp, %, $(wildcard test/fuzz/*_fuzz.cpp))
FUZZ_OBJS = $(patsubst %.cpp, build/fuzz/%.o, $(call sources, base $(L1_ROOMS)))

.PHONY: fuzz
fuzz: $(addprefix build/fuzz/, $(FUZZ_NAMES))
	for name in $(FUZZ_NAMES); do \
		mkdir -p build/fuzz/found/$$name; \
		build/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
			-print_final_stats=1 -artifact_prefix=build/fuzz/ \
			$$(test -f test/fuzz/$$name.dict && echo -dict=test/fuzz/$$name.dict) \
			build/fuzz/found/$$name \
			$$(test -d test/fuzz/$$name.corpus && echo test/fuzz/$$name.corpus) || exit 1; \
	done

$(addprefix build/fuzz/, $(FUZZ_NAMES)): build/fuzz/%: build/fuzz/test/fuzz/%_fuzz.o $(FUZZ_OBJS)
	$(FUZZ_CXX) -fsanitize=fuzzer,address,undefined -o $@ $^ -lre2 -lyaml-cpp -lpthread

build/fuzz/%.o: %.cpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_CXXFLAGS) -c -o $@ $<

.PRECIOUS: build/fuzz/%.o
-include $(FUZZ_OBJS:.o=.d)
