#include "monitoring/base/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "monitoring/base/encoding.hpp"

namespace monitoring {

namespace {

using Library = nlohmann::json;

constexpr std::size_t kDeepest = 512;

bool is_before(const Json::Member& member, std::string_view name) {
  return member.name < name;
}

bool is_plain(char c) {
  return c >= ' ' && c < 0x7F && c != '"' && c != '\\';
}

void write_string(const std::string& value, std::string& text) {
  if (!std::all_of(value.begin(), value.end(), is_plain)) {
    text += Library(value).dump(-1, ' ', false, Library::error_handler_t::replace);
    return;
  }
  text += '"';
  text += value;
  text += '"';
}

/// Of several members of one name the last stays.
void sort_members(std::vector<Json::Member>& members) {
  const auto in_order = [](const Json::Member& a, const Json::Member& b) {
    return a.name < b.name;
  };
  std::stable_sort(members.begin(), members.end(), in_order);
  const auto is_same = [](const Json::Member& a, const Json::Member& b) {
    return a.name == b.name;
  };
  const auto first = std::unique(members.rbegin(), members.rend(), is_same).base();
  members.erase(members.begin(), first);
}

}  // namespace

/// Makes a value of what the library's parser reads.
class JsonReader : public nlohmann::json_sax<Library> {
 public:
  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(number_float_t value, const string_t& /*spelling*/) override {
    return add(Json(value));
  }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t& /*value*/) override { return false; }

  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool key(string_t& name) override {
    open_.back().name = std::move(name);
    return true;
  }
  bool end_object() override {
    sort_members(open_.back().json.members());
    return close();
  }
  bool end_array() override { return close(); }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    error_ = Error::at(position == 0 ? 0 : position - 1, "this is not valid JSON");
    return false;
  }

  Json& result() { return result_; }
  const Error& error() const { return error_; }

 private:
  struct Open {
    Json json;
    std::string name;  // of the member that is read
  };

  bool add(Json value) {
    if (open_.empty()) {
      result_ = std::move(value);
      return true;
    }
    Open& parent = open_.back();
    if (parent.json.is_array()) {
      parent.json.elements().push_back(std::move(value));
    } else {
      parent.json.members().push_back({std::move(parent.name), std::move(value)});
    }
    return true;
  }

  bool open(Json json) {
    if (open_.size() == kDeepest) {
      error_ = Error::of("JSON is nested more than " + std::to_string(kDeepest) + " levels deep");
      return false;
    }
    open_.push_back({std::move(json), {}});
    return true;
  }

  bool close() {
    Json json = std::move(open_.back().json);
    open_.pop_back();
    return add(std::move(json));
  }

  std::vector<Open> open_;
  Json result_;
  Error error_;
};

Json::Json(double number) : value_(number) {}
Json::Json(const char* text) : value_(std::string(text)) {}
Json::Json(std::string_view text) : value_(std::string(text)) {}
Json::Json(std::string text) : value_(std::move(text)) {}
Json::Json(Exactly /*kind*/, bool value) : value_(value) {}
Json::Json(Exactly /*kind*/, std::int64_t value) {
  if (value < 0) {
    value_ = value;
  } else {
    value_ = static_cast<std::uint64_t>(value);
  }
}
Json::Json(Exactly /*kind*/, std::uint64_t value) : value_(value) {}

Json::Json(const std::vector<std::string>& texts)
    : value_(std::vector<Json>(texts.begin(), texts.end())) {}

Json::Json(const std::set<std::string>& texts)
    : value_(std::vector<Json>(texts.begin(), texts.end())) {}

Json::Json(Items items) {
  const bool is_object = std::all_of(items.begin(), items.end(), [](const Item& item) {
    const auto& pair = std::as_const(item.json_).elements();
    return pair.size() == 2 && pair.front().is_string();
  });
  if (!is_object) {
    *this = array(items);
    return;
  }
  *this = in_order(items);
  sort_members(members());
  std::get<Object>(value_).is_sorted = true;
}

Json::Json(const Json& other) = default;
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(const Json& other) = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;

Json::Item::~Item() = default;

Json Json::array(Items items) {
  std::vector<Json> elements;
  elements.reserve(items.size());
  for (const Item& item : items) elements.push_back(std::move(item.json_));
  Json json;
  json.value_ = std::move(elements);
  return json;
}

Json Json::object() {
  Json json;
  json.value_ = Object();
  return json;
}

Json Json::in_order(Items items) {
  Object object;
  object.is_sorted = false;
  object.members.reserve(items.size());
  for (const Item& item : items) {
    std::vector<Json>& pair = item.json_.elements();
    object.members.push_back({pair.at(0).string(), std::move(pair.at(1))});
  }
  Json json;
  json.value_ = std::move(object);
  return json;
}

Result<Json> Json::parse(std::string_view text) {
  JsonReader reader;
  if (!Library::sax_parse(text.begin(), text.end(), &reader)) return reader.error();
  return std::move(reader.result());
}

Json Json::parse_or_null(std::string_view text) {
  Result<Json> json = parse(text);
  return json ? std::move(json).value() : Json();
}

