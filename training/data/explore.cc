#include "training/data/explore.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/utf8.h"
#include "training/data/identity.h"
#include "training/data/reader.h"

namespace preferd::training {
namespace {

constexpr std::size_t kProgressEvery = 256;

enum class Outcome : std::uint8_t { kA, kB, kTie, kUnlabelled };

Outcome outcome_of(const Target& t) {
  if (t[0] + t[1] + t[2] == 0) return Outcome::kUnlabelled;
  return static_cast<Outcome>(std::max_element(t.begin(), t.end()) - t.begin());
}

Outcome exchanged(Outcome o) { return o == Outcome::kA ? Outcome::kB : o == Outcome::kB ? Outcome::kA : o; }

void count(Outcomes& into, Outcome o) {
  ++(o == Outcome::kA     ? into.model_a
     : o == Outcome::kB   ? into.model_b
     : o == Outcome::kTie ? into.tie
                          : into.unlabelled);
}

Outcomes& named(std::map<std::string, Outcomes>& counts, const std::string& name) {
  if (counts.size() < kMaxNames || counts.contains(name)) return counts[name];
  return counts[kOtherNames];
}

class Split {
 public:
  Split(SplitFacts& facts, const ExploreOptions& options) : facts_(facts), options_(options) {}

  void add(const Example& example) {
    const Outcome outcome = outcome_of(example.target);
    ++facts_.rows;
    count(facts_.outcomes, outcome);
    count(named(facts_.by_source, example.source), outcome);
    count(named(facts_.by_language, example.language), outcome);
    add_identity(example.pair, outcome);
    add_lengths(example.pair, outcome);
    if (options_.count_tokens) add_tokens(example.pair);
    if (outcome == Outcome::kUnlabelled) return;
    add_game(example.model_a, outcome);
    add_game(example.model_b, exchanged(outcome));
  }

  void finish() {
    facts_.prompts = groups_.size();
    for (auto& [name, record] : models_) {
      record.name = name;
      facts_.models.push_back(record);
    }
    std::sort(facts_.models.begin(), facts_.models.end(), [](const ModelRecord& a, const ModelRecord& b) {
      return a.games() != b.games() ? a.games() > b.games() : a.name < b.name;
    });
  }

  const std::unordered_map<Key, Outcome, KeyHash>& pairs() const { return pairs_; }
  const std::unordered_set<std::uint64_t>& groups() const { return groups_; }

 private:
  void add_identity(const text::Pair& pair, Outcome outcome) {
    const Identity identity = identity_of(pair);
    groups_.insert(identity.group);
    const Outcome sorted = identity.exchanged ? exchanged(outcome) : outcome;
    const auto [it, fresh] = pairs_.emplace(identity.key, sorted);
    if (fresh) return;
    const bool is_unlabelled = sorted == Outcome::kUnlabelled || it->second == Outcome::kUnlabelled;
    ++(is_unlabelled || it->second == sorted ? facts_.repeated : facts_.contradictory);
  }

  void add_lengths(const text::Pair& pair, Outcome outcome) {
    const std::size_t a = utf8::length(pair.response_a), b = utf8::length(pair.response_b);
    facts_.prompt_chars.add(utf8::length(pair.prompt));
    facts_.response_chars.add(a);
    facts_.response_chars.add(b);
    if ((outcome != Outcome::kA && outcome != Outcome::kB) || a == b) return;
    ++facts_.different_length;
    facts_.longer_won += (outcome == Outcome::kA) == (a > b) ? 1 : 0;
  }

  void add_tokens(const text::Pair& pair) {
    const std::size_t prompt = options_.count_tokens(pair.prompt);
    const std::size_t a = options_.count_tokens(pair.response_a), b = options_.count_tokens(pair.response_b);
    facts_.prompt_tokens.add(prompt);
    facts_.response_tokens.add(a);
    facts_.response_tokens.add(b);
    facts_.pair_tokens.add(prompt + a + b);
  }

  void add_game(const std::string& model, Outcome outcome) {
    if (model.empty()) return;
    if (models_.size() == kMaxModels && !models_.contains(model)) {
      ++facts_.unranked_games;
      return;
    }
    ModelRecord& record = models_[model];
    ++(outcome == Outcome::kA ? record.wins : outcome == Outcome::kB ? record.losses : record.ties);
  }

  SplitFacts& facts_;
  const ExploreOptions& options_;
  std::unordered_map<Key, Outcome, KeyHash> pairs_;  // outcome of the first occurrence; responses are sorted
  std::unordered_set<std::uint64_t> groups_;
  std::unordered_map<std::string, ModelRecord> models_;
};

template <class Set, class Known, class KeyOf>
std::uint64_t common(const Set& a, const Known& b, KeyOf key_of) {
  return static_cast<std::uint64_t>(
      std::count_if(a.begin(), a.end(), [&](const auto& x) { return b.contains(key_of(x)); }));
}

}  // namespace

Result<DataFacts> explore(const ExploreOptions& options, const DataEvents& events) {
  DataFacts facts;
  Split train(facts.train, options), valid(facts.valid, options);
  const std::size_t files = options.train.size() + options.valid.size();
  std::size_t done = 0;
  for (auto [paths, split, own] :
       {std::tuple{&options.train, &train, &facts.train}, std::tuple{&options.valid, &valid, &facts.valid}})
    for (const std::string& path : *paths) {
      auto reader = ExampleReader::open(path, options.rule);
      if (!reader) return reader.error();
      for (std::size_t rows = 1;; ++rows) {
        const auto next = (*reader)->next();
        if (!next) return next.error();
        if (!*next) break;
        const ExampleRead& row = **next;
        if (row.fault.empty()) {
          split->add(row.example);
        } else {
          ++own->bad;
          if (facts.bad_rows.size() < kListedRows) {
            facts.bad_rows.push_back(row.fault);
            if (events.bad_row) events.bad_row(row.fault);
          }
        }
        if (events.progress && rows % kProgressEvery == 0)
          events.progress((static_cast<double>(done) + (*reader)->progress().value_or(0)) /
                          static_cast<double>(files));
      }
      ++done;
      if (events.progress) events.progress(static_cast<double>(done) / static_cast<double>(files));
    }
  train.finish();
  valid.finish();
  facts.shared_prompts = common(valid.groups(), train.groups(), [](std::uint64_t g) { return g; });
  facts.shared_pairs = common(valid.pairs(), train.pairs(), [](const auto& kv) { return kv.first; });
  return facts;
}

}  // namespace preferd::training
