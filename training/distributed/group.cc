#include "training/distributed/group.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace preferd::training {
namespace {

constexpr std::chrono::minutes kPatience{5};   // how long to wait for the others
constexpr std::chrono::hours kCollective{12};  // a collective's own limit; the watch ends a dead run sooner
constexpr std::chrono::seconds kSign{2}, kGone{20};

c10::intrusive_ptr<c10d::TCPStore> connect(const Rank& self, bool serves) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(self.port);
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = kPatience;
  return c10::make_intrusive<c10d::TCPStore>(self.address, options);
}

// Every process counts upward in the store; a counter that stands still means that its process is gone.
class Watch {
 public:
  explicit Watch(const Rank& self) : self_(self), store_(connect(self, false)), thread_([this] { run(); }) {}

  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void run() {
    std::vector<std::int64_t> seen(static_cast<std::size_t>(self_.size), 0);
    std::vector<Clock::time_point> when(seen.size(), Clock::now());
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kSign, [&] { return stop_; })) {
      try {
        store_->add(key(self_.rank), 1);
        for (int rank = 0; rank < self_.size; ++rank) {
          const auto i = static_cast<std::size_t>(rank);
          const std::int64_t now = store_->add(key(rank), 0);
          if (now != seen[i]) when[i] = Clock::now();
          seen[i] = now;
          if (now < kLeft && Clock::now() - when[i] > kGone)
            die("process " + std::to_string(rank) + " gives no sign of life");
        }
      } catch (const std::exception&) {
        die("process 0 is gone");
      }
    }
    try {
      store_->add(key(self_.rank), kLeft);
    } catch (const std::exception&) {
    }
  }

  [[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "error: process %d: %s; --resume goes on from the last checkpoint\n", self_.rank,
                 what.c_str());
    std::fflush(stderr);
    ::_exit(1);
  }

  static std::string key(int rank) { return "alive/" + std::to_string(rank); }

  static constexpr std::int64_t kLeft = std::int64_t{1} << 40;  // added by a process that ends normally

  Rank self_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

class Alone : public Group {
 public:
  Alone() : Group(Rank{}) {}
  Status sum(std::span<at::Tensor>) override { return Ok{}; }
  Status broadcast(std::span<at::Tensor>) override { return Ok{}; }
  Status barrier() override { return Ok{}; }
};

// On top of a c10d back end.
template <class Backend>
class Linked : public Group {
 public:
  Linked(const Rank& self, c10::intrusive_ptr<c10d::TCPStore> store, c10::intrusive_ptr<Backend> backend)
      : Group(self), store_(std::move(store)), backend_(std::move(backend)), watch_(self) {}

  Status sum(std::span<at::Tensor> tensors) override {
    return each(tensors, [&](std::vector<at::Tensor>& one) { backend_->allreduce(one)->wait(); });
  }
  Status broadcast(std::span<at::Tensor> tensors) override {
    return each(tensors, [&](std::vector<at::Tensor>& one) { backend_->broadcast(one)->wait(); });
  }
  Status barrier() override {
    std::vector<at::Tensor> none(1);
    return each({none.data(), 1}, [&](std::vector<at::Tensor>&) { backend_->barrier()->wait(); });
  }

 private:
  template <class F>
  Status each(std::span<at::Tensor> tensors, F f) {
    try {
      for (at::Tensor& t : tensors) {
        std::vector<at::Tensor> one = {t};
        f(one);
      }
    } catch (const std::exception& e) {
      const std::string what = e.what();
      return Error{Code::kUnavailable,
                   "process " + std::to_string(self_.rank) +
                       ": another process is gone: " + what.substr(0, what.find('\n')),
                   {}};
    }
    return Ok{};
  }

  c10::intrusive_ptr<c10d::TCPStore> store_;
  c10::intrusive_ptr<Backend> backend_;
  Watch watch_;
};

}  // namespace

Result<std::unique_ptr<Group>> join_group(const Rank& self, Transport transport) {
  if (self.size == 1) return std::unique_ptr<Group>(std::make_unique<Alone>());
  try {
    auto store = connect(self, self.rank == 0);
#ifdef USE_C10D_GLOO
    if (transport == Transport::kGloo) {
      auto options = c10d::ProcessGroupGloo::Options::create(kCollective);
      const bool here = self.address == "127.0.0.1" || self.address == "localhost";
      options->devices.push_back(here ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                      : c10d::ProcessGroupGloo::createDefaultDevice());
      auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, self.rank, self.size, options);
      return std::unique_ptr<Group>(
          std::make_unique<Linked<c10d::ProcessGroupGloo>>(self, store, std::move(backend)));
    }
#endif
#ifdef USE_C10D_NCCL
    if (transport == Transport::kNccl) {
      auto options = c10d::ProcessGroupNCCL::Options::create();
      options->timeout = kCollective;
      auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, self.rank, self.size, options);
      return std::unique_ptr<Group>(
          std::make_unique<Linked<c10d::ProcessGroupNCCL>>(self, store, std::move(backend)));
    }
#endif
    return invalid(std::string("this build has no ") + (transport == Transport::kGloo ? "Gloo" : "NCCL") +
                   ", several processes cannot train together on this device");
  } catch (const std::exception& e) {
    const std::string what = e.what();
    return Error{Code::kUnavailable,
                 "process " + std::to_string(self.rank) + " cannot join the others at " + self.address + ":" +
                     std::to_string(self.port) + ": " + what.substr(0, what.find('\n')),
                 {}};
  }
}

}  // namespace preferd::training
