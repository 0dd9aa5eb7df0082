// Teacher labels: JSON Lines, plain or gzip, one object per row:
//
//   {"id": ..., "probabilities": {"model_a": p, "model_b": p[, "tie": p]}[, "logits": [1 to 3 numbers]]
//    [, "embedding": [numbers, as many in every row]]}
//
// An id may occur once in each file. Several files are several teachers, whose means are taken, or shards of
// one: every id must occur in the same number of files. Embeddings have no mean: they are read from one
// teacher, and only if they are requested.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "training/data/embeddings.h"
#include "training/data/example.h"
#include "training/data/identity.h"

namespace preferd::training {

using Slots = std::unordered_map<Key, std::uint32_t, KeyHash>;  // id_key -> [0, size)

// The labels by slot; ids without a slot are skipped. Errors (kDataFault, naming the first one of the file):
// a malformed row, numbers out of range, probabilities that do not sum to 1 (within 1e-3), different numbers
// of logits, an id that occurs twice in a file; ids that no file has, or that fewer files have than others:
// their count and some of them, as given by name(slot). With `embeddings` every row must have one, which is
// stored there; null: embeddings are skipped.
Result<std::vector<TeacherLabel>> read_teachers(const std::vector<std::string>& files, const Slots& slots,
                                                const std::function<std::string(std::uint32_t)>& name,
                                                EmbeddingWriter* embeddings);

}  // namespace preferd::training
