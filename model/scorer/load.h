// From a folder to a scorer. Names no torch.
#pragma once

#include <memory>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/device.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// On the CPU kAuto is int16 where the golden pairs agree within its tolerance (or there are none, or they are
// skipped), else fp32; never int8, whose tolerance is wider: who takes it asks for it. On a GPU kAuto is
// bf16, or fp8 by Residency::kFp8; kFp32 is ATen's; there are no integers.
enum class ComputeType { kAuto, kFp32, kInt16, kInt8 };
enum class Golden { kVerify, kSkip };

struct LoadOptions {
  int threads = 1;  // that compute on the CPU, the calling thread included
  ComputeType compute = ComputeType::kAuto;
  Golden golden = Golden::kVerify;
  std::vector<Device> devices = {Device{}};  // a replica on each
  Residency residency = Residency::kAuto;    // of GPUs
};

// A package, or an ensemble or cascade of them (model/package/composite.h), each member loaded once.
//
// Reads every file of the package, accounts for every tensor and, with Golden::kVerify, scores the golden
// pairs and compares their logits (golden_tolerance()). Errors name file and tensor, what was found and what
// was expected; or the device's memory, what is free and what is needed. kChanged: a file changed meanwhile.
Result<std::shared_ptr<Scorer>> load_scorer(std::shared_ptr<const Files> package, const LoadOptions& options);

}  // namespace preferd::scorer
