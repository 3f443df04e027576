#include "go_format.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "go_text.hpp"
#include "go_time.hpp"

namespace monitoring::alerting {

namespace {

/// Wider fields are a mistake (and a way to fill memory); Go refuses them at a million.
constexpr int kMaxWidth = 10000;

void append_value(std::string& out, const Value& value, std::size_t limit);

template <class Items, class Append>
void append_joined(std::string& out, const Items& items, std::size_t limit, Append append) {
  bool first = true;
  for (const auto& item : items) {
    if (out.size() > limit) return;
    if (!first) out += ' ';
    first = false;
    append(item);
  }
}

void append_value(std::string& out, const Value& value, std::size_t limit) {
  const auto item = [&](const Value& inner) { append_value(out, inner, limit); };
  if (const auto* text = value.text()) {
    out += *text;
  } else if (const auto* flag = value.as<bool>()) {
    out += *flag ? "true" : "false";
  } else if (const auto* integer = value.as<std::int64_t>()) {
    out += std::to_string(*integer);
  } else if (const auto* number = value.as<double>()) {
    out += format_go_float(*number, 'g', -1);
  } else if (const auto* time = value.as<GoTime>()) {
    out += go_time_text(*time);
  } else if (const auto* duration = value.as<GoDuration>()) {
    out += go_duration_text(*duration);
  } else if (const auto* list = value.as_list()) {
    out += '[';
    append_joined(out, list->items, limit, item);
    out += ']';
  } else if (const auto* map = value.as_map()) {
    out += "map[";
    append_joined(out, map->entries, limit, [&](const auto& entry) {
      out += entry.first + ":";
      item(entry.second);
    });
    out += ']';
  } else if (const auto* object = value.as_object()) {
    out += '{';
    append_joined(out, object->fields, limit, [&](const auto& field) { item(field.second); });
    out += '}';
  } else {
    out += "<nil>";
  }
}

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
    append_value(out, value, limit);
  }
}

/// What stands between % and the verb.
struct Flags {
  bool minus = false;
  bool plus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  int width = -1;
  int precision = -1;
};

std::size_t rune_count(std::string_view text) {
  return decode_runes(text).size();
}

std::string pad(std::string text, const Flags& flags) {
  const auto count = rune_count(text);
  if (flags.width < 0 || count >= static_cast<std::size_t>(flags.width)) return text;
  const std::string fill(static_cast<std::size_t>(flags.width) - count, ' ');
  return flags.minus ? text + fill : fill + text;
}

/// Pads a number with zeros behind its sign where the flags ask for it.
std::string pad_number(std::string text, const Flags& flags) {
  const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
  if (!sign && flags.plus) text = "+" + text;
  if (!sign && !flags.plus && flags.space) text = " " + text;
  const bool digits = text.find_first_of("0123456789") != std::string::npos;
  if (!flags.zero || flags.minus || !digits) return pad(std::move(text), flags);
  const std::size_t start = text[0] == '-' || text[0] == '+' || text[0] == ' ' ? 1 : 0;
  const auto width = static_cast<std::size_t>(std::max(flags.width, 0));
  if (text.size() < width) text.insert(start, width - text.size(), '0');
  return text;
}

std::string digits_in_base(std::int64_t number, unsigned base, bool upper) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  const auto bits = static_cast<std::uint64_t>(number);
  std::uint64_t magnitude = number < 0 ? 0 - bits : bits;
  std::string text;
  do {
    text.insert(text.begin(), digits[magnitude % base]);
    magnitude /= base;
  } while (magnitude > 0);
  return number < 0 ? "-" + text : text;
}

std::string hex_text(std::string_view text, bool upper) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 16) out += '0';
    out += digits_in_base(byte, 16, upper);
  }
  return out;
}

std::string bad_verb(char verb, const Value& value, std::size_t limit) {
  if (value.is_nil()) return std::string("%!") + verb + "(<nil>)";
  return std::string("%!") + verb + "(" + value.type_name() + "=" + format_value(value, limit) +
         ")";
}

