# Libraries that only tests load. They are no part of all and install: the harness puts them into its
# private installation with install-test-modules, and says TEST_MODULES=1 to installcheck.
TEST_MODULE = build/modules/guard_test.so
TEST_MODULE_OBJS = build/modules/guard_test.o build/modules/guard_test_worker.o $(call objects, base pg)

.PHONY: install-test-modules
install-test-modules: $(TEST_MODULE)
	$(INSTALL_SHLIB) $(TEST_MODULE) '$(DESTDIR)$(pkglibdir)/$(notdir $(TEST_MODULE))'

$(TEST_MODULE): $(TEST_MODULE_OBJS) src/exports.map
	$(CXX) $(CXXFLAGS) -shared -o $@ $(TEST_MODULE_OBJS) $(LDFLAGS) $(LDFLAGS_SL) $(EXPORTS) -lre2 -lstdc++

build/modules/%.o: test/modules/%.cpp build/settings
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -fPIC -c -o $@ $<

-include $(wildcard build/modules/*.d)
