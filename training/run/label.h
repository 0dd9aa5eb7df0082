// Writes a teacher's answers to the rows of a file, for `data.teachers` of another run.
//
//   {"id": ..., "probabilities": {"model_a": p, "model_b": p[, "tie": p]}, "logits": [...]}
//
// Rows need no label. Lines are in the order of the rows, and each chunk is flushed before the next is read;
// a run that was stopped continues after the last complete line, whose row it finds by its id.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "training/model/trainable_model.h"

namespace preferd::training {

enum class LabelOrders { kGiven, kBoth };  // kBoth: the mean of a pair's probabilities in both orders
enum class Embeddings { kNone, kWrite };   // kWrite: "embedding", the pooled states of the given order

struct LabelOptions {
  std::vector<std::string> inputs;
  std::string output;
  LabelOrders orders = LabelOrders::kGiven;
  Embeddings embeddings = Embeddings::kNone;
  std::int64_t batch_tokens = 16384;
  int threads = 1;  // threads that encode
};

struct LabelCounts {
  std::uint64_t rows = 0, kept = 0, failed = 0;  // kept: lines that existed already
  std::int64_t tokens = 0;
};

struct LabelEvents {
  std::function<void(const LabelCounts&)> progress;
  std::function<void(const std::string& line)>
      bad_row;  // "FILE:LINE: why", for the first kListedRows; these rows get no line
};

// Errors: a file that cannot be read or written; an output whose lines are not those of these rows in their
// order.
Result<LabelCounts> label(TrainableModel& model, const LabelOptions& options, const LabelEvents& events);

}  // namespace preferd::training
