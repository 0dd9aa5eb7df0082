// What `base` gives to keys that a configuration leaves out: a Bradley-Terry reward model in the base's own
// chat template, each response scored alone after its prompt and one linear over the state of the last token,
// as TRL's RewardTrainer trains it.
//
//   output       runs/NAME-reward, NAME being the base's folder
//   huggingface  true
//   package      name, base, quantization (a base that is stored in it), input (layout conversation, at most
//                1,024 tokens), head (with skip_token, where config.json has a pad_token_id). An input of
//                another layout is taken whole from the configuration
//   adapter      targets: all linears of the body
//   data         valid_share .05, where no valid files are named
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace preferd::training {

// `config` is a configuration as it was written, defaults not filled in; unchanged without `base`. Errors: a
// base beside a start or a package.base; no model directory; a family without linears.
Status take_over_base(Json& config);

}  // namespace preferd::training
