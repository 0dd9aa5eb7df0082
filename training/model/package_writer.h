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

// What of the base is in the package.
enum class StoredBase {
  kNone,     // its absolute path is stored
  kCopied,   // its files, unchanged
  kTrained,  // its files, with the weights that were trained
};

// What stays the same during a run.
struct PackageForm {
  Json json;                  // package.json
  Json adapter_config;        // adapter/adapter_config.json; null = no adapter
  std::string features;       // features.safetensors; empty = none
  std::string chat_template;  // chat_template.jinja; empty = none
  AdapterDtype adapter_dtype = AdapterDtype::kFp32;
  StoredBase stored_base = StoredBase::kNone;
  std::string weight_prefix;          // the family's prefix, for a trained base: "model."
  std::shared_ptr<const Files> base;  // kCopied: the base, where no path leads to it; null: at its path
};

// What is known once a package has been scored.
struct Finish {
  double temperature = 1;
  std::string golden{};  // golden.jsonl; empty = none
};

// Replaces `target` in one step. Errors: file errors of the system.
Status write_package(const std::string& target, const PackageForm& form, const PackageTensors& tensors);

// Adds `finish` to the package in `target`, which was written with the same form; what an earlier call added
// is replaced. The package is whole at any moment: golden pairs, which hold for the weights in any case,
// come before the package.json that names them. Errors: file errors of the system.
Status finish_package(const std::string& target, const PackageForm& form, const Finish& finish);

}  // namespace preferd::training
