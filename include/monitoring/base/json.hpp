#pragma once
// Json: a JSON value (RFC 8259), for whoever reads or writes one.
// The JSON library is behind src/base/json.cpp alone: its templates are compiled once, not in each
// file that writes an object.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "monitoring/base/result.hpp"

namespace monitoring {

/// A value: null, boolean, integer, other number, string, array or object. Members of an object are
/// sorted by name, unless it was made by in_order(). Copies are deep.
class Json {
 public:
  struct Member;
  class Item;
  using Items = std::initializer_list<Item>;

  Json() = default;
  Json(std::nullptr_t) {}                       // NOLINT implicit
  Json(double number);                          // NOLINT implicit
  Json(const char* text);                       // NOLINT implicit
  Json(std::string_view text);                  // NOLINT implicit
  Json(std::string text);                       // NOLINT implicit
  Json(const std::vector<std::string>& texts);  // NOLINT implicit
  Json(const std::set<std::string>& texts);     // NOLINT implicit
  template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
  Json(T value) : Json(Exactly{}, widest(value)) {}  // NOLINT implicit
  template <class T>
  Json(const std::optional<T>& value) : Json(value ? Json(*value) : Json()) {}  // NOLINT implicit
  /// An object where each item is a pair of a string and a value, an array otherwise.
  Json(Items items);  // NOLINT implicit

  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(const Json& other);
  Json& operator=(Json&& other) noexcept;
  ~Json();

  static Json array(Items items = {});
  static Json object();
  /// An object whose members stay in the order in which they are written.
  static Json in_order(Items items);

  /// Reads a text. Of members of one name the last counts. An error says where the text stops being
  /// JSON; numbers beyond a double and more than 512 levels are errors, too.
  static Result<Json> parse(std::string_view text);
  /// The same with null for what cannot be read.
  static Json parse_or_null(std::string_view text);
  /// The same of what a database holds, which may be no UTF-8: such bytes are replaced by U+FFFD.
  static Json parse_stored(std::string_view text);

  bool is_null() const { return value_.index() == 0; }
  bool is_boolean() const { return std::holds_alternative<bool>(value_); }
  /// A number without fraction and exponent that fits 64 bits, with sign or without.
  bool is_integer() const;
  /// An integer of 0 or more.
  bool is_count() const;
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<std::vector<Json>>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_structured() const { return is_array() || is_object(); }

  /// What the value holds; only where the question above says so (std::bad_variant_access).
  bool boolean() const { return std::get<bool>(value_); }
  std::int64_t integer() const;
  std::uint64_t count() const { return static_cast<std::uint64_t>(integer()); }
  double number() const;
  const std::string& string() const& { return std::get<std::string>(value_); }
  std::string string() && { return std::get<std::string>(std::move(value_)); }

  /// The elements of an array, the members of an object. Of any other value there are none, and
  /// none that can be changed (std::bad_variant_access).
  const std::vector<Json>& elements() const&;
  const std::vector<Member>& members() const&;
  std::vector<Json>& elements() &;
  std::vector<Member>& members() &;
  // A loop over those of a value that ends before the loop does.
  std::vector<Json>& elements() && = delete;
  std::vector<Member>& members() && = delete;

  std::size_t size() const { return elements().size() + members().size(); }
  bool empty() const { return size() == 0; }

  /// The member of that name, or nullptr (of what is no object, too).
  const Json* find(std::string_view name) const&;
  Json* find(std::string_view name) &;
  Json* find(std::string_view name) && = delete;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  Json value(std::string_view name, Json fallback) const;

  /// The member of that name, null where there is none. The other one adds it; a null becomes an
  /// object by it.
  const Json& operator[](std::string_view name) const&;
  Json& operator[](std::string_view name) &;
  Json operator[](std::string_view name) && { return static_cast<const Json&>(*this)[name]; }
  const Json& operator[](std::size_t index) const& { return elements().at(index); }
  Json& operator[](std::size_t index) & { return elements().at(index); }
  Json operator[](std::size_t index) && { return elements().at(index); }

  /// Adds an element; a null becomes an array by it.
  void push_back(Json element);
  void erase(std::string_view name);
  /// Takes over the members of an object, in place of those of the same name.
  void update(const Json& object);

  /// The shortest spelling. Bytes that are no UTF-8 are replaced by U+FFFD.
  std::string dump() const;

  friend bool operator==(const Json& a, const Json& b);
  friend bool operator!=(const Json& a, const Json& b) { return !(a == b); }

 private:
  friend class JsonReader;

  struct Object {
    std::vector<Member> members;
    bool is_sorted = true;
  };
  using Value = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string,
                             std::vector<Json>, Object>;

  // Apart from the others, so that no pointer becomes a bool and no number another one.
  struct Exactly {};
  Json(Exactly, bool value);
  Json(Exactly, std::int64_t value);
  Json(Exactly, std::uint64_t value);
  template <class T>
  static auto widest(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      return value;
    } else if constexpr (std::is_signed_v<T>) {
      return static_cast<std::int64_t>(value);
    } else {
      return static_cast<std::uint64_t>(value);
    }
  }
  void write(std::string& text) const;

  Value value_ = nullptr;
};

struct Json::Member {
  std::string name;
  Json value;
};

/// One value of a list in braces. It is moved, not copied, into what is made of the list.
class Json::Item {
 public:
  template <class T, std::enable_if_t<std::is_constructible_v<Json, T>, int> = 0>
  Item(T&& value) : json_(std::forward<T>(value)) {}  // NOLINT implicit
  Item(Items items) : json_(items) {}                 // NOLINT implicit
  Item(const Item& other) = delete;
  ~Item();

 private:
  friend class Json;
  mutable Json json_;
};

}  // namespace monitoring
