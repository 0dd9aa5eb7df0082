// A package's PEFT adapters as files: read and accounted for, no weights built. Names no torch.
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

// Requires spec.path. `shape` is the package's own. Errors: no such folder, as read_peft has.
Result<AdapterFiles> read_adapter(const PairEncoder& encoder, const ModelShape& shape,
                                  const package::AdapterSpec& spec);

}  // namespace preferd::scorer
