// Rewards that another program computed beside those of an adopted package.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace preferd::convert {

struct RewardCheck {
  std::size_t compared = 0;  // rewards
  std::size_t off = 0;       // by more than the tolerance
  double worst = 0;
  std::string table;  // for people: a line a reward, then one about all
};

// Rows of JSON Lines or CSV with prompt and either response_a, response_b, reward_a and reward_b, or response
// and reward. Scores them in fp32. Errors: a bad row, with FILE:LINE; no rows; those of loading; a package whose
// logits are not rewards.
Result<RewardCheck> check_rewards(const std::shared_ptr<const Files>& package, const std::string& path,
                                  double tolerance, int threads);

}  // namespace preferd::convert
