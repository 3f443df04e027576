#pragma once
// Templates in receiver settings: Alertmanager's language and data (template/template.hpp), and its
// default templates of the kinds that are here, to be called by their names.

#include <optional>
#include <string>

#include "monitoring/base/json.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/notify/receiver.hpp"

namespace monitoring::notify {

/// What is wrong with a template whatever it will be rendered for: its syntax, with the position,
/// or a field, function or template that does not exist where a sample notification comes by.
std::optional<Error> check_template(const std::string& text);

struct RenderedSettings {
  Json settings;
  /// Why templates were left out; empty where none was.
  std::string note;
};

/// Settings with the text of every template in its place. One that fails, or gives only white
/// space, is left out: a page is never lost because of a template.
RenderedSettings render_templates(const Json& settings, FieldTable fields,
                                  const Notification& notification, Instant now);

}  // namespace monitoring::notify
