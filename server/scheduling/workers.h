// Threads that may wait: made when there is work and none is free, up to a limit; they leave after ten idle
// seconds. Small stacks, so that a thousand of them cost little. The limit is part of admission.h.
// Thread-safe.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace preferd::server {

class Workers {
 public:
  // Must not throw.
  using Task = std::function<void()>;

  explicit Workers(std::size_t most) : most_(most) {}
  ~Workers();  // after the tasks that were taken; those still queued are dropped
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False when `most` tasks wait already, or no thread could be made at all.
  bool submit(Task task);

  std::size_t threads() const;

 private:
  static void* enter(void* self);
  void serve();
  bool spawn();  // mutex_ held
  void join(std::vector<pthread_t> threads);

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;  // guarded by mutex_, as all below
  std::vector<pthread_t> running_;
  std::vector<pthread_t> finished_;  // to be joined
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace preferd::server