std::string format_text(const std::string& text, char verb, const Flags& flags, bool& known) {
  std::string shown = text;
  if (flags.precision >= 0 && (verb == 's' || verb == 'v' || verb == 'q')) {
    shown.clear();
    const auto runes = decode_runes(text);
    const auto count = std::min(runes.size(), static_cast<std::size_t>(flags.precision));
    for (std::size_t i = 0; i < count; ++i) append_rune(shown, runes[i]);
  }
  if (verb == 's' || (verb == 'v' && !flags.sharp)) return pad(shown, flags);
  if (verb == 'q' || verb == 'v') return pad(go_quote(shown), flags);
  if (verb == 'x' || verb == 'X') return pad(hex_text(text, verb == 'X'), flags);
  known = false;
  return {};
}

std::string format_integer(std::int64_t number, char verb, const Flags& flags, bool& known) {
  std::string text;
  switch (verb) {
    case 'v':
    case 'd':
      return pad_number(std::to_string(number), flags);
    case 'x':
    case 'X':
      text = digits_in_base(number, 16, verb == 'X');
      if (flags.sharp) text.insert(number < 0 ? 1 : 0, verb == 'X' ? "0X" : "0x");
      return pad_number(std::move(text), flags);
    case 'o':
      return pad_number(digits_in_base(number, 8, false), flags);
    case 'b':
      return pad_number(digits_in_base(number, 2, false), flags);
    case 'c':
      append_rune(text, static_cast<char32_t>(number));
      return pad(std::move(text), flags);
    default:
      known = false;
      return {};
  }
}

std::string format_float(double number, char verb, const Flags& flags, bool& known) {
  switch (verb) {
    case 'v':
      return pad_number(format_go_float(number, 'g', flags.precision), flags);
    case 'g':
    case 'G':
      return pad_number(format_go_float(number, verb, flags.precision), flags);
    case 'e':
    case 'E':
    case 'f':
    case 'F': {
      const char format = verb == 'F' ? 'f' : verb;
      return pad_number(format_go_float(number, format, flags.precision < 0 ? 6 : flags.precision),
                        flags);
    }
    default:
      known = false;
      return {};
  }
}

std::string format_one(const Value& value, char verb, const Flags& flags, std::size_t limit);

/// A verb that is not for the list itself goes to its elements.
std::string format_items(const ListData& list, char verb, const Flags& flags, std::size_t limit) {
  std::string out = "[";
  append_joined(out, list.items, limit,
                [&](const Value& item) { out += format_one(item, verb, flags, limit); });
  return out + "]";
}

std::string format_one(const Value& value, char verb, const Flags& flags, std::size_t limit) {
  if (verb == 'T') return pad(value.type_name(), flags);
  bool known = true;
  std::string text;
  if (const auto* string = value.text()) {
    text = format_text(*string, verb, flags, known);
  } else if (const auto* integer = value.as<std::int64_t>()) {
    text = format_integer(*integer, verb, flags, known);
  } else if (const auto* number = value.as<double>()) {
    text = format_float(*number, verb, flags, known);
  } else if (value.as<bool>() != nullptr && (verb == 't' || verb == 'v')) {
    text = pad(format_value(value, limit), flags);
  } else if (value.as_list() != nullptr && verb != 'v') {
    text = format_items(*value.as_list(), verb, flags, limit);
  } else if (const auto* duration = value.as<GoDuration>(); duration != nullptr && verb == 'd') {
    text = format_integer(duration->nanos, verb, flags, known);
  } else if (verb == 'v' || (verb == 's' && value.as<bool>() == nullptr && !value.is_nil())) {
    text = pad(format_value(value, limit), flags);
  } else {
    known = false;
  }
  return known ? text : bad_verb(verb, value, limit);
}

