// Forwards kept as CUDA graphs, one for each size of batch: the launches of a small batch take the host
// longer than the device, a graph is one launch. A size is captured when it comes for the second time, so
// that the first, which runs as it is, has made and tried all that lasts. The least used graph goes.
//
// Graphs share memory: they run one after the other, and what one gives holds until the next. What a capture
// fails for is noted, and from then on nothing is captured.
#pragma once

#include <compare>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include <ATen/core/Tensor.h>
#include <ATen/cuda/CUDAGraph.h>

#include "model/ops/gpu/inputs.h"

namespace preferd::gpu {

// All that a forward's launches follow from.
struct GraphKey {
  const void *body = nullptr, *adapter = nullptr;
  ops::Queries queries = ops::Queries::kAllRows;
  InputSizes sizes;

  auto operator<=>(const GraphKey&) const = default;
};

struct Graph {
  at::Tensor inputs;  // int32 words, to be filled before a replay
  std::unique_ptr<at::cuda::CUDAGraph> launches;
  at::Tensor out;
};

class Graphs {
 public:
  // Null: not captured, or no longer.
  Graph* find(const GraphKey& key);

  // Has the size come before? From now on it has.
  bool seen(const GraphKey& key);

  // Puts a replay on the current stream; what it gives.
  at::Tensor replay(Graph& graph);

  // Captures work(), which puts its launches on the current stream and reads `inputs`. Null: it failed, and
  // nothing was run.
  Graph* capture(const GraphKey& key, at::Tensor inputs, const std::function<at::Tensor()>& work);

  // What graphs read has moved.
  void clear() { known_.clear(); }

  ops::GraphUse use() const;  // any thread

 private:
  struct Known {
    GraphKey key;
    Graph graph;  // without launches: seen
  };

  Graph captured(at::Tensor inputs, const std::function<at::Tensor()>& work);
  std::list<Known>::iterator known(const GraphKey& key);

  std::list<Known> known_;  // the last used first
  at::cuda::MempoolId_t pool_{0, 0};
  mutable std::mutex mutex_;
  ops::GraphUse use_;  // guarded by mutex_
};

}  // namespace preferd::gpu
