#include "monitoring/metrics/exposition.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "monitoring/base/encoding.hpp"

namespace monitoring::metrics {

namespace {

constexpr std::string_view kTotal = "_total";
constexpr std::string_view kDatname = "datname";
/// U+FFFD
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kNoHelp = "Defined by its first use.";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

template <class Number>
void append_shortest(std::string* to, Number number) {
  char digits[40];
  to->append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

/// As Go reads it. Whole numbers without an exponent, for people.
void append_number(std::string* to, double value) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (std::isnan(value)) {
    to->append("NaN");
  } else if (std::isinf(value)) {
    to->append(value > 0 ? "+Inf" : "-Inf");
  } else if (std::fabs(value) < kExact && value == std::trunc(value)) {
    append_shortest(to, static_cast<std::int64_t>(value));
  } else {
    append_shortest(to, value);
  }
}

void append_escaped(std::string* to, std::string_view text, bool quotes) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      // One name that is no UTF-8, say of a database, would make a scraper refuse all the rest.
      const std::size_t bytes = utf8_sequence(text.substr(at));
      to->append(bytes == 0 ? kReplacement : text.substr(at, bytes));
      at += bytes == 0 ? 0 : bytes - 1;
    } else if (c == '\n') {
      to->append("\\n");
    } else if (c == '\\' || (c == '"' && quotes)) {
      to->append({'\\', c});
    } else {
      to->push_back(c);
    }
  }
}

/// Bytes of labels sort as the labels do: the zero byte that ends a name sorts before all others.
using LabelOrder = std::tuple<std::string_view, std::string_view>;

}  // namespace

std::string_view content_type(ExpositionFormat format) {
  if (format == ExpositionFormat::openmetrics) {
    return "application/openmetrics-text; version=1.0.0; charset=utf-8";
  }
  return "text/plain; version=0.0.4; charset=utf-8";
}

void Exposition::add(const MetricSpec& metric, std::string_view labels, double value,
                     std::string_view datname) {
  points_.push_back({metric, labels, datname, value, nullptr});
}

void Exposition::add_histogram(const MetricSpec& metric, std::string_view labels, double sum,
                               const std::uint64_t* buckets, std::string_view datname) {
  points_.push_back({metric, labels, datname, sum, buckets});
}

std::string_view Exposition::keep(std::string text) {
  return kept_.emplace_back(std::move(text));
}

/// One pass over the points in their order.
class ExpositionText {
 public:
  using Point = Exposition::Point;

  ExpositionText(const std::vector<Point>& points, ExpositionFormat format)
      : points_(points), openmetrics_(format == ExpositionFormat::openmetrics) {}

  std::string write() {
    std::vector<const Point*> order;
    order.reserve(points_.size());
    for (const Point& point : points_) order.push_back(&point);
    // Stable: of points that are the same, and of types that differ, the first counts.
    std::stable_sort(order.begin(), order.end(), [](const Point* a, const Point* b) {
      return a->metric.name < b->metric.name;
    });
    for (auto begin = order.begin(); begin != order.end();) {
      const auto end = std::find_if(begin, order.end(), [&](const Point* point) {
        return point->metric.name != (*begin)->metric.name;
      });
      write_family(begin, end);
      begin = end;
    }
    if (openmetrics_) text_.append("# EOF\n");
    return std::move(text_);
  }

 private:
  using Points = std::vector<const Point*>::iterator;

  struct Family {
    std::string_view name;
    std::string_view type;
    std::string sample;  ///< of a counter or gauge
  };

  static LabelOrder order_of(const Point* point) { return {point->datname, point->labels}; }

  void write_family(Points begin, Points end) {
    const MetricSpec& metric = (*begin)->metric;
    const std::optional<Family> family = claim(metric);
    if (!family) return;
    write_head(*family, metric);
    end = std::stable_partition(
        begin, end, [&](const Point* point) { return point->metric.type == metric.type; });
    std::stable_sort(begin, end,
                     [](const Point* a, const Point* b) { return order_of(a) < order_of(b); });
    const auto same = [](const Point* a, const Point* b) { return order_of(a) == order_of(b); };
    end = std::unique(begin, end, same);
    for (auto point = begin; point != end; ++point) write_point(*family, **point);
  }

