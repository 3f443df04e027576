#include "template/regex_functions.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace monitoring::templates {

namespace {

/// For a compiled pattern; RE2 refuses larger ones.
constexpr std::int64_t kMaxRegexBytes = 1 << 20;
constexpr std::size_t kMaxPatternBytes = 64UL * 1024;
/// RE2 keeps the borders of all groups for each place of the program that it may be at, and bounds
/// the program only.
constexpr std::size_t kMaxGroupBytes = 16UL << 20;
/// Places of the program times characters: the worst that one search takes, about a second.
constexpr std::size_t kMaxSearchSteps = 500'000'000;

RE2::Options options() {
  RE2::Options result;
  result.set_log_errors(false);
  result.set_max_mem(kMaxRegexBytes);
  return result;
}

/// What forbids to search the text with the groups up to this one.
std::optional<std::string> too_much(const RE2& regex, std::size_t text_bytes, std::size_t groups) {
  const auto places = static_cast<std::size_t>(regex.ProgramSize());
  // The threads of this character and of the next, with the beginning and the end of each group.
  if (places * groups * 2 * 2 * sizeof(char*) > kMaxGroupBytes) {
    return "regexp has too many groups for its size";
  }
  if (places * text_bytes > kMaxSearchSteps) return "regexp is too large for so long a text";
  return std::nullopt;
}

/// Compiles a pattern; null if that failed, with the reason in the call.
std::unique_ptr<const RE2> compile(FunctionCall& call, const std::string& pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    call.fail("error parsing regexp: pattern too long");
    return nullptr;
  }
  auto regex = std::make_unique<const RE2>(pattern, options());
  if (regex->ok()) return regex;
  call.fail("error parsing regexp: " + regex->error());
  return nullptr;
}

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// A group by number or name; none where there is no such group.
std::optional<std::size_t> group_of(const RE2& regex, const std::string& name) {
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    if (name.size() > 4) return std::nullopt;
    return static_cast<std::size_t>(std::stoul(name));
  }
  const auto& groups = regex.NamedCapturingGroups();
  const auto found = groups.find(name);
  if (found == groups.end()) return std::nullopt;
  return static_cast<std::size_t>(found->second);
}

/// A piece of the replacement: text, or a group to be inserted.
struct Piece {
  std::string text;
  std::optional<std::size_t> group;
};

/// Regexp.Expand's template: $name takes the longest name, ${name} is exact, $$ is a dollar sign,
/// and a $ with neither is itself.
std::vector<Piece> split_replacement(const RE2& regex, const std::string& replacement) {
  std::vector<Piece> pieces(1);
  for (std::size_t at = 0; at < replacement.size();) {
    const char c = replacement[at++];
    const bool last = at == replacement.size();
    if (c != '$' || last) {
      pieces.back().text += c;
      continue;
    }
    if (replacement[at] == '$') {
      pieces.back().text += '$';
      ++at;
      continue;
    }
    const bool braced = replacement[at] == '{';
    auto end = braced ? at + 1 : at;
    while (end < replacement.size() && is_name_character(replacement[end])) ++end;
    const auto name = replacement.substr(braced ? at + 1 : at, end - at - (braced ? 1 : 0));
    const bool closed = !braced || (end < replacement.size() && replacement[end] == '}');
    if (name.empty() || !closed) {
      pieces.back().text += '$';
      continue;
    }
    at = braced ? end + 1 : end;
    // A group that the pattern has not is replaced by nothing.
    if (const auto group = group_of(regex, name)) pieces.push_back({{}, group});
    pieces.push_back({});
  }
  return pieces;
}

void append_expansion(std::string& out, const std::vector<Piece>& pieces,
                      const std::vector<re2::StringPiece>& groups) {
  for (const auto& piece : pieces) {
    if (!piece.group) {
      out += piece.text;
    } else if (*piece.group < groups.size() && groups[*piece.group].data() != nullptr) {
      out.append(groups[*piece.group].data(), groups[*piece.group].size());
    }
  }
}

/// The groups that the pieces insert, and group 0.
std::size_t groups_needed(const RE2& regex, const std::vector<Piece>& pieces) {
  std::size_t last = 0;
  for (const auto& piece : pieces) last = std::max(last, piece.group.value_or(0));
  return std::min(last, static_cast<std::size_t>(regex.NumberOfCapturingGroups())) + 1;
}

std::size_t character_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
}

}  // namespace

Value regex_match(FunctionCall& call) {
  const auto regex = compile(call, call.text(0));
  if (regex == nullptr) return {};
  if (auto error = too_much(*regex, call.text(1).size(), 1)) return call.fail(std::move(*error));
  return RE2::PartialMatch(call.text(1), *regex);
}

Value regex_replace_all(FunctionCall& call) {
  const auto regex = compile(call, call.text(0));
  if (regex == nullptr) return {};
  const auto pieces = split_replacement(*regex, call.text(1));
  const auto& text = call.text(2);
  std::vector<re2::StringPiece> groups(groups_needed(*regex, pieces));
  if (auto error = too_much(*regex, text.size(), groups.size())) {
    return call.fail(std::move(*error));
  }
  std::string out;
  std::size_t at = 0;
  std::optional<std::size_t> last_end;
  while (at <= text.size() && out.size() <= call.limit()) {
    if (call.context.cancel->cancelled()) return call.fail("rendering was cancelled");
    const bool found = regex->Match(text, at, text.size(), RE2::UNANCHORED, groups.data(),
                                    static_cast<int>(groups.size()));
    if (!found) break;
    const auto start = static_cast<std::size_t>(groups[0].data() - text.data());
    const auto end = start + groups[0].size();
    out.append(text, at, start - at);
    // An empty match right behind the last one does not count, as in Go.
    if (!groups[0].empty() || last_end != start) append_expansion(out, pieces, groups);
    last_end = end;
    at = end;
    if (!groups[0].empty()) continue;
    const auto step = at < text.size() ? character_length(text[at]) : 1;
    if (at < text.size()) out.append(text, at, step);
    at += step;
  }
  if (at < text.size()) out.append(text, at, std::string::npos);
  return out;
}

}  // namespace monitoring::templates
