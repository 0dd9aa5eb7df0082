// Who goes into the next batch. The queue's pure core: no threads, no clock of its own.
//
// Each lane is first come, first served, and bounded in tokens. Lanes share the model by credit (deficit
// round robin): while something waits in it, a lane earns `share` of the token budget with each batch, and
// spends it on its oldest pairs; what no credit claims goes to lanes in their order. So the first lane is
// served within one batch under any load of the others, and no lane starves: once a lane has saved up a whole
// budget it goes first. A pair that is larger than the budget travels alone. A batch holds pairs of one
// generation.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/http.h"

namespace preferd::scorer {
class Scorer;
}

namespace preferd::server {

class Call;

struct LaneOptions {
  std::string name;
  std::size_t max_tokens = 0;  // waiting at one time
  double share = 0;            // of the budget; shares add up to 1
};

// One pair that waits.
struct Waiting {
  std::shared_ptr<Call> call;
  std::size_t index = 0;  // in the call
  const scorer::Scorer* generation = nullptr;
  std::size_t tokens = 0;
  Clock::time_point since, deadline;
  std::size_t quota = 0;  // most tokens of this call in one batch; 0: no such limit
};

struct LaneState {
  std::size_t items = 0, tokens = 0;
  Clock::time_point oldest;  // meaningful when items > 0
};

// Not thread-safe.
class Lanes {
 public:
  explicit Lanes(std::vector<LaneOptions> options);

  std::size_t max_tokens(std::size_t lane) const { return lanes_[lane].options.max_tokens; }
  bool admits(std::size_t lane, std::size_t tokens) const;
  void add(std::size_t lane, Waiting waiting);

  // The next batch, empty only when nothing waits. Pairs whose deadline is not after `now` go to `expired`.
  std::vector<Waiting> take(std::size_t budget_tokens, Clock::time_point now, std::vector<Waiting>& expired);

  // Takes out what waits for `call`.
  std::vector<Waiting> remove(const Call* call);
  // Takes out everything.
  std::vector<Waiting> clear();

  bool empty() const { return total_tokens() == 0; }
  std::size_t total_tokens() const;
  LaneState state(std::size_t lane) const;
  std::size_t size() const { return lanes_.size(); }
  const std::string& name(std::size_t lane) const { return lanes_[lane].options.name; }

 private:
  struct Lane {
    LaneOptions options;
    std::deque<Waiting> waiting{};
    std::size_t tokens = 0;
    double credit = 0;
  };
  struct Batch;

  void fill(Lane& lane, Batch& batch, double allowance);
  void drop_expired(Lane& lane, Clock::time_point now, std::vector<Waiting>& expired);

  std::vector<Lane> lanes_;
};

}  // namespace preferd::server
