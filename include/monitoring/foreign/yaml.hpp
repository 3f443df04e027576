#pragma once
// YAML that users hand over, as a tree that knows the line of everything. Nothing in it is bigger
// or deeper than its reader can bear: aliases share what they stand for, and count by its depth.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/base/result.hpp"

namespace monitoring::foreign {

struct Yaml;
using YamlNode = std::shared_ptr<const Yaml>;

struct Yaml {
  enum class Kind { null, scalar, sequence, map };

  Kind kind = Kind::null;
  int line = 0;      ///< counts from 1
  int height = 1;    ///< of the tree below, itself included
  std::string text;  ///< of a scalar
  std::vector<YamlNode> items;
  /// In their order; the keys are scalars, and no two are the same.
  std::vector<std::pair<YamlNode, YamlNode>> entries;
};

constexpr std::size_t kMostYamlBytes = 1024 * 1024;
constexpr int kDeepestYaml = 32;

/// One document. The message of an error begins with its line.
Result<YamlNode> read_yaml(const std::string& text);

/// "line 3: what".
Error error_at(int line, const std::string& what, std::string hint = {});

}  // namespace monitoring::foreign
