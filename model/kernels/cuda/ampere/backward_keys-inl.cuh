// Gradients of keys and of values: pieces of 64 keys, past which the queries that see them stream.
//
// Of a pair, the first warp holds keys, computes scores and weights p, and sums the gradient of values, p^T
// times gradients of outputs; the second one holds values, computes products, and sums the gradient of keys,
// ds^T times queries, for which it takes the first one's p times the slope of the cap. The first one may be
// two tiles ahead with these, so its weights are made while the other one's products run.
#pragma once

#include "model/kernels/cuda/ampere/pairs-inl.cuh"

namespace preferd::kernels::cuda::ampere {

template <int kWidth>
struct BackwardKeys {
  static constexpr int kBlocks = kWidth == 64 ? 2 : 1;  // per multiprocessor
  using Stream = StreamPlan<kWidth, kBackwardTile, 3, 2, kBackwardWarps, kBackwardWarps, 1>;
};

struct KeysTask : BackwardTask {  // `gradient` is the keys'
  Rows<__nv_bfloat16> value_gradient;
};

// Where the planner stands: as ChunkWalk, and the piece.
struct QueryWalk {
  KeyTile tile;
  std::int32_t piece, block, last_block, run, at, end, query, position;
};

template <int kWidth>
struct BackwardKeysMemory {
  using P = typename BackwardKeys<kWidth>::Stream;
  static constexpr int kTiles = (P::kSlotsC + P::kSlotsD) * P::kTileBytes;
  struct Rest {
    Handoff<2> handoffs[kPairs];
    StreamState<P> state;
    QueryWalk walk;
  };
  static constexpr int kBytes = kTiles + static_cast<int>(sizeof(Rest));
  static_assert(kBytes <= 99 * 1024);
  static_assert(BackwardKeys<kWidth>::kBlocks * (kBytes + 1024) <= 100 * 1024);
};

// By the planner's warp: goes on to the next tile of queries and plans it as the n-th.
template <class P>
__device__ __forceinline__ void plan_queries(const BackwardTask& task, QueryWalk& kept, StreamState<P>& state,
                                             std::uint32_t n) {
  const AttentionTask& t = task.attention;
  const int lane = static_cast<int>(this_thread() % 32);
  QueryWalk walk = kept;
  __syncwarp();
  while (walk.piece != kNoPiece && walk.at >= walk.end) {
    if (walk.run == walk.tile.runs) {
      walk.run = 0;
      ++walk.block;
    }
    if (walk.block >= walk.last_block || walk.tile.runs == 0) {
      const std::int32_t piece = piece_of(++walk.piece);
      if (piece >= t.pieces) {
        walk.piece = kNoPiece;
        break;
      }
      walk.tile = task.key_tiles[piece / t.blocks];
      walk.block = piece % t.blocks * t.blocks_of_kv_head;
      walk.last_block = walk.block + t.blocks_of_kv_head;
      walk.run = walk.at = walk.end = 0;
      if (walk.tile.runs == 0) continue;
    }
    const QueryRun run = task.query_runs[walk.tile.first_run + walk.run++];
    const std::int32_t newest = walk.tile.first_position + walk.tile.keys - 1;
    walk.at = max(walk.tile.first_position - run.first_position, 0);
    walk.end = t.window > 0 ? min(run.queries, newest + t.window - run.first_position) : run.queries;
    walk.query = run.first_query;
    walk.position = run.first_position;
  }
  const std::int32_t queries = min(query_of(t, P::kTile), walk.end - walk.at), first = walk.query + walk.at;
  if (walk.piece != kNoPiece) {
#pragma unroll
    for (int r = lane; r < P::kTile; r += 32) {
      const std::int32_t query = min(query_of(t, r), queries - 1),
                         head = walk.block * t.pack + min(r - query * t.pack, t.pack - 1);
      const std::int64_t row = first + query, column = std::int64_t{head} * t.head_dim;
      state.rows[n % 2][0][r] = t.q.data + row * t.q.stride + column;
      state.rows[n % 2][1][r] = task.out_gradient.data + row * task.out_gradient.stride + column;
      state.figure[n % 2][r] = (first + query) * t.query_heads + head;
    }
  }
  if (lane == 0) {
    state.count[n % 2] = queries * t.pack;
    state.notes[n % 4] = {walk.piece, 0, walk.position + walk.at, queries};
    walk.at += queries;
    kept = walk;
  }
  __syncwarp();
}

template <int kWidth, Softmax kSoftmax, int kChunk>
class BackwardKeysWarp {
  using P = typename BackwardKeys<kWidth>::Stream;
  static constexpr int kTile = P::kTile;

