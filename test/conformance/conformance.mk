# `make conformance CONFORMANCE=<folder>`: third-party cases of the formats that the L1 rooms speak.
# One binary beside the unit tests; every suite is a file of its own that registers itself
# (registry.hpp). The data is not part of this repository.
CONFORMANCE_OBJS = $(patsubst %.cpp, build/unit/%.o, $(wildcard test/conformance/*.cpp))

.PHONY: conformance
conformance: build/unit/conformance
	$(if $(CONFORMANCE),,$(error say where the cases are: make conformance CONFORMANCE=<folder>))
	build/unit/conformance '$(CONFORMANCE)'

build/unit/conformance: $(CONFORMANCE_OBJS) $(UNIT_ROOM_OBJS)
	$(CXX) $(UNIT_SANITIZE) -o $@ $^ -lcurl -lre2 -lyaml-cpp -lpthread

-include $(CONFORMANCE_OBJS:.o=.d)
