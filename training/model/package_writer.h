// Puts a package on disk: what preferd serves and scores as it is.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"
#include "training/model/package_files.h"

namespace preferd::training {

// What stays the same over a run.
struct PackageForm {
  Json json;             // package.json
  Json adapter_config;   // adapter/adapter_config.json; null = no adapter
  std::string features;  // features.safetensors; empty = none
  AdapterDtype adapter_dtype = AdapterDtype::kFp32;
  bool copy_base = false;     // the base's files as they are; a trained base lies in the package anyway
  std::string weight_prefix;  // of the family, for a trained base: "model."
  std::shared_ptr<const Files> base;  // whose files are written into the package as they are; null: none
};

struct Finish {
  double temperature = 1;
  std::string golden{};  // golden.jsonl; empty = none
};

// Replaces `target` in one step. A base that was trained, or copied, lies in the package; else its absolute
// path is kept. Errors: what the system says of a file.
Status write_package(const std::string& target, const PackageForm& form, const PackageTensors& tensors,
                     const Finish& finish);

}  // namespace preferd::training
