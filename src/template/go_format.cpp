#include "template/go_format.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "template/go_formatter.hpp"
#include "template/go_text.hpp"
#include "template/go_time.hpp"

namespace monitoring::templates {

namespace {

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  out += '"';
}

/// encoding/json: plain notation between 1e-6 and 1e21, else scientific without a padded exponent.
std::string json_number(double number) {
  if (!std::isfinite(number)) return "null";  // Go refuses these; null keeps the document valid
  const double magnitude = std::fabs(number);
  const bool plain = number == 0 || (magnitude >= 1e-6 && magnitude < 1e21);
  auto text = format_go_float(number, plain ? 'f' : 'e', -1);
  const auto padded = text.find("e-0");
  if (padded != std::string::npos) text.erase(padded + 2, 1);
  return text;
}

void append_json(std::string& out, const Value& value, std::size_t limit) {
  const auto separate = [&](bool& first) {
    if (!first) out += ',';
    first = false;
    return out.size() <= limit;
  };
  bool first = true;
  if (const auto* text = value.text()) {
    append_json_text(out, *text);
  } else if (const auto* number = value.as<double>()) {
    out += json_number(*number);
  } else if (const auto* time = value.as<GoTime>()) {
    append_json_text(out, rfc3339_text(*time));
  } else if (const auto* duration = value.as<GoDuration>()) {
    out += std::to_string(duration->nanos);
  } else if (const auto* list = value.as_list()) {
    out += '[';
    for (const auto& item : list->items) {
      if (!separate(first)) return;
      append_json(out, item, limit);
    }
    out += ']';
  } else if (const auto* map = value.as_map()) {
    out += '{';
    for (const auto& [key, entry] : map->entries) {
      if (!separate(first)) return;
      append_json_text(out, key);
      out += ':';
      append_json(out, entry, limit);
    }
    out += '}';
  } else if (const auto* object = value.as_object()) {
    out += '{';
    for (const auto& [name, field] : object->fields) {
      if (!separate(first)) return;
      append_json_text(out, to_lower(name.substr(0, 1)) + name.substr(1));
      out += ':';
      append_json(out, field, limit);
    }
    out += '}';
  } else if (value.is_nil()) {
    out += "null";
  } else {
    out += format_value(value, limit);
  }
}

/// print.go of Go 1.19.
class Printer {
 public:
  explicit Printer(std::size_t limit) : limit_(limit), format_(out_, limit) {}

  void printf(std::string_view format, const std::vector<Value>& values);
  void print_value(const Value& value, char32_t verb, std::size_t depth);
  std::string take() { return std::move(out_); }
  std::size_t size() const { return out_.size(); }

 private:
  bool full() const { return out_.size() > limit_; }
  void bad_verb(const Value& value, char32_t verb);
  void print_text(const std::string& text, char32_t verb, const Value& value);
  void print_integer(std::int64_t number, char32_t verb, const Value& value);
  void print_float(double number, char32_t verb, const Value& value);
  /// String() of times and durations, where the verb takes a text.
  bool print_stringer(const Value& value, char32_t verb);
  void print_time_fields(const GoTime& time, char32_t verb);
  void print_field(const char* type, std::int64_t number, char32_t verb);
  void print_list(const ListData& list, char32_t verb, std::size_t depth, const Value& value);
  void print_map(const MapData& map, char32_t verb, std::size_t depth, const Value& value);
  void print_object(const ObjectData& object, char32_t verb, std::size_t depth);

  void read_flags();
  void read_index();
  void read_width();
  void read_precision();
  std::optional<int> read_number();
  std::optional<int> number_of_operand();
  void directive();
  void print_extra();

  std::size_t limit_;
  std::string out_;
  Formatter format_;
  /// A wrong verb is being shown: methods are not called then.
  bool erroring_ = false;

