// What a run reads, and what it takes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "training/data/corpus.h"
#include "training/data/labels.h"

namespace preferd::training {

// Of rows whose likeliest outcome is a tie: kKeep needs three classes; kHalf gives half of the tie to each
// response; kAuto keeps with three classes and drops with two. With two classes the tie's share of other soft
// labels is halved too.
enum class Ties { kAuto, kKeep, kHalf, kDrop };

struct SourceRule {
  double weight = 1;  // of each example's loss; > 0
  Ties ties = Ties::kAuto;
  std::optional<std::size_t> limit;  // at most so many examples a split: those with the smallest hashes
  Labels labels = Labels::kAuto;
};

// A prompt on both sides. kDropFromTrain: its training rows go.
enum class Overlap { kError, kDropFromTrain, kAllow };
enum class Duplicates { kDrop, kKeep };
enum class ReadEmbeddings { kNo, kYes };

struct DataOptions {
  std::string folder;                     // where files with a relative name lie; "" = where the process is
  std::vector<std::string> train, valid;  // files
  double valid_share = 0;  // of the prompts of `train`, when there are no `valid` files; [0, 1)
  std::uint64_t split_seed = 0;
  std::map<std::string, SourceRule> sources;  // by the rows' source; each name must occur
  SourceRule other_sources;                   // the rule of those not named
  Ties valid_ties = Ties::kAuto;              // of the validation side, besides its sources' rules
  Overlap overlap = Overlap::kError;
  Duplicates duplicates = Duplicates::kDrop;
  BadRows bad_rows = BadRows::kStop;
  std::vector<std::string> teachers;                // files that `trainer label` wrote (teacher.h)
  ReadEmbeddings embeddings = ReadEmbeddings::kNo;  // of the teachers
  int classes = 2;                                  // of the package in training: 2, or 3 with ties

  // The same with `folder` put before every relative name.
  DataOptions resolved() const;

  const SourceRule& rule(const std::string& source) const {
    const auto it = sources.find(source);
    return it == sources.end() ? other_sources : it->second;
  }
};

}  // namespace preferd::training
