# `make unit`: the GoogleTests of the L0 and L1 rooms. These rooms and their tests are compiled without
# the server's include path, so that a stray #include of postgres.h does not compile.
#   UNIT_FILTER='Labels.*'           runs some of them
#   UNIT_SANITIZE=-fsanitize=address compiles the rooms once more, apart, with a sanitizer
UNIT_ROOMS = base $(L1_ROOMS) $(NET_L1_ROOMS)
UNIT_CXXFLAGS = -std=c++17 -O1 -g -Wall -Wextra -Werror -Iinclude -Isrc -MMD -MP $(UNIT_SANITIZE)
UNIT_ROOM_OBJS = $(addprefix $(if $(UNIT_SANITIZE), build/unit/), $(PURE_OBJS))
UNIT_TEST_OBJS = $(patsubst %.cpp, build/unit/%.o, \
	$(wildcard $(addsuffix /*.cpp, $(addprefix test/unit/, $(UNIT_ROOMS)))))

.PHONY: unit
unit: build/unit/run
	build/unit/run --gtest_brief=1 $(if $(UNIT_FILTER),--gtest_filter='$(UNIT_FILTER)')

build/unit/run: $(UNIT_TEST_OBJS) $(UNIT_ROOM_OBJS)
	$(CXX) $(UNIT_SANITIZE) -o $@ $^ -lgtest_main -lgtest $(NET_LIBS) -lre2 -lyaml-cpp -lzstd -lpthread

build/unit/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(UNIT_CXXFLAGS) -c -o $@ $<

-include $(UNIT_TEST_OBJS:.o=.d) $(filter build/%, $(UNIT_ROOM_OBJS:.o=.d))
