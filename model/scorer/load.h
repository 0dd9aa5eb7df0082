// From a folder to a scorer. Names no torch.
#pragma once

#include <memory>

#include "base/files.h"
#include "base/result.h"
#include "base/words.h"
#include "model/scorer/device.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// On the CPU, kAuto means int16 if the golden pairs agree within its tolerance (or there are none, or they
// are skipped), otherwise fp32. It never means int8, whose tolerance is wider: int8 must be asked for. On a
// GPU, kAuto means bf16, or fp8 with Residency::kFp8; kFp32 means ATen; integers are not available.
enum class ComputeType { kAuto, kFp32, kInt16, kInt8 };
constexpr auto words(ComputeType) {
  return word_list<ComputeType>({{"auto", ComputeType::kAuto},
                                 {"fp32", ComputeType::kFp32},
                                 {"int16", ComputeType::kInt16},
                                 {"int8", ComputeType::kInt8}});
}
enum class Golden { kVerify, kSkip };

struct LoadOptions {
  int threads = 1;  // that compute on the CPU, including the calling thread
  ComputeType compute = ComputeType::kAuto;
  Golden golden = Golden::kVerify;
  std::vector<Device> devices = {Device{}};  // one replica on each
  Residency residency = Residency::kAuto;    // of GPUs
};

// Loads a package, or an ensemble or cascade of packages (model/package/composite.h), whose members are
// loaded once each.
//
// Reads every file of the package, accounts for every tensor and, with Golden::kVerify, scores the golden
// pairs and compares their logits (golden_tolerance()). Errors name file and tensor, what was found and what
// was expected; or the device's memory, what is free and what is needed. kChanged: a file changed during the
// load.
Result<std::shared_ptr<Scorer>> load_scorer(std::shared_ptr<const Files> package, const LoadOptions& options);

}  // namespace preferd::scorer