  std::string_view text_;
  const std::vector<Value>* values_ = nullptr;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
  bool after_index_ = false;
  bool good_index_ = true;
  bool reordered_ = false;
};

void Printer::bad_verb(const Value& value, char32_t verb) {
  erroring_ = true;
  out_ += "%!";
  append_rune(out_, verb);
  out_ += '(';
  if (value.is_nil()) {
    out_ += "<nil>";
  } else {
    out_ += value.type_name() + "=";
    print_value(value, 'v', 0);
  }
  out_ += ')';
  erroring_ = false;
}

void Printer::print_text(const std::string& text, char32_t verb, const Value& value) {
  switch (verb) {
    case 'v':
      return format_.flags.sharp_v ? format_.quoted(text) : format_.text(text);
    case 's':
      return format_.text(text);
    case 'x':
      return format_.hex(text, kLowerDigits);
    case 'X':
      return format_.hex(text, kUpperDigits);
    case 'q':
      return format_.quoted(text);
    default:
      return bad_verb(value, verb);
  }
}

void Printer::print_integer(std::int64_t number, char32_t verb, const Value& value) {
  const char as = static_cast<char>(verb);
  switch (verb) {
    case 'v':
    case 'd':
      return format_.integer(number, 10, as, kLowerDigits);
    case 'b':
      return format_.integer(number, 2, as, kLowerDigits);
    case 'o':
    case 'O':
      return format_.integer(number, 8, as, kLowerDigits);
    case 'x':
      return format_.integer(number, 16, as, kLowerDigits);
    case 'X':
      return format_.integer(number, 16, as, kUpperDigits);
    case 'c':
      return format_.character(number);
    case 'q':
      return format_.quoted_character(number);
    case 'U':
      return format_.unicode(number);
    default:
      return bad_verb(value, verb);
  }
}

void Printer::print_float(double number, char32_t verb, const Value& value) {
  switch (verb) {
    case 'v':
      return format_.floating(number, 'g', std::nullopt);
    case 'b':
    case 'g':
    case 'G':
    case 'x':
    case 'X':
      return format_.floating(number, static_cast<char>(verb), std::nullopt);
    case 'f':
    case 'e':
    case 'E':
      return format_.floating(number, static_cast<char>(verb), 6);
    case 'F':
      return format_.floating(number, 'f', 6);
    default:
      return bad_verb(value, verb);
  }
}

bool Printer::print_stringer(const Value& value, char32_t verb) {
  const auto* time = value.as<GoTime>();
  const auto* duration = value.as<GoDuration>();
  if (time == nullptr && duration == nullptr) return false;
  const bool takes_text = verb == 'v' || verb == 's' || verb == 'x' || verb == 'X' || verb == 'q';
  if (format_.flags.sharp_v && time != nullptr && !erroring_) {
    format_.text(go_time_syntax(*time));
  } else if (erroring_ || !takes_text || format_.flags.sharp_v) {
    time != nullptr ? print_time_fields(*time, verb) : print_integer(duration->nanos, verb, value);
  } else {
    print_text(time != nullptr ? go_time_text(*time) : go_duration_text(*duration), verb, value);
  }
  return true;
}

/// A verb that is for no text shows the struct: nanoseconds, seconds since the year 1, and the
/// zone, which of UTC is a nil pointer.
void Printer::print_time_fields(const GoTime& time, char32_t verb) {
  out_ += '{';
  print_field("uint64", time.nanos, verb);
  out_ += ' ';
  print_field("int64", time.seconds - GoTime{}.seconds, verb);
  out_ += ' ';
  if (verb == 'v') {
    format_.pad("<nil>");
  } else if (verb == 'b' || verb == 'o' || verb == 'd' || verb == 'x' || verb == 'X') {
    print_field("", 0, verb);
  } else {
    out_ += "%!";
    append_rune(out_, verb);
    out_ += "(*time.Location=";
    format_.pad("<nil>");
    out_ += ')';
  }
  out_ += '}';
}

void Printer::print_field(const char* type, std::int64_t number, char32_t verb) {
  constexpr std::u32string_view kVerbs = U"vdboOxXcqU";
  if (kVerbs.find(verb) != kVerbs.npos) return print_integer(number, verb, {});
  out_ += "%!";
  append_rune(out_, verb);
  out_ += std::string("(") + type + "=";
  print_integer(number, 'v', {});
  out_ += ')';
}

void Printer::print_list(const ListData& list, char32_t verb, std::size_t depth,
                         const Value& value) {
  const bool sharp = format_.flags.sharp_v;
  out_ += sharp ? value.type_name() + "{" : "[";
  for (std::size_t i = 0; i < list.items.size() && !full(); ++i) {
    if (i > 0) out_ += sharp ? ", " : " ";
    print_value(list.items[i], verb, depth + 1);
  }
  out_ += sharp ? '}' : ']';
}

void Printer::print_map(const MapData& map, char32_t verb, std::size_t depth, const Value& value) {
  const bool sharp = format_.flags.sharp_v;
  out_ += sharp ? value.type_name() + "{" : "map[";
  bool first = true;
  for (const auto& [key, entry] : map.entries) {
    if (full()) break;
    if (!first) out_ += sharp ? ", " : " ";
    first = false;
    print_value(key, verb, depth + 1);
    out_ += ':';
    print_value(entry, verb, depth + 1);
  }
  out_ += sharp ? '}' : ']';
}

void Printer::print_object(const ObjectData& object, char32_t verb, std::size_t depth) {
  const Flags& flags = format_.flags;
  const bool is_pointer = !object.type_name.empty() && object.type_name[0] == '*';
  if (is_pointer && depth == 0) out_ += '&';
  if (flags.sharp_v) out_ += object.type_name.substr(is_pointer ? 1 : 0);
  out_ += '{';
  bool first = true;
  for (const auto& [name, field] : object.fields) {
    if (full()) break;
    if (!first) out_ += flags.sharp_v ? ", " : " ";
    first = false;
    if (flags.plus_v || flags.sharp_v) out_ += name + ":";
    print_value(field, verb, depth + 1);
  }
  out_ += '}';
}

void Printer::print_value(const Value& value, char32_t verb, std::size_t depth) {
  if (full()) return;
  if (value.is_nil()) {
    if (depth > 0) {
      out_ += format_.flags.sharp_v ? "interface {}(nil)" : "<nil>";
    } else if (verb == 'v' || verb == 'T') {
      format_.pad("<nil>");
    } else {
      bad_verb(value, verb);
    }
    return;
  }
  if (depth == 0 && verb == 'T') return format_.text(value.type_name());
  if (print_stringer(value, verb)) return;
  if (const auto* text = value.text()) return print_text(*text, verb, value);
  if (const auto* flag = value.as<bool>()) {
    return verb == 't' || verb == 'v' ? format_.boolean(*flag) : bad_verb(value, verb);
  }
  if (const auto* integer = value.as<std::int64_t>()) return print_integer(*integer, verb, value);
  if (const auto* number = value.as<double>()) return print_float(*number, verb, value);
  if (const auto* list = value.as_list()) return print_list(*list, verb, depth, value);
  if (const auto* map = value.as_map()) return print_map(*map, verb, depth, value);
  if (const auto* object = value.as_object()) return print_object(*object, verb, depth);
  bad_verb(value, verb);
}

void Printer::printf(std::string_view format, const std::vector<Value>& values) {
  text_ = format;
  values_ = &values;
  while (at_ < text_.size() && !full()) {
    if (text_[at_] != '%') {
      out_ += text_[at_++];
      continue;
    }
    ++at_;
    directive();
  }
  print_extra();
}

void Printer::directive() {
  format_.flags = {};
  good_index_ = true;
  after_index_ = false;
  read_flags();
  read_index();
  read_width();
  read_precision();
  if (!after_index_) read_index();
  if (at_ >= text_.size()) {
    out_ += "%!(NOVERB)";
    return;
  }
  const std::size_t length = rune_length(text_.substr(at_));
  const char32_t verb = decode_runes(text_.substr(at_, length)).front();
  at_ += length;
  if (verb == '%') {
    out_ += '%';
  } else if (!good_index_) {
    out_ += "%!";
    append_rune(out_, verb);
    out_ += "(BADINDEX)";
  } else if (next_ >= values_->size()) {
    out_ += "%!";
    append_rune(out_, verb);
    out_ += "(MISSING)";
  } else {
    const Value& value = (*values_)[next_++];
    Flags& flags = format_.flags;
    if (verb == 'w') return bad_verb(value, verb);
    if (verb == 'v') {
      flags.sharp_v = std::exchange(flags.sharp, false);
      flags.plus_v = std::exchange(flags.plus, false);
    }
    print_value(value, verb, 0);
  }
}

void Printer::read_flags() {
  Flags& flags = format_.flags;
  for (; at_ < text_.size(); ++at_) {
    switch (text_[at_]) {
      case '-':
        flags.minus = true;
        flags.zero = false;
        break;
      case '+':
        flags.plus = true;
        break;
      case '#':
        flags.sharp = true;
        break;
      case ' ':
        flags.space = true;
        break;
      case '0':
        flags.zero = !flags.minus;
        break;
      default:
        return;
    }
  }
}

/// "[n]": the operand that comes next, from 1.
void Printer::read_index() {
  after_index_ = false;
  if (at_ >= text_.size() || text_[at_] != '[') return;
  reordered_ = true;
  const std::size_t close = text_.find(']', at_ + 1);
  if (close == std::string_view::npos || text_.size() - at_ < 3) {
    good_index_ = false;
    ++at_;
    return;
  }
  ++at_;
  const std::optional<int> number = read_number();
  const bool is_number = number && at_ == close;
  at_ = close + 1;
  after_index_ = is_number;
  if (is_number && *number >= 1 && static_cast<std::size_t>(*number) <= values_->size()) {
    next_ = static_cast<std::size_t>(*number) - 1;
  } else {
    good_index_ = false;
  }
}

void Printer::read_width() {
  Flags& flags = format_.flags;
  if (at_ < text_.size() && text_[at_] == '*') {
    ++at_;
    flags.width = number_of_operand();
    if (!flags.width) out_ += "%!(BADWIDTH)";
    if (flags.width.value_or(0) < 0) {
      flags.width = -*flags.width;
      flags.minus = true;
      flags.zero = false;
    }
    after_index_ = false;
    return;
  }
  flags.width = read_number();
  if (after_index_ && flags.width) good_index_ = false;
}

void Printer::read_precision() {
  if (at_ >= text_.size() || text_[at_] != '.') return;
  Flags& flags = format_.flags;
  ++at_;
  if (after_index_) good_index_ = false;
  read_index();
  if (at_ < text_.size() && text_[at_] == '*') {
    ++at_;
    flags.precision = number_of_operand();
    if (flags.precision.value_or(0) < 0) flags.precision.reset();
    if (!flags.precision) out_ += "%!(BADPREC)";
    after_index_ = false;
    return;
  }
  flags.precision = read_number().value_or(0);
}

/// Digits. A number that is too large eats the rest of the format, as in Go.
std::optional<int> Printer::read_number() {
  std::optional<int> number;
  for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
    if (number.value_or(0) > kMostInFormat) {
      at_ = text_.size();
      return std::nullopt;
    }
    number = number.value_or(0) * 10 + (text_[at_] - '0');
  }
  return number;
}

