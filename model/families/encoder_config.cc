#include "model/families/encoder_config.h"

#include <string>

namespace preferd::families {

void check_types(checkpoint::Fields& config, std::int64_t types, const BodyOptions& options) {
  if (options.second_type_after && types < 2)
    config.fail("type_vocab_size is " + std::to_string(types) +
                ", expected at least 2 for base.second_type_after of package.json");
}

void check_places(checkpoint::Fields& config, std::int64_t usable, const BodyOptions& options) {
  if (options.positions > usable)
    config.fail("max_position_embeddings is " + std::to_string(usable) +
                ", below input.max_tokens of package.json, " + std::to_string(options.positions));
}

}  // namespace preferd::families
