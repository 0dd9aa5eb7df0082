// The examples of a run: training and validation, without duplicates and without a prompt on both sides.
//
//   rows -> corpus -> duplicates -> ties -> split -> overlap -> limits -> teachers
//
// Examples are numbered as the corpus numbers its rows: in the order of the files, train before valid.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "training/data/corpus.h"
#include "training/data/embeddings.h"
#include "training/data/options.h"
#include "training/data/select.h"

namespace preferd::training {

// The number of rows, and where they went.
struct DataCounts {
  std::size_t rows = 0, bad = 0;
  std::size_t repeated = 0, contradictory = 0;           // duplicates, with the same or with another label
  std::size_t ties_dropped = 0, ties_dropped_valid = 0;  // on both sides; on the validation side only
  std::size_t unlabelled_valid = 0;  // rows of Labels::kTeacher on the validation side, which cannot validate
  std::size_t shared_prompts = 0, shared_pairs = 0, dropped_overlap = 0;
  std::size_t over_limit = 0;
  std::size_t train = 0, valid = 0;
};

// Immutable; any thread.
class Dataset {
 public:
  // Errors: those of Corpus::open; impossible options (no files, both valid files and a share, ties kept with
  // two classes, a source rule that no row has); data errors (kDataFault): overlap with Overlap::kError,
  // missing teacher labels, two examples with the same id when teachers are read, a side without examples.
  static Result<std::shared_ptr<const Dataset>> open(const DataOptions& options,
                                                     const std::string& work_folder,
                                                     const DataEvents& events);

  const Numbers& train() const { return train_; }
  const Numbers& valid() const { return valid_; }
  const DataCounts& counts() const { return counts_; }
  const Corpus& corpus() const { return *corpus_; }

  // From memory. Targets are final: ties are halved if the options say so; an unlabelled row has the
  // teacher's target.
  Target target(std::uint32_t example) const;
  double weight(std::uint32_t example) const;
  // Null if there is none. With two classes a teacher's tie is halved.
  const TeacherLabel* teacher(std::uint32_t example) const;
  // The number of values in a teacher's embedding; 0 if none were read.
  std::size_t embedding_numbers() const;
  // Requires embedding_numbers() > 0 and a training example. Errors: TeacherEmbeddings::load.
  Result<std::vector<float>> teacher_embedding(std::uint32_t example) const;
  const std::string& source(std::uint32_t example) const;
  const std::string& language(std::uint32_t example) const;

  // With its texts, in one read from disk. Errors: Corpus::load.
  Result<Example> load(std::uint32_t example) const;

 private:
  Status select(const DataOptions& options);
  Status separate(const DataOptions& options);
  Status join_teachers(const DataOptions& options, const std::string& work_folder);
  Numbers without_ties(const Numbers& from);
  Numbers within_limits(const DataOptions& options, const Numbers& from);

  std::shared_ptr<const Corpus> corpus_;
  std::vector<SourceRule> rules_;  // by source
  int classes_ = 2;
  Numbers train_, valid_;
  DataCounts counts_;
  std::vector<std::uint32_t> teacher_slots_;  // by example; kNoTeacher
  std::vector<TeacherLabel> teachers_;        // by slot
  std::shared_ptr<const TeacherEmbeddings> embeddings_;
};

}  // namespace preferd::training
