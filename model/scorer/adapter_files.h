// A package's PEFT adapters as files: read and accounted for, without building weights. Names no torch.
#pragma once

#include <string>

#include "base/result.h"
#include "model/checkpoint/peft.h"
#include "model/scorer/model_shape.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::scorer {

struct AdapterFiles {
  checkpoint::PeftAdapter peft;
  std::string folder;  // its name, for messages
};

// Requires spec.path. `shape` is the package's own. Errors: a missing folder, and those of read_peft.
Result<AdapterFiles> read_adapter(const PairEncoder& encoder, const ModelShape& shape,
                                  const package::AdapterSpec& spec);

}  // namespace preferd::scorer
