// A round is announced in one atomic word, `gate`: the round's number, how many helpers are in, and whether
// it is still open. Helpers that are awake see it without a lock. The caller works too, shuts the gate when
// no items are left, and waits for the helpers that came in, not for those that are still waking up: work
// that is done before they are there costs a wake-up, no wait.
//
// Between rounds of one forward there are some microseconds, a wake-up costs ten times as much: so helpers,
// and a caller whose helpers are still busy, look again for a while before they sleep.
#include "base/parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace preferd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kSpin{50};
constexpr std::uint64_t kOpen = 1, kHelper = 2, kInside = 0xFFFFFFFF, kRound = kInside + 1;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether `done` came true within kSpin.
template <class F>
bool spin(F done) {
  const auto end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      pause();
    }
  } while (Clock::now() < end);
  return false;
}

}  // namespace

struct ThreadPool::State {
  std::atomic<std::uint64_t> gate{0};
  const std::function<void(std::size_t, int)>* body =
      nullptr;            // of the round whose gate is open, or was not left
  std::size_t items = 0;  // the same
  alignas(64) std::atomic<std::size_t> next{0};
  alignas(64) std::mutex mutex;
  std::condition_variable wake, finished;
  std::atomic<int> asleep{0};              // helpers; changed under the mutex
  std::atomic<bool> caller_asleep{false};  // changed under the mutex
  std::atomic<bool> stop{false};
  std::vector<std::thread> helpers;

  void drain(int worker) {
    for (std::size_t i = next.fetch_add(1); i < items; i = next.fetch_add(1)) (*body)(i, worker);
  }

  // Into the round that is open now.
  bool enter(std::uint64_t& seen) {
    std::uint64_t now = gate.load();
    while (now / kRound != seen && (now & kOpen) != 0)
      if (gate.compare_exchange_weak(now, now + kHelper)) {
        seen = now / kRound;
        return true;
      }
    return false;
  }

  void leave() {
    if (((gate.fetch_sub(kHelper) - kHelper) & kInside) != 0 || !caller_asleep) return;
    const std::lock_guard lock(mutex);
    finished.notify_one();
  }

  void help(int worker) {
    std::uint64_t seen = 0;
    bool inside = false;
    const auto called = [&] { return stop || (inside = enter(seen)); };
    while (true) {
      if (!spin(called)) {
        std::unique_lock lock(mutex);
        ++asleep;
        wake.wait(lock, called);
        --asleep;
      }
      if (!inside) return;
      drain(worker);
      leave();
      inside = false;
    }
  }

  void wait_for_helpers() {
    const auto empty = [&] { return (gate.load() & kInside) == 0; };
    if (spin(empty)) return;
    std::unique_lock lock(mutex);
    caller_asleep = true;
    finished.wait(lock, empty);
    caller_asleep = false;
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  PREFERD_CHECK(threads >= 1);
  for (int i = 1; i < threads; ++i) state_->helpers.emplace_back([s = state_.get(), i] { s->help(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& t : state_->helpers) t.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->helpers.size()) + 1; }

void ThreadPool::run(std::size_t items, const std::function<void(std::size_t, int)>& body) {
  if (state_->helpers.empty() || items <= 1) {
    for (std::size_t i = 0; i < items; ++i) body(i, 0);
    return;
  }
  State& s = *state_;
  s.body = &body;
  s.items = items;
  s.next = 0;
  s.gate = (s.gate / kRound + 1) * kRound + kOpen;
  if (s.asleep > 0) {
    const std::lock_guard lock(s.mutex);
    s.wake.notify_all();
  }
  s.drain(0);
  s.gate -= kOpen;
  s.wait_for_helpers();
}

}  // namespace preferd
