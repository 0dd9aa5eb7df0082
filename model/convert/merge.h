// A package without adapter: the LoRA adapter is added to a dense base, W + scale B A, and the result is
// compared with the package on golden pairs.
//
// Sums are fp32, each weight is rounded once, to the type it is stored in. That rounding is the loss: beside
// a weight in bf16 (8 bits) most of an adapter's small change vanishes. A quantized base is refused, as
// rounding the sum to 4 or 8 bits again would undo the adapter.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/atomic_file.h"
#include "base/result.h"
#include "model/convert/quantize.h"

namespace preferd::convert {

enum class MergedType { kKept, kF32, kBF16, kF16 };  // kKept: each tensor as the base has it

struct MergeOptions {
  std::string adapter;  // name; empty: the default
  MergedType type = MergedType::kKept;
  // Largest difference of a logit on golden pairs; absent: kMergedTolerance of the type.
  std::optional<double> tolerance;
  std::size_t shard_bytes = 5'000'000'000;
  int threads = 1;
};

// What rounding costs: of ten packages of tests/fixtures the worst logits were off by 4.8e-5 (fp32), 2.3e-2
// (fp16) and 2.2e-1 (bf16), where logits spread over ten and more.
struct MergedTolerance {
  double fp32 = 1e-3, fp16 = 3e-2, bf16 = 3e-1;
};

struct MergeReport {
  std::string adapter;
  std::size_t projections = 0, replaced = 0;  // linears and embeddings added to; modules_to_save put in place
  std::size_t pairs = 0, flips = 0;           // of golden pairs; winners that changed
  double worst_logit = 0, worst_probability = 0, tolerance = 0;
  bool unties = false;  // the LM head was the input embedding and is a tensor of its own now
};

// Reads `package`, lays the merged one down in `folder`, and checks it against the package on the golden
// pairs (the generic ones where there are none). The caller commits where the report says so. Errors: a
// package without adapter, a quantized base, a value that the type cannot hold, as loading has. A difference
// above the tolerance is no error: worst_logit > tolerance says it.
Result<MergeReport> merge_package(const std::string& package, const MergeOptions& options,
                                  AtomicFolder& folder, const ByteProgress& progress);

}  // namespace preferd::convert
