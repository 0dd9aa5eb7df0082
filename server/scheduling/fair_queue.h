// Which pairs go into the next batch: a fair queue over traffic classes. Pure: no threads, no clock of its
// own.
//
// Each class is first come, first served, and bounded in tokens. The classes share the model by deficit round
// robin: while something waits in a class, it earns `share` of the token budget as credit with each batch,
// and spends it on its oldest pairs; what no credit claims goes to the classes in their order. So the first
// class is served within one batch under any load of the others, and none starves: once a class has saved up
// a whole budget it goes first. A pair larger than the budget travels alone. A batch holds pairs of one
// generation. Pairs that share more than they add (the same prompt, say) count what they add.
//
// Who is waited for should not wait for what travels beside it: a batch that holds pairs of a class with
// `company` below 1 is filled up with others only to that part of the budget.
//
//   budget 100, interactive .75, bulk .25, pairs of 10 tokens: 3 interactive, 90 bulk
//   next batch: 3 interactive (credit 75), 2 bulk (credit 25), then 5 bulk, as nobody else claims the rest
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/clock.h"
#include "server/scheduling/traffic_class.h"

namespace preferd::scorer {
class Scorer;
struct Encoded;
}  // namespace preferd::scorer

namespace preferd::server {

class Call;

struct ClassOptions {
  std::string name;
  std::size_t max_tokens = 0;                                  // waiting at one time
  double share = 0;                                            // of the budget; shares add up to 1
  std::chrono::milliseconds max_wait = std::chrono::hours(1);  // for the turn of a pair
  double company = 1;                                          // see above
};

// One pair that waits.
struct Waiting {
  std::shared_ptr<Call> call;
  std::size_t index = 0;  // in the call
  const scorer::Scorer* generation = nullptr;
  std::size_t tokens = 0;                    // that it adds to those before it
  std::size_t held = 0;                      // token ids that are kept for it
  const scorer::Encoded* encoded = nullptr;  // shows what it shares with others; null: nothing
  Clock::time_point since, deadline;
  std::size_t quota = 0;  // most tokens of this call in one batch; 0: no such limit
};

// Tokens of a batch. `alike`: the most of one that holds pairs which share more than they add, as another batch would
// compute that again; up to four times `tokens` or what its first pair costs.
struct Budget {
  std::size_t tokens = 0, alike = 0;
};

struct ClassState {
  std::size_t items = 0, tokens = 0;
  Clock::time_point oldest;  // meaningful when items > 0
};

// Not thread-safe.
class FairQueue {
 public:
  // One for each TrafficClass, in order.
  explicit FairQueue(std::vector<ClassOptions> options);

  std::size_t max_tokens(TrafficClass traffic) const { return at(traffic).options.max_tokens; }
  std::chrono::milliseconds max_wait(TrafficClass traffic) const { return at(traffic).options.max_wait; }
  // `held`: token ids that are kept until they are computed, those that are shared too. A class holds at most
  // kHeldPerToken times its tokens.
  static constexpr std::size_t kHeldPerToken = 8;
  bool admits(TrafficClass traffic, std::size_t tokens, std::size_t held = 0) const;
  // What the pair shares with those that came just before it counts once.
  void add(TrafficClass traffic, Waiting waiting);

  // The next batch, without pairs only when nothing waits. Pairs whose deadline is not after `now` go to `expired`.
  struct Taken {
    std::vector<Waiting> pairs;
    std::size_t tokens = 0;  // that they cost together: a prompt that several of them have counts once
  };
  Taken take(const Budget& budget, Clock::time_point now, std::vector<Waiting>& expired);

  // Takes out what waits for `call`.
  std::vector<Waiting> remove(const Call* call);
  // Takes out everything.
  std::vector<Waiting> clear();

  // Tokens that wait in the class.
  std::size_t tokens(TrafficClass traffic) const { return at(traffic).tokens; }
  // Tokens of all classes that are computed until `own` tokens of this class are: the others have their shares
  // while they wait.
  double computed_with(TrafficClass traffic, std::size_t own) const;

  bool empty() const { return total_tokens() == 0; }
  std::size_t total_tokens() const;
  std::size_t classes() const { return classes_.size(); }
  ClassState state(std::size_t index) const;
  const std::string& name(std::size_t index) const { return classes_[index].options.name; }

 private:
  struct Class {
    ClassOptions options;
    std::deque<Waiting> waiting{};
    std::size_t tokens = 0, held = 0;
    double credit = 0;
  };
  struct Batch;

  Class& at(TrafficClass traffic) { return classes_[static_cast<std::size_t>(traffic)]; }
  const Class& at(TrafficClass traffic) const { return classes_[static_cast<std::size_t>(traffic)]; }
  void fill(Class& c, Batch& batch, double allowance);
  static void forget(Class& c, const Waiting& w);
  void drop_expired(Class& c, Clock::time_point now, std::vector<Waiting>& expired);

  std::vector<Class> classes_;
};

}  // namespace preferd::server
