# Libraries that only tests load. They are no part of all and install: the harness puts them into its
# private installation with install-test-modules, and says TEST_MODULES=1 to installcheck.
TEST_MODULE = build/modules/guard_test.so
TEST_MODULE_OBJS = build/modules/guard_test.o build/modules/guard_test_worker.o $(call objects, base pg)

# For LD_PRELOAD: what a full disk and a crash between two writes do.
DISK_FAULT = build/modules/disk_fault.so

.PHONY: install-test-modules
install-test-modules: $(TEST_MODULE) $(DISK_FAULT)
	$(INSTALL_SHLIB) $(TEST_MODULE) '$(DESTDIR)$(pkglibdir)/$(notdir $(TEST_MODULE))'
	$(INSTALL_SHLIB) $(DISK_FAULT) '$(DESTDIR)$(pkglibdir)/$(notdir $(DISK_FAULT))'

$(DISK_FAULT): test/modules/disk_fault.c
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -Werror -shared -fPIC -o $@ $< -ldl

$(TEST_MODULE): $(TEST_MODULE_OBJS) src/exports.map
	$(CXX) $(CXXFLAGS) -shared -o $@ $(TEST_MODULE_OBJS) $(LDFLAGS) $(LDFLAGS_SL) $(EXPORTS) -lre2 -lstdc++

build/modules/%.o: test/modules/%.cpp build/settings
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -fPIC -c -o $@ $<

-include $(wildcard build/modules/*.d)