 public:
  __device__ __forceinline__ BackwardKeysWarp(const KeysTask& task, SharedAddress tiles,
                                              typename BackwardKeysMemory<kWidth>::Rest& rest)
      : task_(task),
        rest_(rest),
        stream_(tiles, rest.state),
        lane_(static_cast<int>(threadIdx.x) % 32),
        warp_(static_cast<int>(threadIdx.x) / 32) {}

  __device__ __forceinline__ void start() {
    stream_.init();
    if (threadIdx.x == 0) {
      for (auto& handoff : rest_.handoffs) handoff.init();
      rest_.walk = {{}, -1, 0, 0, 0, 0, 0, 0, 0};
    }
    __syncthreads();
    if (warp_ == 0) {
      plan_queries(task_, rest_.walk, rest_.state, 0);
      plan_queries(task_, rest_.walk, rest_.state, 1);
      stream_.planned(0);
    }
    __syncthreads();
    copy(0);
  }

  template <Side kSide>
  __device__ __forceinline__ void run() {
    const AttentionTask& t = task_.attention;
    const Rows<const __nv_bfloat16> held = kSide == Side::kScores ? t.k : t.v;
    const Rows<__nv_bfloat16> to = kSide == Side::kScores ? task_.value_gradient : task_.gradient;
    for (std::int32_t i = 0, at = piece_of(0); at < t.pieces; at = piece_of(++i)) {
      KeyTile tile = task_.key_tiles[at / t.blocks];
      const std::int64_t column = std::int64_t{at % t.blocks} * t.head_dim;
      const int first = warp_ % kPairs * 16, row = first + lane_ / 4;
      const __nv_bfloat16* from[2];
#pragma unroll
      for (int e = 0; e < 2; ++e)
        from[e] = row + 8 * e < tile.keys
                      ? held.data + std::int64_t{tile.first_row + row + 8 * e} * held.stride + column
                      : nullptr;
      hold_rows<kWidth>(a_, from, t.head_dim);
#pragma unroll
      for (int m = 0; m < kWidth / 2; ++m) sums_[m] = 0;
      const std::int32_t key = first < tile.keys ? tile.first_position + first : kNoPiece - t.window - 16;
      for (; stream_.note(n_).piece == i; ++n_) step<kSide>(key);
      tile = task_.key_tiles[at / t.blocks];  // rather than in registers meanwhile
#pragma unroll
      for (int e = 0; e < 2; ++e)
        store_row(sums_, e, kSide == Side::kScores ? 1.0f : task_.factor, t.head_dim, kChunk,
                  row + 8 * e < tile.keys
                      ? to.data + std::int64_t{tile.first_row + row + 8 * e} * to.stride + column
                      : nullptr);
    }
  }

 private:
  __device__ __forceinline__ void copy(std::uint32_t n) const {
    stream_.template copy<kChunk>(n, task_.attention, task_.log_sum_exp, task_.delta);
  }

