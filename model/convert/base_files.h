// The files of a Hugging Face model directory that are copied when a base is copied or rewritten: what
// transformers and the tokenizer read, licenses and cards, but not weights of other frameworks and not
// folders.
#pragma once

#include <set>
#include <string>

#include "base/atomic_file.h"
#include "base/result.h"

namespace preferd::convert {

enum class BaseFiles {
  kAll,  // including the safetensors of the model
  kWithoutWeights,
};

// Copies them from directory `from` (following links) to `to` under `folder` ("" = its root), except those in
// `except`.
Status copy_base_files(const std::string& from, BaseFiles which, const std::set<std::string>& except,
                       AtomicFolder& folder, const std::string& to);

}  // namespace preferd::convert
