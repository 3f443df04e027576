#include "monitoring/metrics/exposition.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "metrics/family_names.hpp"
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
  points_.push_back({metric, labels, datname, value, nullptr, is_own_});
}

void Exposition::add_histogram(const MetricSpec& metric, std::string_view labels, double sum,
                               const std::uint64_t* buckets, std::string_view datname) {
  points_.push_back({metric, labels, datname, sum, buckets, is_own_});
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
    std::vector<const Point*> order = sorted_points();
    std::vector<FamilyName> names;
    std::vector<Place> families = families_of(&order, &names);
    settle_names(&names);
    std::vector<Place> places = places_of(names, families);
    for (auto begin = places.begin(); begin != places.end();) {
      const auto end = std::find_if(begin, places.end(),
                                    [&](const Place& place) { return place.name != begin->name; });
      write_family(begin, end);
      begin = end;
    }
    if (openmetrics_) text_.append("# EOF\n");
    return std::move(text_);
  }

  std::vector<Exposition::Disagreement> disagreements() const {
    std::vector<const Point*> order = sorted_points();
    std::vector<FamilyName> names;
    const std::vector<Place> families = families_of(&order, &names);
    settle_names(&names);
    std::vector<Exposition::Disagreement> found;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string_view wanted = families[i].metric->name;
      if (!names[i].is_untyped && names[i].name == wanted) continue;
      found.push_back({std::string(wanted), names[i].type, names[i].name});
    }
    return found;
  }

 private:
  using Points = std::vector<const Point*>::iterator;

  /// What of its points' samples goes into a family of this name.
  enum class Part { whole, buckets, sum, count };
  struct Place {
    std::string name;
    Part part;
    bool is_untyped;
    const MetricSpec* metric;
    Points begin;
    Points end;
  };

  struct Family {
    std::string_view name;
    std::string_view type;
    std::string_view sample;  ///< of a counter or gauge
  };

  static LabelOrder order_of(const Point* point) { return {point->datname, point->labels}; }

  /// By name and type, and by labels, of which the first point counts. What is the extension's own
  /// comes before what looks like it.
  std::vector<const Point*> sorted_points() const {
    const auto key = [](const Point* point) {
      return std::tuple_cat(std::tuple(point->metric.name, point->metric.type), order_of(point));
    };
    std::vector<const Point*> order;
    order.reserve(points_.size());
    for (const Point& point : points_) order.push_back(&point);
    std::stable_sort(order.begin(), order.end(), [&](const Point* a, const Point* b) {
      return std::tuple_cat(key(a), std::tuple(!a->is_own)) <
             std::tuple_cat(key(b), std::tuple(!b->is_own));
    });
    const auto same = [&](const Point* a, const Point* b) { return key(a) == key(b); };
    order.erase(std::unique(order.begin(), order.end(), same), order.end());
    return order;
  }

  /// Whose help is shown: the extension's own, or what was added first.
  static bool comes_first(const Point* a, const Point* b) {
    return std::tuple(!a->is_own, a) < std::tuple(!b->is_own, b);
  }

  static Points end_of_family(Points begin, Points end) {
    return std::find_if(begin, end, [&](const Point* point) {
      return point->metric.name != (*begin)->metric.name ||
             point->metric.type != (*begin)->metric.type;
    });
  }

  /// By name and type; `names` gets the same ones.
  static std::vector<Place> families_of(std::vector<const Point*>* order,
                                        std::vector<FamilyName>* names) {
    std::vector<Place> families;
    for (auto begin = order->begin(); begin != order->end();) {
      const auto end = end_of_family(begin, order->end());
      const Point& model = **std::min_element(begin, end, comes_first);
      names->push_back({std::string(model.metric.name), model.metric.type, model.is_own});
      families.push_back({{}, Part::whole, false, &model.metric, begin, end});
      begin = end;
    }
    return families;
  }

  /// By the names that they have on the page.
  static std::vector<Place> places_of(const std::vector<FamilyName>& names,
                                      const std::vector<Place>& families) {
    std::vector<Place> places;
    places.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      const FamilyName& family = names[i];
      const auto add = [&](const std::string& name, Part part) {
        Place& place = places.emplace_back(families[i]);
        place.name = name;
        place.part = part;
        place.is_untyped = family.is_untyped;
      };
      if (family.is_untyped && family.type == MetricType::histogram) {
        add(family.name + "_bucket", Part::buckets);
        add(family.name + "_sum", Part::sum);
        add(family.name + "_count", Part::count);
      } else {
        add(family.name, Part::whole);
      }
    }
    std::stable_sort(places.begin(), places.end(),
                     [](const Place& a, const Place& b) { return a.name < b.name; });
    return places;
  }

  void write_family(std::vector<Place>::const_iterator begin,
                    std::vector<Place>::const_iterator end) {
    const MetricSpec& metric = *begin->metric;
    const Family family = family_of(*begin, metric.type);
    write_head(family, metric);
    for (auto place = begin; place != end; ++place) {
      for (auto point = place->begin; point != place->end; ++point) {
        write_point(family, *place, **point);
      }
    }
  }

  /// The family's name, which in OpenMetrics is not that of a counter's samples.
  Family family_of(const Place& place, MetricType type) {
    const std::string_view name = place.name;
    const std::string_view untyped = openmetrics_ ? "unknown" : "untyped";
    if (place.is_untyped) return claimed(name, untyped, name);
    if (type != MetricType::counter || !openmetrics_) return claimed(name, type_name(type), name);
    if (ends_with(name, kTotal)) {
      const std::string_view base = name.substr(0, name.size() - kTotal.size());
      if (claimed_.count(base) == 0) return claimed(base, "counter", name);
    }
    // A counter of another name, such as pg_stat_database_xact_commit, keeps it, because rules and
    // dashboards know it by that; so does one beside a gauge of the family's name. Both only lose
    // their type.
    return claimed(name, untyped, name);
  }

  Family claimed(std::string_view name, std::string_view type, std::string_view sample) {
    claimed_.insert(name);
    return {name, type, sample};
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

  void write_point(const Family& family, const Place& place, const Point& point) {
    if (point.buckets == nullptr) {
      text_.append(family.sample);
      write_labels(point, nullptr);
      return write_value(point.value);
    }
    const bool is_whole = place.part == Part::whole;
    if (is_whole || place.part == Part::buckets) write_buckets(family.name, place.part, point);
    // Where values may be negative the sum may fall, and OpenMetrics does not want it.
    const bool has_sum = !openmetrics_ || point.metric.bounds[0] >= 0;
    if ((is_whole && has_sum) || place.part == Part::sum) {
      text_.append(family.name).append(is_whole ? "_sum" : "");
      write_labels(point, nullptr);
      write_value(point.value);
    }
    if (!is_whole && place.part != Part::count) return;
    text_.append(family.name).append(is_whole ? "_count" : "");
    write_labels(point, nullptr);
    write_count(std::accumulate(point.buckets, point.buckets + point.metric.bound_count + 1,
                                std::uint64_t{0}));
  }

  void write_buckets(std::string_view name, Part part, const Point& point) {
    const MetricSpec& metric = point.metric;
    std::uint64_t count = 0;
    for (std::uint32_t i = 0; i <= metric.bound_count; ++i) {
      const double bound = i < metric.bound_count ? metric.bounds[i] : HUGE_VAL;
      count += point.buckets[i];
      text_.append(name).append(part == Part::whole ? "_bucket" : "");
      write_labels(point, &bound);
      write_count(count);
    }
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
  /// Views of the places, or of the points.
  std::set<std::string_view> claimed_;
};

std::string Exposition::text(ExpositionFormat format) const {
  return ExpositionText(points_, format).write();
}

std::vector<Exposition::Disagreement> Exposition::disagreements() const {
  return ExpositionText(points_, ExpositionFormat::prometheus).disagreements();
}

}  // namespace monitoring::metrics