std::optional<int> Printer::number_of_operand() {
  if (next_ >= values_->size()) return std::nullopt;
  const Value& value = (*values_)[next_++];
  const auto* integer = value.as<std::int64_t>();
  const auto* duration = value.as<GoDuration>();
  if (integer == nullptr && duration == nullptr) return std::nullopt;
  const std::int64_t number = integer != nullptr ? *integer : duration->nanos;
  if (number > kMostInFormat || number < -kMostInFormat) return std::nullopt;
  return static_cast<int>(number);
}

void Printer::print_extra() {
  if (reordered_ || next_ >= values_->size() || full()) return;
  format_.flags = {};
  out_ += "%!(EXTRA ";
  for (bool first = true; next_ < values_->size() && !full(); first = false) {
    if (!first) out_ += ", ";
    const Value& value = (*values_)[next_++];
    out_ += value.type_name();
    if (value.is_nil()) continue;
    out_ += '=';
    print_value(value, 'v', 0);
  }
  out_ += ')';
}

}  // namespace

std::string format_value(const Value& value, std::size_t limit) {
  Printer printer(limit);
  // Not the operand itself: a pointer is followed.
  printer.print_value(value, 'v', 1);
  return printer.take();
}

namespace {

std::string printed_operand(const Value& value, std::size_t limit) {
  Printer printer(limit);
  printer.print_value(value, 'v', 0);
  return printer.take();
}

}  // namespace

std::string go_sprint(const std::vector<Value>& values, std::size_t limit) {
  std::string out;
  bool before_is_text = true;
  for (const auto& value : values) {
    const bool is_text = value.text() != nullptr;
    if (!is_text && !before_is_text) out += ' ';
    out += printed_operand(value, limit);
    if (out.size() > limit) break;
    before_is_text = is_text;
  }
  return out;
}

std::string go_sprintln(const std::vector<Value>& values, std::size_t limit) {
  std::string out;
  for (const auto& value : values) {
    if (&value != &values.front()) out += ' ';
    out += printed_operand(value, limit);
    if (out.size() > limit) break;
  }
  return out + "\n";
}

std::string go_sprintf(std::string_view format, const std::vector<Value>& values,
                       std::size_t limit) {
  Printer printer(limit);
  printer.printf(format, values);
  return printer.take();
}

std::string to_json(const Value& value, std::size_t limit) {
  std::string out;
  append_json(out, value, limit);
  return out;
}

}  // namespace monitoring::templates
