// Makes a package without an adapter: the LoRA adapter is added to a dense base, W + scale B A, and the
// result is compared with the package on golden pairs.
//
// A head that the base had before (score.weight) is replaced by the adapter's where that has the same name, and
// is left out otherwise: what the merged base holds is what the package computes.
//
// Sums are fp32, and each weight is rounded once, to the type in which it is stored. That rounding is the
// loss: with a weight in bf16 (8 bits) most of an adapter's small change vanishes. A quantized base is
// refused, because rounding the sum to 4 or 8 bits again would undo the adapter.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/atomic_file.h"
#include "base/result.h"
#include "base/words.h"
#include "model/convert/quantize.h"

namespace preferd::convert {

enum class MergedType { kKept, kF32, kBF16, kF16 };  // kKept: each tensor keeps the base's type
constexpr auto words(MergedType) {
  return word_list<MergedType>({{"keep", MergedType::kKept},
                                {"fp32", MergedType::kF32},
                                {"bf16", MergedType::kBF16},
                                {"fp16", MergedType::kF16}});
}

struct MergeOptions {
  std::string adapter;  // name; empty: the default
  MergedType type = MergedType::kKept;
  // The largest difference of a logit that is accepted on golden pairs; absent: the MergedTolerance of the type.
  std::optional<double> tolerance;
  std::size_t shard_bytes = 5'000'000'000;
  int threads = 1;
};

// What rounding costs: the worst logits of ten packages of tests/fixtures were off by 4.8e-5 (fp32), 2.3e-2
// (fp16) and 2.2e-1 (bf16), where logits spread over ten and more.
struct MergedTolerance {
  double fp32 = 1e-3, fp16 = 3e-2, bf16 = 3e-1;
};

struct MergeReport {
  std::string adapter;
  std::size_t projections = 0, replaced = 0;  // number of linears and embeddings that were added to; number
                                              // of modules_to_save put in place
  std::size_t pairs = 0, flips = 0;           // number of golden pairs; number of winners that changed
  double worst_logit = 0, worst_probability = 0, tolerance = 0;
  bool unties = false;  // whether the LM head was the input embedding and is now a tensor of its own
};

// Reads `package`, writes the merged one to `folder`, and compares it with the package on the golden pairs
// (the generic ones if there are none). The caller commits if the report allows it. Errors: a package without
// an adapter, a quantized base, a value that the type cannot hold, and those of loading. A difference above
// the tolerance is not an error: worst_logit > tolerance reports it.
Result<MergeReport> merge_package(const std::string& package, const MergeOptions& options,
                                  AtomicFolder& folder, const ByteProgress& progress);

}  // namespace preferd::convert
