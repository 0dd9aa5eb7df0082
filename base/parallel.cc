#include "base/parallel.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace preferd {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake, finished;
  const std::function<void(std::size_t, int)>* body = nullptr;  // guarded by mutex
  std::size_t items = 0;                                        // guarded by mutex
  std::uint64_t round = 0;                                      // guarded by mutex
  int busy = 0;                                                 // guarded by mutex
  bool stop = false;                                            // guarded by mutex
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> helpers;

  void drain(const std::function<void(std::size_t, int)>& work, std::size_t count, int worker) {
    for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i, worker);
  }

  void help(int worker) {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return stop || round != seen; });
      if (stop) return;
      seen = round;
      const auto* work = body;
      const std::size_t count = items;
      lock.unlock();
      drain(*work, count, worker);
      lock.lock();
      if (--busy == 0) finished.notify_one();
    }
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
  {
    const std::lock_guard lock(state_->mutex);
    state_->body = &body;
    state_->items = items;
    state_->next = 0;
    state_->busy = static_cast<int>(state_->helpers.size());
    ++state_->round;
  }
  state_->wake.notify_all();
  state_->drain(body, items, 0);
  std::unique_lock lock(state_->mutex);
  state_->finished.wait(lock, [&] { return state_->busy == 0; });
}

}  // namespace preferd
