// What computes a package: the body on a device and its heads on the CPU. Includes torch; internal to the
// room.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "model/ops/compute.h"
#include "model/scorer/adapted_model.h"
#include "model/scorer/load.h"
#include "model/scorer/packer.h"

namespace preferd::scorer {

struct Engine {
  std::shared_ptr<ops::Compute> body, heads;  // on the CPU one backend; heads are computed in fp32
  ForwardLimits limits;
  std::string device;     // "cpu", "cuda:0 NVIDIA H200"
  std::string compute;    // "fp32", "int16", "bf16", "fp8"
  std::string residency;  // for a GPU's own kernels; otherwise empty
};

// Where and how one replica computes.
struct Placement {
  Device device;
  ComputeType compute = ComputeType::kAuto;
  Residency residency = Residency::kAuto;
  std::int64_t bf16_layers = 0;  // kFp8: how many of the first layers are kDense (fp8_layers.h)
};

// `cpu` is shared by packages. Errors: a device or arithmetic that does not exist, weights that do not fit.
Result<Engine> make_engine(const Placement& placement, std::shared_ptr<ops::Compute> cpu,
                           const AdaptedModel& model);

}  // namespace preferd::scorer
