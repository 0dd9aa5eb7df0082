// From a folder to a scorer. Names no torch.
#pragma once

#include <memory>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/scorer.h"

namespace preferd {

// kAuto: int16 where the golden pairs agree within its tolerance (or there are none, or they
// are skipped), else fp32. Never int8, whose tolerance is wider: who takes it asks for it.
enum class ComputeType { kAuto, kFp32, kInt16, kInt8 };
enum class Golden { kVerify, kSkip };

struct LoadOptions {
  int threads = 1;  // that compute, the calling thread included
  ComputeType compute = ComputeType::kAuto;
  Golden golden = Golden::kVerify;
};

// A package, or an ensemble or cascade of them (model/package/composite.h), each member loaded once.
//
// Reads every file of the package, accounts for every tensor and, with Golden::kVerify, scores the golden
// pairs and compares their logits (fp32: within 2e-4, int16: within 1e-2, int8:
// within 5e-2). Errors name file and tensor, what
// was found and what was expected.
Result<std::shared_ptr<Scorer>> load_scorer(std::shared_ptr<const Files> package, const LoadOptions& options);

}  // namespace preferd
