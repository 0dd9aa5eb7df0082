#include "server/scheduling/workers.h"

#include <algorithm>
#include <chrono>

namespace preferd::server {
namespace {
constexpr std::size_t kStackBytes = 1 << 20;
constexpr std::chrono::seconds kIdle{10};
}  // namespace

Workers::~Workers() {
  std::vector<pthread_t> all;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    all = std::move(finished_);
    all.insert(all.end(), running_.begin(), running_.end());
    finished_.clear();
  }
  changed_.notify_all();
  join(std::move(all));
}

void Workers::join(std::vector<pthread_t> threads) {
  for (const pthread_t t : threads) pthread_join(t, nullptr);
}

bool Workers::spawn() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread{};
  const bool made = pthread_create(&thread, &attributes, &Workers::enter, this) == 0;
  pthread_attr_destroy(&attributes);
  if (made) running_.push_back(thread);
  return made;
}

bool Workers::submit(Task task) {
  std::vector<pthread_t> gone;
  {
    const std::lock_guard lock(mutex_);
    if (stop_ || tasks_.size() >= most_) return false;
    if (idle_ <= tasks_.size() && running_.size() < most_ && !spawn() && running_.empty()) return false;
    tasks_.push_back(std::move(task));
    gone.swap(finished_);
  }
  changed_.notify_one();
  join(std::move(gone));
  return true;
}

std::size_t Workers::threads() const {
  const std::lock_guard lock(mutex_);
  return running_.size();
}

void* Workers::enter(void* self) {
  static_cast<Workers*>(self)->serve();
  return nullptr;
}

void Workers::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    idle_ += 1;
    const bool woken = changed_.wait_for(lock, kIdle, [this] { return stop_ || !tasks_.empty(); });
    idle_ -= 1;
    if (stop_ || !woken) break;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
  if (stop_) return;
  const auto self = std::find_if(running_.begin(), running_.end(),
                                 [](pthread_t t) { return pthread_equal(t, pthread_self()) != 0; });
  finished_.push_back(*self);
  running_.erase(self);
}

}  // namespace preferd::server
