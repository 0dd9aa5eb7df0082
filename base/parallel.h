// The one pool of threads that computes. Work items are handed out dynamically; which thread runs an
// item never changes its result, as items do not share sums.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace preferd {

class ThreadPool {
 public:
  // `threads` >= 1 counts the calling thread too; 1 means: everything runs on the caller.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Calls body(item, worker) once for each item in [0, items), worker in [0, threads()); returns when all are
  // done. One caller at a time; bodies must not throw and must not call run() again.
  void run(std::size_t items, const std::function<void(std::size_t item, int worker)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace preferd
