#pragma once
// One program holds all targets of libFuzzer: the rooms and the sanitizers' runtime are linked
// once. FUZZ_TARGET says which one runs; without it the program prints their names.

#include <cstdint>
#include <string_view>

namespace monitoring::fuzz {

/// Ends the program where it stands: a promise of the code was broken.
inline void require(bool promise) {
  if (!promise) __builtin_trap();
}

/// Bytes as texts, which a zero byte divides; the last one is what is left.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  std::string_view text() {
    const std::size_t end = rest_.find('\0');
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return found;
  }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }
  std::string_view rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

using Target = void (*)(std::string_view bytes);

/// Makes a target known; by FUZZ_TARGET only.
struct Registration {
  Registration(const char* name, Target target);
};

}  // namespace monitoring::fuzz

#define FUZZ_TARGET(name)                                                                \
  static void fuzz_##name(std::string_view bytes);                                       \
  static const ::monitoring::fuzz::Registration registration_##name(#name, fuzz_##name); \
  static void fuzz_##name(std::string_view bytes)
