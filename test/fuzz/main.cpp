#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "target.hpp"

namespace monitoring::fuzz {

namespace {

std::map<std::string, Target>& targets() {
  static auto& all = *new std::map<std::string, Target>;
  return all;
}

Target chosen = nullptr;

}  // namespace

Registration::Registration(const char* name, Target target) {
  targets()[name] = target;
}

}  // namespace monitoring::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  using namespace monitoring::fuzz;
  const char* name = std::getenv("FUZZ_TARGET");
  const auto found = name == nullptr ? targets().end() : targets().find(name);
  if (found == targets().end()) {
    for (const auto& target : targets()) std::puts(target.first.c_str());
    std::exit(name == nullptr ? 0 : 2);
  }
  chosen = found->second;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  monitoring::fuzz::chosen({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
