#include "model/backend/cuda/graphs.h"

#include <algorithm>

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace preferd::backend::cuda {
namespace {

constexpr std::size_t kKnown = 64;

// A stream that captures from its construction to end(). If the scope is left earlier, for example by an
// exception, what was captured is dropped and the allocator is as before.
class Capture {
 public:
  Capture(at::cuda::CUDAGraph& graph, at::cuda::MempoolId_t pool)
      : graph_(graph), pool_(pool), side_(c10::cuda::getStreamFromPool()), guard_(side_) {
    // Only this thread's calls are restricted: others serve other devices, or wait for results of this one.
    graph_.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    open_ = true;
  }
  ~Capture() {
    if (!open_) return;
    try {
      graph_.capture_end();
    } catch (const c10::Error&) {
      cudaGetLastError();
      c10::cuda::CUDACachingAllocator::endAllocateToPool(side_.device_index(), pool_);
    }
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  void end() {
    graph_.capture_end();
    open_ = false;
  }

 private:
  at::cuda::CUDAGraph& graph_;
  at::cuda::MempoolId_t pool_;
  c10::cuda::CUDAStream side_;
  c10::cuda::CUDAStreamGuard guard_;
  bool open_ = false;
};

}  // namespace

std::list<Graphs::Known>::iterator Graphs::known(const GraphKey& key) {
  const auto at = std::find_if(known_.begin(), known_.end(), [&](const Known& k) { return k.key == key; });
  if (at != known_.end()) known_.splice(known_.begin(), known_, at);
  return at;
}

Graph* Graphs::find(const GraphKey& key) {
  const auto at = known(key);
  return at == known_.end() || !at->graph.launches ? nullptr : &at->graph;
}

bool Graphs::seen(const GraphKey& key) {
  if (known(key) != known_.end()) return true;
  known_.push_front({key, {}});
  if (known_.size() > kKnown) known_.pop_back();
  return false;
}

Graph Graphs::captured(at::Tensor inputs, const std::function<at::Tensor()>& work) {
  if (pool_ == at::cuda::MempoolId_t{0, 0}) pool_ = at::cuda::graph_pool_handle();
  Graph graph{std::move(inputs), std::make_unique<at::cuda::CUDAGraph>(), {}};
  Capture capture(*graph.launches, pool_);
  graph.out = work();
  capture.end();
  return graph;
}

Graph* Graphs::capture(const GraphKey& key, at::Tensor inputs, const std::function<at::Tensor()>& work) {
  if (!use().note.empty()) return nullptr;
  try {
    Graph graph = captured(std::move(inputs), work);
    seen(key);
    known_.front().graph = std::move(graph);
    const std::lock_guard lock(mutex_);
    ++use_.captured;
    return &known_.front().graph;
  } catch (const c10::Error& e) {
    clear();
    const std::lock_guard lock(mutex_);
    use_.note = e.what_without_backtrace();
    return nullptr;
  }
}

at::Tensor Graphs::replay(Graph& graph) {
  graph.launches->replay();
  const std::lock_guard lock(mutex_);
  ++use_.replayed;
  return graph.out;
}

GraphUse Graphs::use() const {
  const std::lock_guard lock(mutex_);
  return use_;
}

}  // namespace preferd::backend::cuda