Json Json::parse_stored(std::string_view text) {
  Result<Json> json = parse(text);
  return json ? std::move(json).value() : parse_or_null(valid_utf8(text));
}

bool Json::is_integer() const {
  return std::holds_alternative<std::int64_t>(value_) ||
         std::holds_alternative<std::uint64_t>(value_);
}

bool Json::is_count() const {
  const auto* integer = std::get_if<std::int64_t>(&value_);
  return integer != nullptr ? *integer >= 0 : std::holds_alternative<std::uint64_t>(value_);
}

std::int64_t Json::integer() const {
  const auto* integer = std::get_if<std::int64_t>(&value_);
  return integer != nullptr ? *integer : static_cast<std::int64_t>(std::get<std::uint64_t>(value_));
}

double Json::number() const {
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) {
    return static_cast<double>(*integer);
  }
  if (const auto* count = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*count);
  return std::get<double>(value_);
}

const std::vector<Json>& Json::elements() const& {
  static const std::vector<Json> kNone;
  const auto* elements = std::get_if<std::vector<Json>>(&value_);
  return elements != nullptr ? *elements : kNone;
}

const std::vector<Json::Member>& Json::members() const& {
  static const std::vector<Member> kNone;
  const auto* object = std::get_if<Object>(&value_);
  return object != nullptr ? object->members : kNone;
}

std::vector<Json>& Json::elements() & {
  return std::get<std::vector<Json>>(value_);
}

std::vector<Json::Member>& Json::members() & {
  return std::get<Object>(value_).members;
}

const Json* Json::find(std::string_view name) const& {
  const auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  const std::vector<Member>& all = object->members;
  const auto is_it = [&](const Member& member) { return member.name == name; };
  const auto found = object->is_sorted ? std::lower_bound(all.begin(), all.end(), name, is_before)
                                       : std::find_if(all.begin(), all.end(), is_it);
  return found != all.end() && found->name == name ? &found->value : nullptr;
}

Json* Json::find(std::string_view name) & {
  return const_cast<Json*>(static_cast<const Json*>(this)->find(name));
}

Json Json::value(std::string_view name, Json fallback) const {
  const Json* found = find(name);
  return found != nullptr ? *found : std::move(fallback);
}

const Json& Json::operator[](std::string_view name) const& {
  static const Json kNull;
  const Json* found = find(name);
  return found != nullptr ? *found : kNull;
}

Json& Json::operator[](std::string_view name) & {
  if (is_null()) value_ = Object();
  if (Json* found = find(name)) return *found;
  auto& object = std::get<Object>(value_);
  const auto place = object.is_sorted ? std::lower_bound(object.members.begin(),
                                                         object.members.end(), name, is_before)
                                      : object.members.end();
  return object.members.insert(place, {std::string(name), Json()})->value;
}

void Json::push_back(Json element) {
  if (is_null()) value_ = std::vector<Json>();
  elements().push_back(std::move(element));
}

void Json::erase(std::string_view name) {
  std::vector<Member>& all = members();
  const auto is_it = [&](const Member& member) { return member.name == name; };
  all.erase(std::remove_if(all.begin(), all.end(), is_it), all.end());
}

void Json::update(const Json& object) {
  for (const Member& member : object.members()) (*this)[member.name] = member.value;
}

void Json::write(std::string& text) const {
  if (const auto* string = std::get_if<std::string>(&value_)) return write_string(*string, text);
  if (is_array()) {
    char separator = '[';
    for (const Json& element : elements()) {
      text += std::exchange(separator, ',');
      element.write(text);
    }
    text += empty() ? "[]" : "]";
    return;
  }
  if (is_object()) {
    char separator = '{';
    for (const Member& member : members()) {
      text += std::exchange(separator, ',');
      write_string(member.name, text);
      text += ':';
      member.value.write(text);
    }
    text += empty() ? "{}" : "}";
    return;
  }
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) {
    text += std::to_string(*integer);
  } else if (const auto* count = std::get_if<std::uint64_t>(&value_)) {
    text += std::to_string(*count);
  } else if (const auto* number = std::get_if<double>(&value_)) {
    text += Library(*number).dump();
  } else {
    text += is_null() ? "null" : boolean() ? "true" : "false";
  }
}

std::string Json::dump() const {
  std::string text;
  write(text);
  return text;
}

bool operator==(const Json& a, const Json& b) {
  if (a.is_integer() && b.is_integer())
    return a.is_count() == b.is_count() && a.count() == b.count();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_object() && b.is_object()) {
    return a.size() == b.size() &&
           std::all_of(a.members().begin(), a.members().end(), [&](const Json::Member& member) {
             const Json* other = b.find(member.name);
             return other != nullptr && *other == member.value;
           });
  }
  if (a.is_array() && b.is_array()) return a.elements() == b.elements();
  if (a.is_string() && b.is_string()) return a.string() == b.string();
  if (a.is_boolean() && b.is_boolean()) return a.boolean() == b.boolean();
  return a.is_null() && b.is_null();
}

}  // namespace monitoring
