// Alertmanager's template/template_test.go as data, [{title, in, expect, fail, html, data_go}], and
// its template files (*.tmpl): every template that they define must render.

#include "go_literal.hpp"
#include "monitoring/template/notification_data.hpp"
#include "monitoring/template/template.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using templates::Dialect;
using templates::GoTime;
using templates::ListType;
using templates::MapType;
using templates::RenderContext;
using templates::Template;
using templates::Value;

bool mentions(const std::string& text, const char* word) {
  return text.find(word) != std::string::npos;
}

/// Data{ Alerts: Alerts{ { Status: "firing", Labels: KV{"alertname": "test"}, }, }, }: one alert
/// whose other fields are Go's zero values.
std::optional<Value> alerts_literal(const std::string& literal) {
  const auto texts = go_strings(literal);
  if (!mentions(literal, "Alerts: Alerts{") || texts.size() != 3) return std::nullopt;
  auto alert = Value::object("template.Alert",
                             {{"Status", texts[0]},
                              {"Labels", Value::map(MapType::kKv, Labels{{texts[1], texts[2]}})},
                              {"Annotations", Value()},
                              {"StartsAt", GoTime{}},
                              {"EndsAt", GoTime{}},
                              {"GeneratorURL", ""},
                              {"Fingerprint", ""}});
  return Value::object("template.Data", {{"Alerts", Value::list(ListType::kAlerts, {alert})}});
}

std::optional<Value> data_of(const nlohmann::json& literal) {
  if (literal.is_null()) return Value();
  const auto text = literal.get<std::string>();
  return text.rfind("Data{", 0) == 0 ? alerts_literal(text) : go_list(text);
}

void run_case(const nlohmann::json& test, Report& report) {
  const std::string name = test.at("title");
  const std::string text = test.at("in");
  if (mentions(text, "routeLabels")) {
    return report.skip(name, "routeLabels: routes here carry no labels of their own");
  }
  if (mentions(text, "printFoo")) {
    return report.skip(name, "tests functions that a Go program adds to the template engine");
  }
  const auto data = data_of(test.at("data_go"));
  if (!data) return report.skip(name, "data in a Go literal that the runner cannot read");
  RenderContext context;
  context.html = test.value("html", false);
  const auto parsed = Template::parse(text, Dialect::kAlertmanager);
  const Result<std::string> got =
      parsed.ok() ? parsed->render(*data, context) : Result<std::string>(parsed.error());
  if (test.value("fail", false)) {
    return got.ok() ? report.fail(name, "wanted an error, got: " + *got) : report.pass();
  }
  report.expect_equal(name, test.at("expect").get<std::string>(),
                      got.ok() ? *got : "error: " + got.error().message);
}

templates::NotificationData sample_notification() {
  templates::NotifiedAlert alert;
  alert.status = "firing";
  alert.labels = {{"alertname", "HighErrorRate"}, {"severity", "critical"}};
  alert.annotations = {{"summary", "5 % of requests fail"}};
  templates::NotificationData data;
  data.receiver = "team";
  data.status = "firing";
  data.alerts = {alert, alert};
  data.alerts[1].status = "resolved";
  data.group_labels = {{"alertname", "HighErrorRate"}};
  data.common_labels = alert.labels;
  data.common_annotations = alert.annotations;
  data.external_url = "http://am.example";
  return data;
}

void run_template_file(const std::filesystem::path& file, Report& report) {
  const auto text = read_text(file);
  const auto library = Template::parse(text, Dialect::kAlertmanager);
  if (!library.ok()) return report.fail(file.filename(), library.error().message);
  const auto data = templates::template_data(sample_notification());
  static const std::string kDefine = "define \"";
  for (auto at = text.find(kDefine); at != std::string::npos; at = text.find(kDefine, at)) {
    at += kDefine.size();
    const auto defined = text.substr(at, text.find('"', at) - at);
    const auto name = file.filename().string() + " " + defined;
    const bool takes_a_list =
        mentions(defined, "__text_alert_list") || defined == "pagerduty.default.instances";
    const auto call = Template::parse(
        "{{ template \"" + defined + "\" " + (takes_a_list ? ".Alerts" : ".") + " }}",
        Dialect::kAlertmanager, {}, &*library);
    const auto got = call.ok() ? call->render(data, {}) : Result<std::string>(call.error());
    got.ok() ? report.pass() : report.fail(name, got.error().message);
  }
}

void run(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    const auto cases = read_json(file, report);
    if (!cases.is_array()) continue;
    for (const auto& test : cases) run_case(test, report);
  }
  for (const auto& file : files_with_extension(folder, ".tmpl")) run_template_file(file, report);
}

const Registration kSuite{"alertmanager-template", run};

}  // namespace

}  // namespace monitoring::conformance
