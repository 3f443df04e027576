#pragma once
// How Go's package fmt writes one value of a basic type with flags (format.go of Go 1.19).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace monitoring::templates {

constexpr char kLowerDigits[] = "0123456789abcdefx";
constexpr char kUpperDigits[] = "0123456789ABCDEFX";

/// Numbers in a format beyond this are refused, as in Go.
constexpr int kMostInFormat = 1'000'000;

/// Package fmt's own state of a verb: what stands between % and the verb.
struct Flags {
  bool minus = false;
  bool plus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  /// %+v and %#v, which are no flags of what is inside.
  bool plus_v = false;
  bool sharp_v = false;
  std::optional<int> width;
  std::optional<int> precision;
};

/// Appends to `out`. Fields are not filled beyond `limit` bytes: the caller throws such a text
/// away.
class Formatter {
 public:
  Formatter(std::string& out, std::size_t limit) : out_(out), limit_(limit) {}

  Flags flags;

  void pad(std::string_view text);
  void boolean(bool value) { pad(value ? "true" : "false"); }
  void integer(std::int64_t number, unsigned base, char verb, const char* digits);
  void unicode(std::int64_t number);
  void character(std::int64_t number);
  void quoted_character(std::int64_t number);
  void text(std::string_view value) { pad(truncated(value)); }
  void quoted(std::string_view value);
  void hex(std::string_view value, const char* digits);
  void floating(double number, char verb, std::optional<int> precision);

 private:
  void padding(std::int64_t count);
  void padded_with_blanks(std::string_view text);
  std::string_view truncated(std::string_view value) const;
  void force_point(std::string& number, char verb, std::optional<int> precision) const;

  std::string& out_;
  std::size_t limit_;
};

}  // namespace monitoring::templates
