// A packed batch for the programs that check and time the CUDA attention: segments behind each other in rows,
// each seeing its ancestors' rows and its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "model/kernels/cuda/attention.h"
#include "model/kernels/cuda/attention_backward.h"

namespace preferd::kernels::cuda {

inline void must(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::printf("%s: %s\n", what, cudaGetErrorString(status));
  std::exit(2);
}

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    must(cudaMalloc(reinterpret_cast<void**>(&data_), std::max<std::size_t>(count, 1) * sizeof(T)),
         "cudaMalloc");
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { set(values); }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }
  void set(const std::vector<T>& values) {
    must(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "copy");
  }
  std::vector<T> get() const {
    std::vector<T> values(count_);
    must(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "copy back");
    return values;
  }
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

struct Segment {
  std::int32_t length = 0;
  std::int32_t parent = -1;  // an earlier segment
};

enum class Asking { kAllRows, kLastRows };

struct PackedBatch {
  std::vector<std::vector<std::int32_t>> lines;  // of each segment: the rows of its keys
  std::vector<std::int32_t> first_row;           // of each segment
  std::int32_t rows = 0, queries = 0;
  std::vector<KeyRun> runs;
  std::vector<AttentionTile> tiles;  // longest lines first
  std::vector<std::int32_t> tile_segment;
  std::vector<KeyTile> key_tiles;  // those that most queries see first
  std::vector<QueryRun> query_runs;
};

// Fills in the tiles of keys, of at most `tile`, and the queries that see them.
inline void add_key_tiles(const std::vector<Segment>& segments, std::int32_t tile, Asking asking,
                          PackedBatch& batch) {
  const auto before = [&](std::size_t s) {
    return static_cast<std::int32_t>(batch.lines[s].size()) - segments[s].length;
  };
  std::vector<std::pair<std::int32_t, KeyTile>> tiles;
  for (std::size_t s = 0; s < segments.size(); ++s) {
    const auto first_run = static_cast<std::int32_t>(batch.query_runs.size());
    for (std::size_t d = s; d < segments.size(); ++d) {
      auto ancestor = static_cast<std::int32_t>(d);
      while (ancestor > static_cast<std::int32_t>(s))
        ancestor = segments[static_cast<std::size_t>(ancestor)].parent;
      if (ancestor != static_cast<std::int32_t>(s)) continue;
      if (asking == Asking::kLastRows)
        batch.query_runs.push_back({static_cast<std::int32_t>(d), before(d) + segments[d].length - 1, 1});
      else
        batch.query_runs.push_back({batch.first_row[d], before(d), segments[d].length});
    }
    const auto runs = static_cast<std::int32_t>(batch.query_runs.size()) - first_run;
    for (std::int32_t i = 0; i < segments[s].length; i += tile) {
      const KeyTile made{batch.first_row[s] + i, before(s) + i, std::min(tile, segments[s].length - i),
                         first_run, runs};
      std::int32_t seen = 0;
      for (std::int32_t r = first_run; r < first_run + runs; ++r) {
        const QueryRun& run = batch.query_runs[static_cast<std::size_t>(r)];
        seen += run.queries - std::clamp(made.first_position - run.first_position, 0, run.queries);
      }
      tiles.emplace_back(seen, made);
    }
  }
  std::stable_sort(tiles.begin(), tiles.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [seen, made] : tiles) batch.key_tiles.push_back(made);
}

// `gap` rows that belong to nobody stand before each segment; tiles have at most `tile` queries.
inline PackedBatch packed_batch(const std::vector<Segment>& segments, std::int32_t tile, Asking asking,
                                std::int32_t gap) {
  PackedBatch batch;
  std::vector<std::vector<KeyRun>> runs;
  std::vector<std::pair<AttentionTile, std::int32_t>> tiles;
  for (std::size_t s = 0; s < segments.size(); ++s) {
    const auto [length, parent] = segments[s];
    batch.rows += gap;
    std::vector<KeyRun> line;
    std::vector<std::int32_t> rows;
    if (parent >= 0) {
      line = runs[static_cast<std::size_t>(parent)];
      rows = batch.lines[static_cast<std::size_t>(parent)];
    }
    const auto before = static_cast<std::int32_t>(rows.size());
    line.push_back({batch.rows, length});
    for (std::int32_t i = 0; i < length; ++i) rows.push_back(batch.rows + i);
    const auto first_run = static_cast<std::int32_t>(batch.runs.size());
    batch.runs.insert(batch.runs.end(), line.begin(), line.end());
    const auto count = static_cast<std::int32_t>(line.size()), id = static_cast<std::int32_t>(s);
    if (asking == Asking::kLastRows) {
      tiles.push_back({{first_run, count, id, before + length - 1, 1}, id});
    } else {
      for (std::int32_t i = 0; i < length; i += tile)
        tiles.push_back({{first_run, count, batch.rows + i, before + i, std::min(tile, length - i)}, id});
    }
    batch.first_row.push_back(batch.rows);
    batch.rows += length;
    runs.push_back(std::move(line));
    batch.lines.push_back(std::move(rows));
  }
  batch.queries = asking == Asking::kLastRows ? static_cast<std::int32_t>(segments.size()) : batch.rows;
  std::stable_sort(tiles.begin(), tiles.end(), [](const auto& a, const auto& b) {
    return a.first.first_position + a.first.queries > b.first.first_position + b.first.queries;
  });
  for (const auto& [t, segment] : tiles) {
    batch.tiles.push_back(t);
    batch.tile_segment.push_back(segment);
  }
  return batch;
}

// Normally distributed; from the millionth on they come again, out of step with any row.
inline std::vector<__nv_bfloat16> random_rows(std::size_t count, float spread, std::uint32_t seed) {
  constexpr std::size_t kDrawn = 1000003;
  std::mt19937 bits(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<__nv_bfloat16> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = i < kDrawn ? __float2bfloat16(normal(bits)) : values[i - kDrawn];
  return values;
}

}  // namespace preferd::kernels::cuda
