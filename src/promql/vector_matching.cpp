// Arithmetic and comparisons between two vectors: series that have the matching labels in common
// are paired, at each step those that are there.

#include <deque>
#include <unordered_map>

#include "monitoring/promql/text.hpp"
#include "promql/binary_operators.hpp"
#include "promql/label_keys.hpp"
#include "promql/mapped.hpp"

namespace monitoring::promql {

namespace {

using Cardinality = VectorMatching::Cardinality;

/// The series of both sides with the same matching labels.
struct MatchGroup {
  std::vector<const StepSeries*> many;
  std::vector<const StepSeries*> one;
};

class Pairing {
 public:
  Pairing(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation)
      : node_(node),
        matching_(node.matching),
        is_swapped_(matching_.cardinality == Cardinality::kOneToMany),
        choice_(matching_.on ? LabelChoice::only(matching_.labels)
                             : LabelChoice::all_but(matching_.labels)),
        steps_(steps),
        evaluation_(evaluation) {}

  void run(HeldSeries& made) {
    HeldSeries left(evaluation_);
    drain(*open_vector(*node_.left, steps_, evaluation_), evaluation_, left);
    if (left.list.empty() && !fills()) return;
    HeldSeries right(evaluation_);
    drain(*open_vector(*node_.right, steps_, evaluation_), evaluation_, right);
    if (evaluation_.failed()) return;
    many_ = is_swapped_ ? &right.list : &left.list;
    one_ = is_swapped_ ? &left.list : &right.list;
    make_groups();
    if (!fills()) find_usable_steps();
    for (const MatchGroup& group : groups_) {
      if (!evaluation_.goes_on() || !match(group, made)) return;
    }
  }

 private:
  bool fills() const { return matching_.fill_left || matching_.fill_right; }
  /// For a series of the side "many" without one of the other side, and the other way round.
  /// Prometheus takes the right one for the side "one" of group_right, too.
  const std::optional<double>& fill_of_one() const { return matching_.fill_right; }
  const std::optional<double>& fill_of_many() const { return matching_.fill_left; }

  void make_groups() {
    KeyMap<std::size_t> numbers;
    std::string key;
    const auto group_of = [&](const StepSeries& series) -> MatchGroup& {
      choice_.make_key(series.labels, key);
      const auto [at, is_new] = numbers.try_emplace(key, groups_.size());
      if (is_new) groups_.emplace_back();
      return groups_[at->second];
    };
    for (const StepSeries& series : *many_) group_of(series).many.push_back(&series);
    for (const StepSeries& series : *one_) group_of(series).one.push_back(&series);
  }

  /// At a step at which one side is empty nothing matches, and nothing is wrong.
  void find_usable_steps() {
    const auto present = [&](const std::vector<StepSeries>& list) {
      std::vector<bool> steps(steps_.count);
      for (const StepSeries& series : list) {
        for (std::size_t i = 0; i < steps_.count; ++i) {
          if (!is_absent(series.values[i])) steps[i] = true;
        }
      }
      return steps;
    };
    usable_ = present(*many_);
    const std::vector<bool> of_one = present(*one_);
    for (std::size_t i = 0; i < steps_.count; ++i) usable_[i] = usable_[i] && of_one[i];
  }
  bool is_usable(std::size_t step) const { return usable_.empty() || usable_[step]; }

  /// The series that is there at a step. False where two are.
  bool find_one(const MatchGroup& group, std::size_t step, const StepSeries*& found) {
    found = nullptr;
    for (const StepSeries* series : group.one) {
      if (is_absent(series->values[step])) continue;
      if (found != nullptr) return fail_of_many_to_many(*series, *found);
      found = series;
    }
    return true;
  }

  bool fail_of_many_to_many(const StepSeries& a, const StepSeries& b) {
    std::string message = "found duplicate series for the match group " +
                          braced(choice_.chosen(a.labels)) + " on the " +
                          (is_swapped_ ? "left" : "right") + " hand-side of the operation: [" +
                          braced(a.labels) + ", " + braced(b.labels) +
                          "];many-to-many matching not allowed: matching labels must be unique on "
                          "one side";
    return evaluation_.fail_at(node_.op_span, std::move(message));
  }
  static std::string braced(const Labels& labels) {
    Labels all = labels;
    const std::string name(all.get(kNameLabel));
    all.erase(kNameLabel);
    std::string text = labels_text(all);
    if (name.empty()) return text;
    const std::string pair = "__name__=" + quoted(name);
    return "{" + pair + (text == "{}" ? "}" : ", " + text.substr(1));
  }

  /// All pairs of a group, each a series of its own. Pairs with equal labels never meet at a step.
  bool match(const MatchGroup& group, HeldSeries& made) {
    pairs_.clear();
    last_pairs_.assign(group.many.size(), nullptr);
    for (std::size_t step = 0; step < steps_.count; ++step) {
      if (step % kTurnsBetweenLooks == kTurnsBetweenLooks - 1 && !evaluation_.goes_on())
        return false;
      if (!is_usable(step)) continue;
      const StepSeries* one = nullptr;
      if (!find_one(group, step, one)) return false;
      if (!match_at(group, step, one, made)) return false;
    }
    return add_pairs(made);
  }

