// Encodings, times and schedules.

#include <string>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/cron.hpp"
#include "monitoring/base/encoding.hpp"
#include "monitoring/base/expression.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "target.hpp"

using namespace monitoring;
using fuzz::Input;
using fuzz::require;

FUZZ_TARGET(encoding) {
  const std::string valid = valid_utf8(bytes);
  require(valid_utf8(valid) == valid);
  require(utf8_length(valid) <= valid.size());
  for (const std::size_t most : {3, 4, 10, 100}) {
    require(truncated_bytes(valid, most).size() <= most);
    require(utf8_length(truncated_characters(valid, most)) <= most);
    truncated_characters(bytes, most);
    truncated_bytes(bytes, most);
  }
  base64(bytes);
  const auto decoded = percent_decoded(percent_encoded(bytes));
  require(decoded && *decoded == bytes);
  percent_decoded(bytes);
}

FUZZ_TARGET(cron) {
  const auto schedule = CronSchedule::parse(bytes);
  if (!schedule) return;
  for (const Instant after :
       {Instant{}, Instant(std::chrono::hours(24 * 365 * 57)), Instant::max(), Instant::min()}) {
    const auto due = schedule->next_after(after);
    require(!due || *due > after);
  }
}

FUZZ_TARGET(rfc3339) {
  const auto instant = parse_rfc3339(bytes);
  if (!instant) return;
  const auto again = parse_rfc3339(rfc3339(*instant));
  require(again && *again == *instant);
}

FUZZ_TARGET(expression) {
  Input input(bytes);
  const std::string expression(input.text());
  (void)has_match(std::string(input.rest()), expression);
}
