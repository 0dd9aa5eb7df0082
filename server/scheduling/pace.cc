#include "server/scheduling/pace.h"

#include <algorithm>

namespace preferd::server {
namespace {
constexpr std::size_t kFirstBatch = 512;  // tokens
constexpr double kNewest = 0.2;           // weight of the latest batch in the average
}  // namespace

std::size_t Pace::budget() const {
  if (options_.batch_time.count() == 0) return options_.batch_tokens;
  const double seconds = std::chrono::duration<double>(options_.batch_time).count();
  const double tokens = measured() ? tokens_per_second() * seconds : static_cast<double>(kFirstBatch);
  if (tokens >= static_cast<double>(options_.batch_tokens)) return options_.batch_tokens;
  return std::max<std::size_t>(static_cast<std::size_t>(tokens), 1);
}

void Pace::measure(std::size_t tokens, std::size_t budget, double seconds) {
  const double speed = static_cast<double>(tokens) / std::max(seconds, 1e-6);
  const auto blend = [&](double& average) {
    average = average > 0 ? (1 - kNewest) * average + kNewest * speed : speed;
  };
  blend(all_);
  if (tokens * 4 >= budget) blend(full_);
}

}  // namespace preferd::server
