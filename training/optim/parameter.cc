#include "training/optim/parameter.h"

#include "base/check.h"

namespace preferd::training {

const char* group_name(ParameterGroup group) {
  switch (group) {
    case ParameterGroup::kAdapterA: return "adapter_a";
    case ParameterGroup::kAdapterB: return "adapter_b";
    case ParameterGroup::kBase: return "base";
    case ParameterGroup::kFeatures: return "features";
    case ParameterGroup::kHead: return "head";
  }
  PREFERD_CHECK(false);
}

}  // namespace preferd::training
