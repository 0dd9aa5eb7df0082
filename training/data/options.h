// What a run reads, and which rows of it are used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/words.h"
#include "training/data/corpus.h"
#include "training/data/labels.h"

namespace preferd::training {

// For rows whose most likely outcome is a tie: kKeep requires three classes; kHalf gives half of the tie to
// each response; kAuto keeps ties with three classes and drops them with two. With two classes the tie's
// share of other soft labels is halved too.
enum class Ties { kAuto, kKeep, kHalf, kDrop };
constexpr auto words(Ties) {
  return word_list<Ties>(
      {{"auto", Ties::kAuto}, {"keep", Ties::kKeep}, {"half", Ties::kHalf}, {"drop", Ties::kDrop}});
}

struct SourceRule {
  double weight = 1;  // of the loss of each example; > 0
  Ties ties = Ties::kAuto;
  std::optional<std::size_t> limit;  // at most so many examples per split: those with the smallest hashes
  Labels labels = Labels::kAuto;
};

// What happens to a prompt on both sides. kDropFromTrain: its training rows are dropped.
enum class Overlap { kError, kDropFromTrain, kAllow };
constexpr auto words(Overlap) {
  return word_list<Overlap>(
      {{"error", Overlap::kError}, {"drop_from_train", Overlap::kDropFromTrain}, {"allow", Overlap::kAllow}});
}
enum class Duplicates { kDrop, kKeep };
constexpr auto words(Duplicates) {
  return word_list<Duplicates>({{"drop", Duplicates::kDrop}, {"keep", Duplicates::kKeep}});
}
enum class ReadEmbeddings { kNo, kYes };

struct DataOptions {
  std::string folder;                     // folder of files with a relative name; "" = the current folder
  std::vector<std::string> train, valid;  // files
  double valid_share = 0;  // share of the prompts of `train`, if there are no `valid` files; [0, 1)
  std::uint64_t split_seed = 0;
  std::map<std::string, SourceRule> sources;  // by the rows' source; each name must occur
  SourceRule other_sources;                   // the rule for sources that are not named
  Ties valid_ties = Ties::kAuto;              // for the validation side, besides its sources' rules
  Overlap overlap = Overlap::kError;
  Duplicates duplicates = Duplicates::kDrop;
  BadRows bad_rows = BadRows::kStop;
  rows::InvalidText invalid_text = rows::InvalidText::kError;  // of rows
  std::vector<std::string> teachers;                           // files that `trainer label` wrote (teacher.h)
  ReadEmbeddings embeddings = ReadEmbeddings::kNo;             // of the teachers
  int classes = 2;  // of the package that is trained: 2, or 3 with ties

  // The same with `folder` put before every relative name.
  DataOptions resolved() const;

  const SourceRule& rule(const std::string& source) const {
    const auto it = sources.find(source);
    return it == sources.end() ? other_sources : it->second;
  }
};

}  // namespace preferd::training
