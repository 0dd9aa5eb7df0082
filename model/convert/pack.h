// From parts to a package: a base, PEFT adapters, a head and feature statistics are put together, loaded
// strictly, scored for golden logits, and loaded again from what was written.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/result.h"
#include "model/convert/labels.h"
#include "model/convert/manifest_template.h"

namespace preferd::convert {

struct PackOptions {
  enum class Base { kCopied, kLinked };  // kLinked: its absolute path is written

  std::string base;  // model directory; empty: the manifest's base.path
  std::vector<std::pair<std::string, std::string>> adapters;  // name ("" for a single one) and PEFT directory
  std::string head, features;  // safetensors files; empty: as the manifest says
  Base placed = Base::kCopied;
  // A package.json whose paths are relative to its own folder; the options above replace what it says.
  // Without it the manifest is made from the template. "golden" in it is ignored.
  std::string manifest;
  TemplateOptions template_options;
  std::optional<OrderedJson> quantization;  // section; absent: the manifest's, or what the base's files imply
  Labels labels;                            // of the head, if they are in another order than ours
  // 16 rows or more (the first 64 count); empty: the generic pairs. Logits that they bring are compared with
  // the package's own.
  std::string golden_rows;
  int threads = 1;
};

struct PackReport {
  std::size_t compared = 0;  // number of golden rows whose own logits agree with the package's
};

// Writes the package to `folder`, which the caller commits. In a package with several adapters, rows that
// name none are assigned to them in turn. Errors: those of loading, with the paths of the parts; fewer than
// 16 rows; a row that cannot be scored, or whose logits differ.
Result<PackReport> make_package(const PackOptions& options, AtomicFolder& folder);

}  // namespace preferd::convert
