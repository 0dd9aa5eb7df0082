// Turns a dense Hugging Face checkpoint into one quantized by bitsandbytes, which transformers and preferd
// load without further steps.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/atomic_file.h"
#include "base/result.h"
#include "model/checkpoint/weights.h"

namespace preferd::convert {

struct QuantizeOptions {
  checkpoint::Quantization form;  // scheme other than kNone; the names in `skip` are without "model."
  std::size_t shard_bytes = 5'000'000'000;
  int threads = 1;
};

struct QuantizeReport {
  std::string family;
  std::size_t quantized = 0, dense = 0;  // numbers of tensors of the input
  std::size_t bytes_in = 0, bytes_out = 0, shards = 0;
};

using ByteProgress = std::function<void(std::size_t done, std::size_t all)>;

// Quantizes every linear of the body (attention and MLP) except those that are skipped; everything else is
// copied unchanged, including the LM head and heads. Writes weights, config.json with bitsandbytes'
// quantization_config, tokenizer and other files into `folder`; the caller commits it. Memory holds one
// weight at a time.
//
// Errors: an unsupported family; a missing, unexpected, misshapen or non-finite tensor; weights of a type
// other than 16 or 32 bit floats; an input that is quantized already; a `skip` that skips nothing; file
// errors of the system.
Result<QuantizeReport> quantize_checkpoint(const std::string& input, const QuantizeOptions& options,
                                           AtomicFolder& folder, const ByteProgress& progress);

}  // namespace preferd::convert