/// One Sprintf under way.
class Printf {
 public:
  Printf(std::string_view format, const std::vector<Value>& values, std::size_t limit)
      : format_(format), values_(values), limit_(limit) {}

  std::string run() {
    while (at_ < format_.size() && out_.size() <= limit_) {
      if (format_[at_] != '%') {
        out_ += format_[at_++];
        continue;
      }
      ++at_;
      directive();
    }
    append_extra();
    return std::move(out_);
  }

 private:
  void directive() {
    Flags flags;
    read_flags(flags);
    flags.width = read_number(flags.width, "%!(BADWIDTH)", true, flags);
    if (at_ < format_.size() && format_[at_] == '.') {
      ++at_;
      flags.precision = read_number(0, "%!(BADPREC)", false, flags);
    }
    if (at_ >= format_.size()) {
      out_ += "%!(NOVERB)";
      return;
    }
    const char verb = format_[at_++];
    if (verb == '%') {
      out_ += '%';
    } else if (next_ >= values_.size()) {
      out_ += std::string("%!") + verb + "(MISSING)";
    } else {
      out_ += format_one(values_[next_++], verb, flags, limit_);
    }
  }

  void read_flags(Flags& flags) {
    for (; at_ < format_.size(); ++at_) {
      switch (format_[at_]) {
        case '-':
          flags.minus = true;
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
          flags.zero = true;
          break;
        default:
          return;
      }
    }
  }

  /// Digits, or * for the next operand.
  int read_number(int none, const char* complaint, bool is_width, Flags& flags) {
    if (at_ < format_.size() && format_[at_] == '*') {
      ++at_;
      const auto* given = next_ < values_.size() ? values_[next_].as<std::int64_t>() : nullptr;
      if (next_ < values_.size()) ++next_;
      if (given == nullptr || *given > kMaxWidth || *given < (is_width ? -kMaxWidth : 0)) {
        out_ += complaint;
        return none;
      }
      if (*given < 0) flags.minus = true;
      return static_cast<int>(std::abs(*given));
    }
    int number = none;
    for (bool first = true; at_ < format_.size(); ++at_, first = false) {
      const char c = format_[at_];
      if (c < '0' || c > '9') break;
      number = std::min((first ? 0 : number * 10) + (c - '0'), kMaxWidth);
    }
    return number;
  }

  void append_extra() {
    if (next_ >= values_.size() || out_.size() > limit_) return;
    out_ += "%!(EXTRA ";
    for (bool first = true; next_ < values_.size() && out_.size() <= limit_; first = false) {
      if (!first) out_ += ", ";
      const auto& value = values_[next_++];
      out_ += value.type_name();
      if (!value.is_nil()) out_ += "=" + format_value(value, limit_);
    }
    out_ += ')';
  }

  std::string_view format_;
  const std::vector<Value>& values_;
  std::size_t limit_;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string format_value(const Value& value, std::size_t limit) {
  std::string out;
  append_value(out, value, limit);
  return out;
}

std::string go_sprint(const std::vector<Value>& values, std::size_t limit) {
  std::string out;
  bool before_is_text = true;
  for (const auto& value : values) {
    const bool is_text = value.text() != nullptr;
    if (!is_text && !before_is_text) out += ' ';
    append_value(out, value, limit);
    if (out.size() > limit) break;
    before_is_text = is_text;
  }
  return out;
}

std::string go_sprintln(const std::vector<Value>& values, std::size_t limit) {
  std::string out;
  append_joined(out, values, limit, [&](const Value& value) { append_value(out, value, limit); });
  return out + "\n";
}

std::string go_sprintf(std::string_view format, const std::vector<Value>& values,
                       std::size_t limit) {
  return Printf(format, values, limit).run();
}

std::string to_json(const Value& value, std::size_t limit) {
  std::string out;
  append_json(out, value, limit);
  return out;
}

}  // namespace monitoring::alerting
