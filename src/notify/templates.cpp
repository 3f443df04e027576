#include "notify/templates.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "monitoring/base/json.hpp"
#include "monitoring/template/notification_data.hpp"
#include "monitoring/template/template.hpp"
#include "notify/default_templates.hpp"
#include "notify/settings.hpp"

namespace monitoring::notify {

namespace {

using templates::Template;
constexpr std::string_view kHint =
    "A notification has .Receiver, .Status, .Alerts, .GroupLabels, .CommonLabels, "
    ".CommonAnnotations and .ExternalURL; each of .Alerts has .Status, .Labels, .Annotations, "
    ".StartsAt, .EndsAt, .GeneratorURL and .Fingerprint.";

bool is_template(std::string_view text) {
  return text.find("{{") != std::string_view::npos;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

Result<Template> parse(const std::string& text) {
  return Template::parse(text, templates::Dialect::kAlertmanager, {}, &default_templates());
}

templates::NotifiedAlert notified(const AlertView& alert) {
  return {std::string(status_text(alert.status)),
          alert.labels,
          alert.annotations,
          alert.starts_at,
          alert.ends_at,
          alert.generator_url,
          alert.fingerprint};
}

templates::Value data_of(const Notification& notification) {
  templates::NotificationData data;
  data.receiver = notification.receiver;
  data.status = status_text(notification.status);
  for (const AlertView& alert : notification.alerts) data.alerts.push_back(notified(alert));
  data.group_labels = notification.group_labels;
  data.common_labels = notification.common_labels;
  data.common_annotations = notification.common_annotations;
  data.external_url = notification.external_url;
  return templates::template_data(data);
}

Result<std::string> render(const std::string& text, const templates::Value& data,
                           const templates::RenderContext& context) {
  if (!is_template(text)) return text;
  const auto parsed = parse(text);
  if (!parsed) return parsed.error();
  return parsed->render(data, context);
}

/// One firing and one resolved alert, so that a template's way through both is seen.
Notification sample() {
  Notification notification;
  notification.receiver = "sample";
  notification.group_labels = {{"alertname", "Sample"}};
  for (const AlertStatus status : {AlertStatus::kFiring, AlertStatus::kResolved}) {
    AlertView alert;
    alert.status = status;
    alert.labels = {{"alertname", "Sample"}, {"severity", "warning"}};
    alert.annotations = {{"summary", "Sample"}};
    if (status == AlertStatus::kResolved) alert.ends_at = Instant{};
    notification.alerts.push_back(std::move(alert));
  }
  summarize(notification);
  return notification;
}

/// Renders the templates of one notification and collects what failed.
class Renderer {
 public:
  Renderer(const Notification& notification, Instant now) : data_(data_of(notification)) {
    context_.external_url = notification.external_url;
    context_.now = now;
  }

  /// The text of a template; none, and a note, where there is none to be had.
  std::optional<std::string> text(const std::string& setting, const std::string& source,
                                  bool html) {
    context_.html = html;
    auto made = render(source, data_, context_);
    if (!made) {
      add_note(setting, made.error().message);
      return std::nullopt;
    }
    if (!is_blank(*made)) return std::move(made).value();
    add_note(setting, "the template gives no text");
    return std::nullopt;
  }

  std::string note() const { return note_; }

 private:
  void add_note(const std::string& setting, const std::string& why) {
    if (!note_.empty()) note_ += "; ";
    note_ += "setting \"" + setting + "\" was passed over: " + why;
  }

  const templates::Value data_;
  templates::RenderContext context_;
  std::string note_;
};

void render_object(Renderer& renderer, const std::string& setting, Json& object) {
  Json rendered = Json::object();
  for (const auto& [name, source] : object.members()) {
    auto text = renderer.text(setting + "." + name, source.string(), false);
    if (text) rendered[name] = std::move(*text);
  }
  object = std::move(rendered);
}

void render_field(Renderer& renderer, const Field& field, Json& settings) {
  const bool html = field.type == FieldType::kHtml;
  const std::string name(field.name);
  Json* found = settings.find(name);
  if (found == nullptr) return;
  if (field.type == FieldType::kTemplates) return render_object(renderer, name, *found);
  if (!html && field.type != FieldType::kTemplate) return;
  auto text = renderer.text(name, found->string(), html);
  if (text) {
    *found = std::move(*text);
  } else {
    settings.erase(name);
  }
}

}  // namespace

std::optional<Error> check_template(const std::string& text) {
  if (!is_template(text)) return std::nullopt;
  const auto parsed = parse(text);
  if (!parsed) return parsed.error();
  const auto made = parsed->render(data_of(sample()), {});
  if (made || !templates::names_the_unknown(made.error())) return std::nullopt;
  Error error = made.error();
  error.hint = kHint;
  return error;
}

RenderedSettings render_templates(const Json& settings, FieldTable fields,
                                  const Notification& notification, Instant now) {
  RenderedSettings rendered{settings, {}};
  const Field* end = fields.first + fields.count;
  const bool any = std::any_of(fields.first, end, [&](const Field& field) {
    return is_templated(field.type) && settings.contains(std::string(field.name));
  });
  if (!any) return rendered;
  Renderer renderer(notification, now);
  for (const Field* field = fields.first; field != end; ++field) {
    render_field(renderer, *field, rendered.settings);
  }
  rendered.note = renderer.note();
  return rendered;
}

}  // namespace monitoring::notify