  // Tile n_ of queries past this warp's 16 keys, at positions from `key` on.
  template <Side kSide>
  __device__ __forceinline__ void step(std::int32_t key) {
    const std::int32_t window = task_.attention.window;
    const Note note = stream_.note(n_);
    const std::int32_t from = note.first_position, to = from + note.queries - 1;
    stream_.wait_c(n_);
    if (stream_.plans(n_)) {
      stream_.wait_unread(n_);
      plan_queries(task_, rest_.walk, rest_.state, n_ + 2);
      stream_.planned(n_ + 1);
    }
    if (to < key || (window > 0 && from >= key + 15 + window)) {
      copy(n_ + 1);
      stream_.done_c(n_);
      stream_.done_d(n_);
      return;
    }
    float s[kTile / 2];
    std::uint32_t weights[kTile / 4];
    auto& handoff = rest_.handoffs[warp_ % kPairs];
    if constexpr (kSide == Side::kScores) {
      multiply_rows<kWidth, kTile>(s, a_, stream_.c(n_));
      copy(n_ + 1);
      const bool all = from >= key + 15 && (window == 0 || to < key + window);
      weigh(s, weights, key + lane_ / 4, from, all);
      stream_.done_c(n_);
      handoff.put(transfers_++, s);
      stream_.wait_d(n_);
      multiply_by_rows<kWidth, kTile, kWidth>(sums_, weights, stream_.d(n_), 0);
      stream_.done_d(n_);
    } else {
      stream_.wait_d(n_);
      multiply_rows<kWidth, kTile>(s, a_, stream_.d(n_));
      stream_.done_d(n_);
      copy(n_ + 1);
      const float* deltas = stream_.deltas(n_) + lane_ % 4 * 2;
#pragma unroll
      for (int m = 0; m < kTile / 2; ++m) s[m] -= deltas[m / 4 * 8 + m % 2];
      handoff.get_times(transfers_++, s, weights);
      multiply_by_rows<kWidth, kTile, kWidth>(sums_, weights, stream_.c(n_), 0);
      stream_.done_c(n_);
    }
  }

  // Scores of keys (rows, the thread's first at position `key`) and queries (columns, the tile's first at
  // position `from`) become weights, and s what the products are multiplied by.
  __device__ __forceinline__ void weigh(float (&s)[kTile / 2], std::uint32_t (&weights)[kTile / 4],
                                        std::int32_t key, std::int32_t from, bool all) const {
    const AttentionTask& t = task_.attention;
    const float* log_sum_exps = stream_.log_sum_exps(n_) + lane_ % 4 * 2;
    cap_scores<kSoftmax>(s, t);
#pragma unroll
    for (int j = 0; j < kTile / 8; ++j) {
      float p[4];
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int m = 4 * j + e, column = j * 8 + e % 2;
        p[e] = power_of_two(fmaf(log_sum_exps[column], -kLog2OfE, s[m]));
        if (!all) {
          const std::int32_t query = from + query_of(t, lane_ % 4 * 2 + column), own = key + e / 2 * 8;
          if (query < own || (t.window > 0 && query >= own + t.window)) p[e] = 0;
        }
        const float bend = s[m] * task_.unbend;
        s[m] = p[e] * fmaf(-bend, bend, 1.0f);
      }
      weights[2 * j] = pair(p[0], p[1]);
      weights[2 * j + 1] = pair(p[2], p[3]);
    }
  }

  const KeysTask& task_;
  typename BackwardKeysMemory<kWidth>::Rest& rest_;
  const Stream<P> stream_;
  const int lane_, warp_;
  std::uint32_t n_ = 0;          // tiles that have streamed past
  std::uint32_t transfers_ = 0;  // of this warp's pair
  std::uint32_t a_[kWidth / 16][4];
  float sums_[kWidth / 2];
};

template <int kWidth, Softmax kSoftmax, int kChunk>
__global__ void __launch_bounds__(32 * kBackwardWarps, BackwardKeys<kWidth>::kBlocks)
    backward_of_keys(const __grid_constant__ KeysTask task) {
  using Memory = BackwardKeysMemory<kWidth>;
  extern __shared__ __align__(1024) char shared[];
  BackwardKeysWarp<kWidth, kSoftmax, kChunk> warp(
      task, shared_address(shared), *reinterpret_cast<typename Memory::Rest*>(shared + Memory::kTiles));
  warp.start();
  if (threadIdx.x / 32 < kPairs)
    warp.template run<Side::kScores>();
  else
    warp.template run<Side::kProducts>();
}

}  // namespace preferd::kernels::cuda::ampere
