// The files of a Hugging Face model directory that go along when a base is copied or rewritten: what
// transformers and the tokenizer read, licenses and cards; not the weights of other frameworks, not folders.
#pragma once

#include <set>
#include <string>

#include "base/atomic_file.h"
#include "base/result.h"

namespace preferd::convert {

enum class BaseFiles {
  kAll,  // with the safetensors that make up the model
  kWithoutWeights,
};

// Copies them from directory `from` (links are followed) to `to` under `folder` ("" = its root), but for
// `except`.
Status copy_base_files(const std::string& from, BaseFiles which, const std::set<std::string>& except,
                       AtomicFolder& folder, const std::string& to);

}  // namespace preferd::convert
