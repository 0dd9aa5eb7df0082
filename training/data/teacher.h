// Teacher labels: JSON Lines, plain or gzip, one object a row:
//
//   {"id": ..., "probabilities": {"model_a": p, "model_b": p[, "tie": p]}[, "logits": [1 to 3 numbers]]
//    [, "embedding": [numbers, as many in every row]]}
//
// An id may stand once in each file. Several files are several teachers, whose means are taken, or shards of
// one: every id must stand in as many files as any other. Embeddings have no mean: those of
// one teacher are read, and only where they are asked for.
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

// The labels by slot; ids without a slot are passed over. Errors (kDataFault, the file's first is named): a
// malformed row, numbers out of range, probabilities that do not sum to 1 (within 1e-3), logits of different
// counts, an id twice in a file; ids that no file has, or that fewer files have than others: their count and
// some of them, as name(slot) says. With `embeddings` every row has one, which goes there;
// null: they are passed over.
Result<std::vector<TeacherLabel>> read_teachers(const std::vector<std::string>& files, const Slots& slots,
                                                const std::function<std::string(std::uint32_t)>& name,
                                                EmbeddingWriter* embeddings);

}  // namespace preferd::training
