#include "notify/address.hpp"

#include <algorithm>
#include <cctype>

namespace monitoring::notify {

namespace {

/// RFC 5321, section 4.5.3.1.
constexpr std::size_t kLongestLocalPart = 64;
constexpr std::size_t kLongestDomain = 255;

bool atom_character(unsigned char c) {
  return std::isalnum(c) != 0 ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(static_cast<char>(c)) !=
             std::string_view::npos;
}

bool domain_character(unsigned char c) {
  return std::isalnum(c) != 0 || c == '-';
}

/// Parts between dots, none of them empty, made of allowed characters.
bool dotted(std::string_view text, bool (*allowed)(unsigned char)) {
  bool part_begun = false;
  for (const char c : text) {
    if (c == '.' && !part_begun) return false;
    if (c != '.' && !allowed(static_cast<unsigned char>(c))) return false;
    part_begun = c != '.';
  }
  return part_begun;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

Result<MailAddress> parse_bare(std::string_view text, std::size_t offset) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) {
    return Error::at(offset, "mail address has no @", "Write it as user@example.com.");
  }
  const std::string_view local = text.substr(0, at);
  const std::string_view domain = text.substr(at + 1);
  if (local.size() > kLongestLocalPart || !dotted(local, atom_character)) {
    return Error::at(offset, "mail address has a malformed part before the @");
  }
  if (domain.size() > kLongestDomain || !dotted(domain, domain_character)) {
    return Error::at(offset + at + 1, "mail address has a malformed domain");
  }
  return MailAddress{{}, std::string(text)};
}

std::string_view without_quotes(std::string_view name) {
  if (name.size() < 2 || name.front() != '"' || name.back() != '"') return name;
  return name.substr(1, name.size() - 2);
}

}  // namespace

Result<MailAddress> parse_address(std::string_view text) {
  const auto control =
      std::find_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (control != text.end()) {
    return Error::at(static_cast<std::size_t>(control - text.begin()),
                     "mail address contains a control character");
  }
  const auto open = text.find('<');
  if (open == std::string_view::npos) {
    const std::string_view bare = trimmed(text);
    return parse_bare(bare, bare.empty() ? 0 : static_cast<std::size_t>(bare.data() - text.data()));
  }
  const std::string_view whole = trimmed(text);
  if (whole.back() != '>') return Error::at(open, "mail address lacks its closing \">\"");
  const std::string_view inner = text.substr(open + 1, text.rfind('>') - open - 1);
  auto parsed = parse_bare(inner, open + 1);
  if (parsed) parsed->display_name = without_quotes(trimmed(text.substr(0, open)));
  return parsed;
}

}  // namespace monitoring::notify
