// Writes a package to disk, which preferd serves and scores without further steps.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"
#include "training/model/package_files.h"

namespace preferd::training {

// What stays the same during a run.
struct PackageForm {
  Json json;             // package.json
  Json adapter_config;   // adapter/adapter_config.json; null = no adapter
  std::string features;  // features.safetensors; empty = none
  AdapterDtype adapter_dtype = AdapterDtype::kFp32;
  bool copy_base = false;     // copies the base's files unchanged; a trained base is in the package anyway
  std::string weight_prefix;  // the family's prefix, for a trained base: "model."
  std::shared_ptr<const Files> base;  // its files are written into the package unchanged; null: none
};

struct Finish {
  double temperature = 1;
  std::string golden{};  // golden.jsonl; empty = none
};

// Replaces `target` in one step. A base that was trained, or copied, is in the package; otherwise its
// absolute path is stored. Errors: file errors of the system.
Status write_package(const std::string& target, const PackageForm& form, const PackageTensors& tensors,
                     const Finish& finish);

}  // namespace preferd::training
