#include "courier/probes.hpp"

extern "C" {
#include <mb/pg_wchar.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <utility>

#include "courier/network.hpp"
#include "monitoring/base/expression.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/outbox/secrets.hpp"
#include "monitoring/pg/transaction.hpp"

namespace monitoring::courier {

namespace {

using std::chrono::milliseconds;

/// What blackbox_exporter calls a match is looked for in so much of the answer.
constexpr std::size_t kBodyBytes = 64 * 1024;
constexpr std::size_t kMostAtATime = 100;
/// How late a new or changed probe may be asked: notifications wake the courier as probes do, and
/// are no reason to look at these each time.
constexpr Duration kBetweenLooks = std::chrono::seconds(1);
/// How long to leave a probe alone that is due and locked by somebody.
constexpr Duration kRetry = std::chrono::seconds(5);

Json parse(const std::string& text) {
  return Json::parse_or_null(text);
}

/// The name of the secret in {"secret": "name"}.
std::optional<std::string> secret_name(const Json& value) {
  const Json* found = value.find("secret");
  if (found == nullptr || !found->is_string()) return std::nullopt;
  return found->string();
}

/// Headers whose values are secrets, with the names of these.
std::vector<std::pair<std::string, std::string>> secret_headers(const probes::DueProbe& probe) {
  std::vector<std::pair<std::string, std::string>> found;
  const Json headers = parse(probe.headers);
  for (const auto& [header, value] : headers.members()) {
    if (auto name = secret_name(value)) found.emplace_back(header, std::move(*name));
  }
  return found;
}

bool starts_with(const std::string& text, std::string_view prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

/// The connection that stands for tcp, tls, smtp and smtps; none for a request.
std::optional<transport::ConnectRequest> connection_of(const std::string& url) {
  if (starts_with(url, "tcp://")) return transport::ConnectRequest{"http" + url.substr(3)};
  if (starts_with(url, "tls://")) return transport::ConnectRequest{"https" + url.substr(3)};
  if (starts_with(url, "smtp")) return transport::ConnectRequest{url};
  return std::nullopt;
}

std::optional<std::string> wrong_status(const probes::DueProbe& probe, int status) {
  if (connection_of(probe.url)) return std::nullopt;
  const bool expected =
      probe.expect_status ? status == *probe.expect_status : status >= 200 && status < 300;
  if (expected) return std::nullopt;
  const std::string wanted =
      probe.expect_status ? std::to_string(*probe.expect_status) : "one from 200 to 299";
  return "HTTP status " + std::to_string(status) + " instead of " + wanted;
}

std::optional<std::string> wrong_body(const probes::DueProbe& probe, const std::string& body) {
  if (!probe.expect_body) return std::nullopt;
  const auto matches = has_match(body, *probe.expect_body);
  if (!matches) return "expect_body is no RE2 expression: " + matches.error().message;
  if (*matches) return std::nullopt;
  return "the answer does not match expect_body";
}

std::optional<std::string> wrong(const probes::DueProbe& probe, const transport::Outcome& outcome) {
  if (outcome.failure != transport::Failure::kNone) {
    return std::string(transport::failure_text(outcome.failure)) + ": " + outcome.error;
  }
  if (auto error = wrong_status(probe, outcome.status)) return error;
  return wrong_body(probe, outcome.body_head);
}

}  // namespace

CourierProbes::CourierProbes(const Clock& clock)
    : clock_(clock), reactor_(make_reactor()), dispatcher_(*reactor_, dispatch_limits()) {}

Instant CourierProbes::next_turn_at(Instant now) const {
  if (!results_.empty()) return now;
  const Instant next_look = look_ ? last_look_ + kBetweenLooks : Instant::max();
  return next_due_ ? std::min(*next_due_, next_look) : next_look;
}

void CourierProbes::set_back(Duration step) {
  last_look_ += step;
  next_due_.reset();
  look_ = true;
}

void CourierProbes::turn(bool look, Instant now) {
  if (look) look_ = true;
  if (!running_.empty()) {
    dispatcher_.set_limits(dispatch_limits());
    take_completions();
    dispatcher_.start_waiting();
  }
  if (next_turn_at(now) <= now) record_and_take_due(now);
}

void CourierProbes::take_completions() {
  for (const transport::Completion& completion : dispatcher_.step()) {
    const auto found = running_.find(completion.id);
    Running running = std::move(found->second);
    running_.erase(found);
    take(std::move(running), completion.outcome);
  }
}

/// Follows a redirect, or ends the probe.
void CourierProbes::take(Running running, const transport::Outcome& outcome) {
  const bool leads_on = outcome.failure == transport::Failure::kNone &&
                        !outcome.redirect_url.empty() &&
                        running.redirects < running.probe.max_redirects;
  if (!leads_on) return finish(running, outcome, wrong(running.probe, outcome));
  running.redirects += 1;
  running.url = outcome.redirect_url;
  ask(std::move(running));
}

void CourierProbes::finish(const Running& running, const transport::Outcome& outcome,
                           std::optional<std::string> error) {
  probes::ProbeResult result;
  result.name = running.probe.name;
  result.probed_at = running.started_at;
  result.duration = clock_.now() - running.started_at;
  const bool is_http = !connection_of(running.probe.url);
  if (is_http && outcome.status != 0) result.http_status = outcome.status;
  result.certificate_expires_at = outcome.certificate_expires_at;
  if (error) {
    const bool ascii_only = GetDatabaseEncoding() != PG_UTF8;
    result.error = presentable(running.redaction.apply(std::move(*error)), ascii_only);
  }
  results_.push_back(std::move(result));
}

void CourierProbes::record_and_take_due(Instant now) {
  std::vector<Due> due;
  outbox::Secrets secrets;
  {
    pg::Transaction transaction;
    {
      pg::Spi spi;
      probes::record_probes(spi, results_, now);
      if (running_.size() < kMostAtATime) {
        auto probes = probes::take_due_probes(spi, now, kMostAtATime - running_.size());
        secrets = secrets_of(spi, probes);
        for (probes::DueProbe& probe : probes) {
          auto refused = refusal(probe, secrets);
          due.push_back({std::move(probe), std::move(refused)});
        }
      }
      next_due_ = probes::next_probe_at(spi);
    }
    transaction.commit();
  }
  results_.clear();
  look_ = false;
  last_look_ = now;
  if (next_due_ && *next_due_ <= now) next_due_ = now + kRetry;
  for (Due& probe : due) start(std::move(probe), secrets);
}

outbox::Secrets CourierProbes::secrets_of(pg::Spi& spi, const std::vector<probes::DueProbe>& due) {
  std::vector<std::string> names;
  for (const probes::DueProbe& probe : due) {
    for (const auto& [header, name] : secret_headers(probe)) names.push_back(name);
  }
  return outbox::read_secrets(spi, names);
}

/// What keeps a probe's secrets from being sent to its url, if anything.
std::optional<std::string> CourierProbes::refusal(const probes::DueProbe& probe,
                                                  const outbox::Secrets& secrets) {
  const auto headers = secret_headers(probe);
  if (headers.empty()) return std::nullopt;
  const auto destination = notify::destination_of_url(probe.url);
  for (const auto& [header, name] : headers) {
    const auto found = secrets.find(name);
    if (found == secrets.end()) return "secret \"" + name + "\" is not set";
    notify::SecretTerms terms = found->second.terms;
    terms.is_trusted = outbox::is_trusted_with(probe.set_by, found->second);
    const auto error = notify::check_destination(name, terms, notify::kProbeKind, destination);
    if (error) return error->message;
  }
  return std::nullopt;
}

void CourierProbes::start(Due due, const outbox::Secrets& secrets) {
  Running running;
  running.started_at = clock_.now();
  running.url = due.probe.url;
  const Json headers = parse(due.probe.headers);
  running.probe = std::move(due.probe);
  if (due.refusal) return finish(running, {}, std::move(due.refusal));
  for (const auto& [header, value] : headers.members()) {
    const auto name = secret_name(value);
    if (!name) {
      running.headers.emplace_back(header, value.is_string() ? value.string() : "");
      continue;
    }
    const std::string& secret = secrets.find(*name)->second.value;
    running.redaction.add_secret(secret);
    running.secret_headers.emplace_back(header, secret);
  }
  ask(std::move(running));
}

/// One hop. Its address is checked when connecting, as that of every request.
void CourierProbes::ask(Running running) {
  const auto left = std::chrono::duration_cast<milliseconds>(running.started_at +
                                                             running.probe.timeout - clock_.now());
  const RequestTerms terms = request_terms();
  transport::Request request;
  request.timeout = std::max(left, milliseconds(1));
  request.connect_timeout = request.timeout;
  request.ca_file = terms.ca_file;
  request.allow_link_local = terms.allow_link_local;
  request.kept_body_bytes = kBodyBytes;
  request.fresh_connection = true;
  if (auto connection = connection_of(running.url)) {
    request.message = std::move(*connection);
  } else {
    transport::HttpRequest http;
    http.method = running.probe.method;
    http.url = running.url;
    http.headers = running.headers;
    http.body = running.probe.body;
    request.message = std::move(http);
  }
  const std::string destination = transport::destination_of(request);
  if (running.redirects == 0) running.destination = destination;
  auto* http = std::get_if<transport::HttpRequest>(&request.message);
  if (http != nullptr && destination == running.destination) {
    http->headers.insert(http->headers.end(), running.secret_headers.begin(),
                         running.secret_headers.end());
  }
  const std::uint64_t id = ++last_id_;
  running_.emplace(id, std::move(running));
  dispatcher_.submit(id, std::move(request));
}

}  // namespace monitoring::courier