  /// The name under which the family goes, or nothing where its names are taken.
  std::optional<Family> claim(const MetricSpec& metric) {
    const std::string name(metric.name);
    if (metric.type == MetricType::histogram) {
      if (!claim_names({name, name + "_bucket", name + "_count", name + "_sum"})) return {};
      return Family{metric.name, "histogram", name};
    }
    if (metric.type == MetricType::gauge || !openmetrics_) {
      if (!claim_names({name})) return {};
      return Family{metric.name, type_name(metric.type), name};
    }
    // OpenMetrics names a family of counters without the _total that its samples have.
    if (ends_with(metric.name, kTotal)) {
      const std::string_view base = metric.name.substr(0, metric.name.size() - kTotal.size());
      if (claim_names({std::string(base), name})) return Family{base, "counter", name};
    }
    // A counter of another name, such as pg_stat_database_xact_commit, keeps it, because rules and
    // dashboards know it by that; so does one beside a gauge of the family's name. Both only lose
    // their type.
    if (!claim_names({name})) return {};
    return Family{metric.name, "unknown", name};
  }

  bool claim_names(const std::vector<std::string>& names) {
    const bool taken = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return claimed_.count(name) > 0;
    });
    if (!taken) claimed_.insert(names.begin(), names.end());
    return !taken;
  }

  void write_head(const Family& family, const MetricSpec& metric) {
    text_.append("# HELP ").append(family.name).push_back(' ');
    append_escaped(&text_, metric.help.empty() ? kNoHelp : metric.help, openmetrics_);
    text_.append("\n# TYPE ").append(family.name).append(" ").append(family.type);
    text_.push_back('\n');
    if (!openmetrics_ || !has_unit(family.name, metric.unit)) return;
    text_.append("# UNIT ").append(family.name).append(" ").append(metric.unit);
    text_.push_back('\n');
  }

  /// OpenMetrics takes a unit only where the name ends in it.
  static bool has_unit(std::string_view name, std::string_view unit) {
    return !unit.empty() && ends_with(name, std::string("_").append(unit));
  }

  void write_point(const Family& family, const Point& point) {
    if (point.buckets != nullptr) return write_histogram(point);
    text_.append(family.sample);
    write_labels(point, nullptr);
    write_value(point.value);
  }

  void write_histogram(const Point& point) {
    const MetricSpec& metric = point.metric;
    std::uint64_t count = 0;
    for (std::uint32_t i = 0; i <= metric.bound_count; ++i) {
      const double bound = i < metric.bound_count ? metric.bounds[i] : HUGE_VAL;
      count += point.buckets[i];
      text_.append(metric.name).append("_bucket");
      write_labels(point, &bound);
      write_count(count);
    }
    // Where values may be negative the sum may fall, and OpenMetrics does not want it.
    if (!openmetrics_ || metric.bounds[0] >= 0) {
      text_.append(metric.name).append("_sum");
      write_labels(point, nullptr);
      write_value(point.value);
    }
    text_.append(metric.name).append("_count");
    write_labels(point, nullptr);
    write_count(count);
  }

  void write_labels(const Point& point, const double* bound) {
    char before = '{';
    const auto put = [&](std::string_view name, std::string_view value) {
      text_.push_back(std::exchange(before, ','));
      text_.append(name).append("=\"");
      append_escaped(&text_, value, true);
      text_.push_back('"');
    };
    if (!point.datname.empty()) put(kDatname, point.datname);
    LabelReader labels(point.labels);
    std::string_view name;
    std::string_view value;
    while (labels.next(&name, &value)) {
      const bool is_ours = name == kDatname && !point.datname.empty();
      if (is_ours && value == point.datname) continue;
      put(is_ours ? "exported_datname" : name, value);
    }
    if (bound != nullptr) put("le", bound_text(*bound));
    if (before == ',') text_.push_back('}');
  }

  std::string bound_text(double bound) const {
    std::string text;
    append_number(&text, bound);
    const bool is_whole = std::isfinite(bound) && text.find_first_of(".e") == std::string::npos;
    if (openmetrics_ && is_whole) text.append(".0");
    return text;
  }

  void write_value(double value) {
    text_.push_back(' ');
    append_number(&text_, value);
    text_.push_back('\n');
  }

  void write_count(std::uint64_t count) {
    text_.push_back(' ');
    append_shortest(&text_, count);
    text_.push_back('\n');
  }

  const std::vector<Point>& points_;
  bool openmetrics_;
  std::string text_;
  std::set<std::string> claimed_;
};

std::string Exposition::text(ExpositionFormat format) const {
  return ExpositionText(points_, format).write();
}

}  // namespace monitoring::metrics
