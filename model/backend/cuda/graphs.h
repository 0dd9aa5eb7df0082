// Forwards kept as CUDA graphs, one for each batch size. The launches of a small batch take the host longer
// than the device needs to run them; a graph is one launch. A size is captured when it occurs for the second
// time, so that the first run, which is not captured, has already made and tried everything that persists.
// The least recently used graph is dropped.
//
// Graphs share memory: they run one after the other, and the result of one is valid until the next runs. The
// reason for a failed capture is noted, and from then on nothing is captured.
#pragma once

#include <compare>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include <ATen/core/Tensor.h>
#include <ATen/cuda/CUDAGraph.h>

#include "model/backend/cuda/inputs.h"

namespace preferd::backend::cuda {

// Everything that determines the launches of a forward.
struct GraphKey {
  const void *body = nullptr, *adapter = nullptr;
  Queries queries = Queries::kAllRows;
  InputSizes sizes;

  auto operator<=>(const GraphKey&) const = default;
};

struct Graph {
  at::Tensor inputs;  // int32 words, filled before each replay
  std::unique_ptr<at::cuda::CUDAGraph> launches;
  at::Tensor out;
};

class Graphs {
 public:
  // Null: not captured, or dropped.
  Graph* find(const GraphKey& key);

  // Whether the size has occurred before; marks it as seen.
  bool seen(const GraphKey& key);

  // Puts a replay on the current stream and returns its result.
  at::Tensor replay(Graph& graph);

  // Captures work(), which puts its launches on the current stream and reads `inputs`. Null: the capture
  // failed, and nothing was run.
  Graph* capture(const GraphKey& key, at::Tensor inputs, const std::function<at::Tensor()>& work);

  // Called when what graphs read has moved.
  void clear() { known_.clear(); }

  GraphUse use() const;  // any thread

 private:
  struct Known {
    GraphKey key;
    Graph graph;  // without launches: only seen
  };

  Graph captured(at::Tensor inputs, const std::function<at::Tensor()>& work);
  std::list<Known>::iterator known(const GraphKey& key);

  std::list<Known> known_;  // most recently used first
  at::cuda::MempoolId_t pool_{0, 0};
  mutable std::mutex mutex_;
  GraphUse use_;  // guarded by mutex_
};

}  // namespace preferd::backend::cuda
