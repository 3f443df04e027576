#include "monitoring/foreign/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace monitoring::foreign {

namespace {

using Kind = Yaml::Kind;
using Open = std::shared_ptr<Yaml>;

[[noreturn]] void refuse(const YAML::Mark& mark, const std::string& what) {
  throw YAML::ParserException(mark, what);
}

/// Builds the tree while the library reads. It stops the library by its own exception, so that
/// nothing becomes deeper than the tree may be.
class TreeBuilder final : public YAML::EventHandler {
 public:
  YamlNode root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, anchor, make(mark, Kind::null));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) refuse(mark, "an alias within what it stands for");
    add(mark, YAML::NullAnchor, found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& value) override {
    const Open scalar = make(mark, Kind::scalar);
    scalar->text = value;
    add(mark, anchor, scalar);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  /// A sequence or map that is being read.
  struct Level {
    Open node;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    YamlNode key = nullptr;  ///< of the entry whose value comes next
    std::set<std::string, std::less<>> keys = {};
  };

  static Open make(const YAML::Mark& mark, Kind kind) {
    const Open node = std::make_shared<Yaml>();
    node->kind = kind;
    node->line = mark.line + 1;
    return node;
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Kind kind) {
    if (levels_.size() >= kDeepestYaml) too_deep(mark);
    levels_.push_back({make(mark, kind), mark, anchor});
  }

  void close() {
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    add(level.mark, level.anchor, level.node);
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, const YamlNode& node) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    if (levels_.empty()) {
      root_ = node;
      return;
    }
    Level& level = levels_.back();
    level.node->height = std::max(level.node->height, node->height + 1);
    if (level.node->height > kDeepestYaml) too_deep(mark);
    if (level.node->kind == Kind::sequence) {
      level.node->items.push_back(node);
    } else if (level.key == nullptr) {
      take_key(mark, node, &level);
    } else {
      level.node->entries.emplace_back(std::exchange(level.key, nullptr), node);
    }
  }

  static void take_key(const YAML::Mark& mark, const YamlNode& node, Level* level) {
    if (node->kind != Kind::scalar) refuse(mark, "a key must be a text");
    if (node->text == "<<") refuse(mark, "merge keys (<<) are not supported");
    if (!level->keys.insert(node->text).second) refuse(mark, "\"" + node->text + "\" comes twice");
    level->key = node;
  }

  [[noreturn]] static void too_deep(const YAML::Mark& mark) {
    refuse(mark, "nested deeper than " + std::to_string(kDeepestYaml) + " levels");
  }

  std::vector<Level> levels_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  YamlNode root_;
};

Result<YamlNode> parse(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  TreeBuilder first;
  if (!parser.HandleNextDocument(first) || first.root() == nullptr) {
    return Error::of("there is nothing in it");
  }
  TreeBuilder second;
  if (!parser.HandleNextDocument(second)) return first.root();
  const int line = second.root() == nullptr ? 1 : second.root()->line;
  return error_at(line, "a second document", "Only one is expected.");
}

}  // namespace

Error error_at(int line, const std::string& what, std::string hint) {
  return Error::of("line " + std::to_string(line) + ": " + what, std::move(hint));
}

Result<YamlNode> read_yaml(const std::string& text) {
  if (text.size() > kMostYamlBytes) {
    return Error::of("it is longer than " + std::to_string(kMostYamlBytes) + " bytes");
  }
  try {
    return parse(text);
  } catch (const YAML::Exception& failure) {
    return error_at(failure.mark.line + 1, failure.msg);
  }
}

}  // namespace monitoring::foreign
