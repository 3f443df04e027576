// Letter case as Go's packages strings, unicode and golang.org/x/text/cases have it.

#include <locale.h>
#include <re2/re2.h>
#include <wctype.h>

#include <cstdlib>

#include "template/go_text.hpp"

namespace monitoring::templates {

namespace {

/// The C library's tables, which are Unicode's whatever locale the server runs in. Null where it
/// has none: then only ASCII has case.
locale_t unicode_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

char32_t rune_to_lower(char32_t rune) {
  if (rune < 0x80) return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
  const locale_t locale = unicode_locale();
  return locale == nullptr ? rune
                           : static_cast<char32_t>(towlower_l(static_cast<wint_t>(rune), locale));
}

char32_t rune_to_upper(char32_t rune) {
  if (rune < 0x80) return rune >= 'a' && rune <= 'z' ? rune - 32 : rune;
  const locale_t locale = unicode_locale();
  return locale == nullptr ? rune
                           : static_cast<char32_t>(towupper_l(static_cast<wint_t>(rune), locale));
}

/// unicode.ToTitle: upper case but for digraphs, which have a form of their own, and Georgian.
char32_t rune_to_title(char32_t rune) {
  if (rune >= 0x1C4 && rune <= 0x1C6) return 0x1C5;
  if (rune >= 0x1C7 && rune <= 0x1C9) return 0x1C8;
  if (rune >= 0x1CA && rune <= 0x1CC) return 0x1CB;
  if (rune >= 0x1F1 && rune <= 0x1F3) return 0x1F2;
  if (rune >= 0x10D0 && rune <= 0x10FF) return rune;
  return rune_to_upper(rune);
}

template <class Convert>
std::string convert_runes(std::string_view text, Convert convert) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t rune : decode_runes(text)) append_rune(out, convert(rune));
  return out;
}

/// unicode.IsSpace.
bool is_space(char32_t rune) {
  return (rune >= 9 && rune <= 13) || rune == ' ' || rune == 0x85 || rune == 0xA0 ||
         rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200A) || rune == 0x2028 || rune == 0x2029 ||
         rune == 0x202F || rune == 0x205F || rune == 0x3000;
}

bool is_ascii_word(char32_t rune) {
  return (rune >= '0' && rune <= '9') || (rune >= 'a' && rune <= 'z') ||
         (rune >= 'A' && rune <= 'Z') || rune == '_';
}

/// strings.isSeparator.
bool is_separator(char32_t rune) {
  return rune < 0x80 ? !is_ascii_word(rune) : is_space(rune);
}

/// The first letter of a word, where one letter becomes several.
const char* special_title(char32_t rune) {
  switch (rune) {
    case 0xDF:
      return "Ss";
    case 0xFB00:
      return "Ff";
    case 0xFB01:
      return "Fi";
    case 0xFB02:
      return "Fl";
    case 0xFB03:
      return "Ffi";
    case 0xFB04:
      return "Ffl";
    case 0xFB05:
    case 0xFB06:
      return "St";
    default:
      return nullptr;
  }
}

bool is_cased(char32_t rune) {
  return rune_to_lower(rune) != rune || rune_to_upper(rune) != rune ||
         special_title(rune) != nullptr;
}

/// Characters that do not end a word where letters are on both sides.
bool is_within_word(char32_t rune) {
  return rune == '.' || rune == ':' || rune == '\'' || rune == 0xB7 || rune == 0x2018 ||
         rune == 0x2019 || rune == 0x2024 || rune == 0x2027;
}

/// Whether a word ends at this character: it is no letter, number, mark, connector or format.
bool ends_word(char32_t rune) {
  if (rune < 0x80) return !is_ascii_word(rune) && !is_within_word(rune);
  static const auto* const kWord = new RE2("[\\pL\\pM\\pN\\p{Pc}\\p{Cf}]");
  std::string text;
  append_rune(text, rune);
  return !is_within_word(rune) && !RE2::FullMatch(text, *kWord);
}

void append_title(std::string& out, char32_t rune) {
  if (const char* special = special_title(rune)) {
    out += special;
  } else {
    append_rune(out, rune_to_title(rune));
  }
}

/// A sigma at the end of a word has a form of its own.
char32_t lower_in_word(char32_t rune, bool word_goes_on) {
  constexpr char32_t kSigma = 0x3A3;
  constexpr char32_t kFinalSigma = 0x3C2;
  return rune == kSigma && !word_goes_on ? kFinalSigma : rune_to_lower(rune);
}

}  // namespace

std::string to_upper(std::string_view text) {
  return convert_runes(text, rune_to_upper);
}

std::string to_lower(std::string_view text) {
  return convert_runes(text, rune_to_lower);
}

std::string to_title(std::string_view text) {
  char32_t before = ' ';
  return convert_runes(text, [&](char32_t rune) {
    const bool starts = is_separator(before);
    before = rune;
    return starts ? rune_to_title(rune) : rune;
  });
}

std::string to_title_case(std::string_view text) {
  const std::vector<char32_t> runes = decode_runes(text);
  std::string out;
  bool in_word = false;
  for (std::size_t i = 0; i < runes.size(); ++i) {
    const char32_t rune = runes[i];
    const bool has_next = i + 1 < runes.size();
    if (!is_cased(rune)) {
      const bool two_within = i > 0 && is_within_word(rune) && is_within_word(runes[i - 1]);
      if (ends_word(rune) || two_within) in_word = false;
      append_rune(out, rune);
    } else if (in_word) {
      append_rune(out, lower_in_word(rune, has_next && is_cased(runes[i + 1])));
    } else {
      append_title(out, rune);
      in_word = true;
    }
  }
  return out;
}

}  // namespace monitoring::templates
