#pragma once
// Sketch: quantiles of a stream of numbers in little memory, mergeable, within 1 % of the truth.
// The buckets, the definition of a quantile and the bytes are specified in src/metrics/FORMAT.md.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "monitoring/base/result.hpp"

namespace monitoring::metrics {

/// A DDSketch over positive, negative and zero values. The object is 24 bytes and holds two buckets
/// without a heap allocation; the heap is used in steps of powers of two, at most 66 kB.
/// Not thread-safe. Allocation failure throws std::bad_alloc and leaves the sketch as it was.
class Sketch {
 public:
  /// The total count saturates here.
  static constexpr std::uint64_t kMaxCount = (std::uint64_t{1} << 63) - 1;
  /// Buckets kept of each sign; beyond it those of smallest magnitude are joined.
  static constexpr std::uint32_t kMaxBucketsPerSign = 2048;

  Sketch() noexcept : kind_(0), capacity_(kInside) {}
  Sketch(const Sketch& other);
  Sketch(Sketch&& other) noexcept : Sketch() { swap(other); }
  Sketch& operator=(Sketch other) noexcept {
    swap(other);
    return *this;
  }
  ~Sketch();
  void swap(Sketch& other) noexcept;

  /// Adds `count` times the value, which must be finite.
  void add(double value, std::uint64_t count = 1);
  /// Adds each of the values, which must be finite.
  void add(const double* values, std::size_t values_count);
  /// Adds everything that the other sketch has seen.
  void merge(const Sketch& other);
  /// The same; what is left of the other is not said.
  void merge(Sketch&& other);

  /// The value at rank q (count - 1), interpolated between neighbours as percentile_cont does.
  /// q is clamped to [0, 1]. NaN if the sketch is empty or q is NaN.
  double quantile(double q) const;

  std::uint64_t count() const;
  bool empty() const { return used_ == 0; }
  /// The object and its heap block.
  std::size_t memory_bytes() const;

  /// Equal sketches give equal bytes.
  std::string serialize() const;
  /// Refuses everything that serialize() would not have written.
  static Result<Sketch> parse(std::string_view bytes);

 private:
  friend class SketchTally;  // adds by key

  // Where the buckets are. Inside the object; in a sorted array with 32-bit counts; in one with
  // 64-bit counts; or in an array of 32-bit counts over a contiguous range of keys.
  enum class Kind : std::uint32_t { inside, narrow, wide, dense };

  struct NarrowBucket {
    std::int32_t key;
    std::uint32_t count;
  };
  struct WideBucket {
    std::int32_t key;
    std::uint64_t count;
  };
  struct Window;  // Kind::dense

  static constexpr std::uint32_t kInside = 2;

  NarrowBucket* narrow() { return kind() == Kind::inside ? inside_ : heap_.narrow; }
  const NarrowBucket* narrow() const { return kind() == Kind::inside ? inside_ : heap_.narrow; }
  Kind kind() const { return static_cast<Kind>(kind_); }
  bool is_sorted_narrow() const { return kind() == Kind::inside || kind() == Kind::narrow; }
  std::int32_t key_at(std::uint32_t position) const;

  void add_key(std::int32_t key, std::uint64_t count);
  bool merge_sorted(const Sketch& other);
  void append(std::int32_t key, std::uint64_t count);
  bool add_narrow(std::int32_t key, std::uint64_t count);
  bool add_wide(std::int32_t key, std::uint64_t count);
  bool add_dense(std::int32_t key, std::uint64_t count);
  std::size_t add_dense(const std::int32_t* keys, std::size_t keys_count);
  void make_room(std::int32_t key);
  void widen_window(std::int32_t key);
  void become_narrow(std::uint32_t capacity);
  void become_wide(std::uint32_t capacity);
  void become_dense(std::int32_t lowest, std::int32_t highest);
  void install(Kind kind, void* block, std::uint32_t capacity);
  void join_smallest();
  void release() noexcept;

  /// Calls visit(key, count) for every bucket, keys ascending.
  template <class Visit>
  void for_each(Visit&& visit) const;

  // The heap block and the total count, or the buckets themselves.
  union {
    NarrowBucket inside_[kInside] = {};
    struct {
      union {
        void* block;
        NarrowBucket* narrow;
        WideBucket* wide;
        Window* window;
      };
      std::uint64_t total;
    } heap_;
  };
  std::uint32_t used_ = 0;  // buckets with a count
  std::uint32_t kind_ : 2;
  std::uint32_t capacity_ : 30;  // buckets, or the width of the window
};

}  // namespace monitoring::metrics