  bool match_at(const MatchGroup& group, std::size_t step, const StepSeries* one,
                HeldSeries& made) {
    std::size_t matched = 0;
    for (std::size_t i = 0; i < group.many.size(); ++i) {
      const StepSeries* many = group.many[i];
      const double value = many->values[step];
      if (is_absent(value)) continue;
      if (one == nullptr && !fill_of_one()) return true;
      ++matched;
      // Most often it is the pair of the step before.
      Pair*& pair = last_pairs_[i];
      if (pair == nullptr || pair->one != one) pair = pair_of(many, one, made);
      if (pair == nullptr) return false;
      if (!check_matches(matched, step, *pair)) return false;
      set(*pair, step, value, one == nullptr ? *fill_of_one() : one->values[step]);
    }
    if (matched > 0 || one == nullptr || !fill_of_many()) return true;
    Pair* pair = pair_of(nullptr, one, made);
    if (pair == nullptr) return false;
    set(*pair, step, *fill_of_many(), one->values[step]);
    return true;
  }

  struct Pair {
    const StepSeries* many;
    const StepSeries* one;
    StepSeries result;
    std::size_t label_number;
  };

  /// nullptr where too much is held.
  Pair* pair_of(const StepSeries* many, const StepSeries* one, HeldSeries& made) {
    const auto [at, is_new] = pair_places_.try_emplace(PairKey{many, one}, pairs_.size());
    if (!is_new) return &pairs_[at->second];
    Pair pair{many, one, result_of(many, one), 0};
    pair.label_number = number_of(pair.result.labels);
    const std::size_t bytes = label_bytes(pair.result.labels) + steps_.count * sizeof(double);
    if (!made.held.add(0, bytes)) return nullptr;
    pair.result.values.assign(steps_.count, absent());
    pairs_.push_back(std::move(pair));
    return &pairs_.back();
  }

  std::size_t number_of(const Labels& labels) {
    const auto [at, is_new] = label_numbers_.try_emplace(label_key(labels), last_matches_.size());
    if (is_new) last_matches_.push_back(0);
    return at->second;
  }

  bool check_matches(std::size_t matched, std::size_t step, const Pair& pair) {
    if (matching_.cardinality == Cardinality::kOneToOne) {
      if (matched == 1) return true;
      return evaluation_.fail_at(node_.op_span,
                                 "multiple matches for labels: many-to-one matching must be "
                                 "explicit (group_left/group_right)");
    }
    std::size_t& last_match = last_matches_[pair.label_number];
    if (last_match == step + 1) {
      return evaluation_.fail_at(
          node_.op_span, "multiple matches for labels: grouping labels must ensure unique matches");
    }
    last_match = step + 1;
    return true;
  }

  StepSeries result_of(const StepSeries* many, const StepSeries* one) const {
    StepSeries result;
    result.labels = many == nullptr ? choice_.chosen(one->labels) : many->labels;
    result.drop_name = many != nullptr && many->drop_name;
    const Labels others = one == nullptr ? choice_.chosen(many->labels) : one->labels;
    if (changes_meaning(node_.op)) erase_name(result.labels);
    if (matching_.cardinality == Cardinality::kOneToOne) keep_matching_labels(result.labels);
    for (const std::string& name : matching_.include) {
      const std::string_view value = others.get(name);
      if (value.empty()) {
        result.labels.erase(name);
      } else {
        result.labels.set(name, std::string(value));
      }
    }
    if (node_.return_bool) drop_name(result, evaluation_.options());
    return result;
  }
  void keep_matching_labels(Labels& labels) const {
    if (matching_.on) {
      labels = choice_.chosen(labels);
      return;
    }
    for (const std::string& name : matching_.labels) labels.erase(name);
  }

  void set(Pair& pair, std::size_t step, double many, double one) const {
    const double left = is_swapped_ ? one : many;
    const double right = is_swapped_ ? many : one;
    const ElementResult result = element_result(node_.op, left, right);
    if (node_.return_bool) {
      pair.result.values[step] = result.is_kept ? 1 : 0;
    } else if (result.is_kept) {
      pair.result.values[step] = result.value;
    }
  }

  bool add_pairs(HeldSeries& made) {
    pair_places_.clear();
    label_numbers_.clear();
    last_matches_.clear();
    for (Pair& pair : pairs_) {
      const std::size_t present = count_present(pair.result.values);
      if (present == 0) continue;
      if (!made.held.add(present, 0)) return false;
      made.list.push_back(std::move(pair.result));
    }
    return true;
  }

  struct PairKey {
    const StepSeries* many;
    const StepSeries* one;
    bool operator==(const PairKey& other) const { return many == other.many && one == other.one; }
  };
  struct HashOfPair {
    std::size_t operator()(const PairKey& key) const {
      const std::hash<const StepSeries*> hash;
      return hash(key.many) * 31 + hash(key.one);
    }
  };

  const BinaryExpr& node_;
  const VectorMatching& matching_;
  const bool is_swapped_;
  LabelChoice choice_;
  Steps steps_;
  Evaluation& evaluation_;
  const std::vector<StepSeries>* many_ = nullptr;
  const std::vector<StepSeries>* one_ = nullptr;
  std::vector<MatchGroup> groups_;
  std::vector<bool> usable_;
  std::deque<Pair> pairs_;
  std::unordered_map<PairKey, std::size_t, HashOfPair> pair_places_;
  std::vector<Pair*> last_pairs_;  ///< by series of the side "many"
  /// The labels of results in the group that is matched, and the step after the last one at which
  /// each was there.
  KeyMap<std::size_t> label_numbers_;
  std::vector<std::size_t> last_matches_;
};

}  // namespace

StreamPtr open_vector_matching(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation) {
  StreamPtr stream = late(evaluation, [&node, steps, &evaluation](HeldSeries& made) {
    Pairing(node, steps, evaluation).run(made);
  });
  return unique(std::move(stream), evaluation, steps);
}

}  // namespace monitoring::promql
