// A dense Hugging Face checkpoint becomes one that bitsandbytes quantized: what transformers and preferd load
// as it is.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/atomic_file.h"
#include "base/result.h"
#include "model/checkpoint/weights.h"

namespace preferd::convert {

struct QuantizeOptions {
  checkpoint::Quantization form;  // scheme other than kNone; the names of `skip` are without "model."
  std::size_t shard_bytes = 5'000'000'000;
  int threads = 1;
};

struct QuantizeReport {
  std::string family;
  std::size_t quantized = 0, dense = 0;  // tensors of the input
  std::size_t bytes_in = 0, bytes_out = 0, shards = 0;
};

using ByteProgress = std::function<void(std::size_t done, std::size_t all)>;

// Quantizes every linear of the body (attention and MLP) but for those skipped; the rest is copied as it is,
// the LM head and heads too. Writes weights, config.json with bitsandbytes' quantization_config, tokenizer
// and other files into `folder`; the caller commits it. Memory holds one weight at a time.
//
// Errors: no family of ours, a missing, stray, misshapen or non-finite tensor, weights of another type than
// 16 or 32 bit floats, an input that is quantized already, a `skip` that skips nothing, what the system says
// of a file.
Result<QuantizeReport> quantize_checkpoint(const std::string& input, const QuantizeOptions& options,
                                           AtomicFolder& folder, const ByteProgress& progress);

}  // namespace preferd::convert
