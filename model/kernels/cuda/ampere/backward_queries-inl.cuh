// Gradients of queries: pieces of 64 rows of queries, past which the keys and values of their lines stream.
//
// Of a pair, the first warp holds queries and computes scores and weights, the second one holds gradients of
// outputs and computes products. They exchange these, and each sums half of the columns of the gradient, ds
// times keys. The sums of a tile are made behind the scores and products of the next one, so that a warp
// finds what it needs of its partner when it comes to it.
#pragma once

#include "model/kernels/cuda/ampere/keys-inl.cuh"
#include "model/kernels/cuda/ampere/pairs-inl.cuh"

namespace preferd::kernels::cuda::ampere {

template <int kWidth>
struct BackwardQueries {
  static constexpr int kBlocks = kWidth == 64 ? 2 : 1;  // per multiprocessor
  using Stream = StreamPlan<kWidth, kBackwardTile, 3, 2, kBackwardWarps, kPairs, 0>;
};

struct QueriesTask : BackwardTask {
  QueryParts cut;
};

template <int kWidth>
struct BackwardQueriesMemory {
  using P = typename BackwardQueries<kWidth>::Stream;
  static constexpr int kTiles = (P::kSlotsC + P::kSlotsD) * P::kTileBytes;
  struct Rest {
    Handoff<1> handoffs[kPairs][2];  // of scores, of products
    StreamState<P> state;
    KeyWalk walk;
  };
  static constexpr int kBytes = kTiles + static_cast<int>(sizeof(Rest));
  static_assert(kBytes <= 99 * 1024);
  static_assert(BackwardQueries<kWidth>::kBlocks * (kBytes + 1024) <= 100 * 1024);
};

template <int kWidth, Softmax kSoftmax, int kChunk>
class BackwardQueriesWarp {
  using P = typename BackwardQueries<kWidth>::Stream;
  static constexpr int kTile = P::kTile, kColumns = kWidth / 2;

 public:
  __device__ __forceinline__ BackwardQueriesWarp(const QueriesTask& task, SharedAddress tiles,
                                                 typename BackwardQueriesMemory<kWidth>::Rest& rest)
      : task_(task),
        rest_(rest),
        stream_(tiles, rest.state),
        lane_(static_cast<int>(threadIdx.x) % 32),
        warp_(static_cast<int>(threadIdx.x) / 32) {}

  __device__ __forceinline__ void start() {
    stream_.init();
    if (threadIdx.x == 0) {
      for (auto& both : rest_.handoffs)
        for (auto& handoff : both) handoff.init();
      rest_.walk = {-1, 0, 0, 0, 0, 0, 0, 0};
    }
    __syncthreads();
    if (warp_ == 0) {
      plan_keys(task_.attention, task_.cut, rest_.walk, rest_.state, 0);
      plan_keys(task_.attention, task_.cut, rest_.walk, rest_.state, 1);
      stream_.planned(0);
    }
    __syncthreads();
    copy(0);
  }

  template <Side kSide>
  __device__ __forceinline__ void run() {
    const AttentionTask& t = task_.attention;
    const Rows<const __nv_bfloat16> held = kSide == Side::kScores ? t.q : task_.out_gradient;
    constexpr int kFirstColumn = kSide == Side::kScores ? 0 : kColumns;
    const int first = warp_ % kPairs * 16, row = first + lane_ / 4;
    for (std::int32_t i = 0, at = piece_of(0); at < t.pieces; at = piece_of(++i)) {
      const QueryPiece piece = query_piece(t, task_.cut, at);
      const OwnQueries rows(t, piece, row, kBackwardRows);
      const __nv_bfloat16* from[2];
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const std::int64_t query = piece.tile.first_query + rows.query[e];
        const std::int64_t figure = query * t.query_heads + rows.head[e];
        from[e] = rows.there[e] ? held.data + query * held.stride + std::int64_t{rows.head[e]} * t.head_dim
                                : nullptr;
        if constexpr (kSide == Side::kScores)
          figure_[e] = rows.there[e] ? task_.log_sum_exp[figure] * kLog2OfE : INFINITY;
        else
          figure_[e] = rows.there[e] ? task_.delta[figure] : 0.0f;
      }
      hold_rows<kWidth>(a_, from, t.head_dim);
#pragma unroll
      for (int m = 0; m < kColumns / 2; ++m) sums_[m] = 0;
      for (; stream_.note(n_).piece == i; ++n_) step<kSide>(first);
      if (pending_) add<kSide>(n_ - 1);
      pending_ = false;
      const QueryPiece again = query_piece(t, task_.cut, at);  // rather than in registers meanwhile
      if (query_of(t, first) >= again.tile.queries) continue;
      const OwnQueries to(t, again, row, kBackwardRows);
#pragma unroll
      for (int e = 0; e < 2; ++e)
        store_row(sums_, e, task_.factor, t.head_dim - kFirstColumn, kChunk,
                  to.there[e]
                      ? task_.gradient.data + (again.tile.first_query + to.query[e]) * task_.gradient.stride +
                            std::int64_t{to.head[e]} * t.head_dim + kFirstColumn
                      : nullptr);
    }
  }

 private:
  __device__ __forceinline__ void copy(std::uint32_t n) const {
    stream_.template copy<kChunk>(n, task_.attention, nullptr, nullptr);
  }

  // Tile n_ of keys past this warp's rows.
  template <Side kSide>
  __device__ __forceinline__ void step(int first_row) {
    const OwnKeys<kTile> own(task_.attention, stream_.note(n_), first_row);
    stream_.wait_c(n_);
    if (stream_.plans(n_)) {
      stream_.wait_unread(n_);
      plan_keys(task_.attention, task_.cut, rest_.walk, rest_.state, n_ + 2);
      stream_.planned(n_ + 1);
    }
    if (!own.sees_tile()) {
      copy(n_ + 1);
      if (pending_) add<kSide>(n_ - 1);
      pending_ = false;
      stream_.done_c(n_);
      if constexpr (kSide == Side::kProducts) stream_.done_d(n_);
      return;
    }
    float s[kTile / 2];
    if constexpr (kSide == Side::kScores) {
      multiply_rows<kWidth, kTile>(s, a_, stream_.c(n_));
    } else {
      stream_.wait_d(n_);
      multiply_rows<kWidth, kTile>(s, a_, stream_.d(n_));
      stream_.done_d(n_);
    }
    copy(n_ + 1);
    std::uint32_t weights[kTile / 4];
    if (pending_) take<kSide>(weights);
    if constexpr (kSide == Side::kScores) {
      weigh(s, own);
    } else {
#pragma unroll
      for (int m = 0; m < kTile / 2; ++m) s[m] -= figure_[m / 2 % 2];
    }
    rest_.handoffs[warp_ % kPairs][kSide == Side::kScores ? 0 : 1].put(transfers_, s);
    if (pending_) add_by<kSide>(weights, n_ - 1);
    ++transfers_;
    pending_ = true;
#pragma unroll
    for (int m = 0; m < kTile / 2; ++m) before_[m] = s[m];
  }

  // Weights of the tile before, from both warps' results.
  template <Side kSide>
  __device__ __forceinline__ void take(std::uint32_t (&weights)[kTile / 4]) {
    rest_.handoffs[warp_ % kPairs][kSide == Side::kScores ? 1 : 0].get_times(transfers_ - 1, before_,
                                                                             weights);
  }
  template <Side kSide>
  __device__ __forceinline__ void add_by(const std::uint32_t (&weights)[kTile / 4], std::uint32_t n) {
    multiply_by_rows<kWidth, kTile, kColumns>(sums_, weights, stream_.c(n),
                                              kSide == Side::kScores ? 0 : kColumns);
    stream_.done_c(n);
  }
  template <Side kSide>
  __device__ __forceinline__ void add(std::uint32_t n) {
    std::uint32_t weights[kTile / 4];
    take<kSide>(weights);
    add_by<kSide>(weights, n);
  }

  // Scores become weights times the slope of the cap.
  __device__ __forceinline__ void weigh(float (&s)[kTile / 2], const OwnKeys<kTile>& own) const {
    cap_scores<kSoftmax>(s, task_.attention);
#pragma unroll
    for (int m = 0; m < kTile / 2; ++m) {
      const float bend = s[m] * task_.unbend;
      s[m] = power_of_two(s[m] - figure_[m / 2 % 2]) * fmaf(-bend, bend, 1.0f);
    }
    if (own.mask() == Mask::kNone) return;
    const CausalMask causal = own.causal();
    const std::int32_t begin = stream_.note(n_).tile * kTile + lane_ % 4 * 2;
#pragma unroll
    for (int m = 0; m < kTile / 2; ++m)
      if (!causal.sees(m / 2 % 2, begin + m / 4 * 8 + m % 2)) s[m] = 0;
  }

  const QueriesTask& task_;
  typename BackwardQueriesMemory<kWidth>::Rest& rest_;
  const Stream<P> stream_;
  const int lane_, warp_;
  std::uint32_t n_ = 0;          // tiles that have streamed past
  std::uint32_t transfers_ = 0;  // of this warp's pair, each way
  bool pending_ = false;         // whether the sums of the tile before are still to be made
  float figure_[2];              // log2(e) * log_sum_exp, or delta, of the thread's rows
  std::uint32_t a_[kWidth / 16][4];
  float sums_[kColumns / 2], before_[kTile / 2];
};

template <int kWidth, Softmax kSoftmax, int kChunk>
__global__ void __launch_bounds__(32 * kBackwardWarps, BackwardQueries<kWidth>::kBlocks)
    backward_of_queries(const __grid_constant__ QueriesTask task) {
  using Memory = BackwardQueriesMemory<kWidth>;
  extern __shared__ __align__(1024) char shared[];
  BackwardQueriesWarp<kWidth, kSoftmax, kChunk> warp(
      task, shared_address(shared), *reinterpret_cast<typename Memory::Rest*>(shared + Memory::kTiles));
  warp.start();
  if (threadIdx.x / 32 < kPairs)
    warp.template run<Side::kScores>();
  else
    warp.template run<Side::kProducts>();
}

}  // namespace preferd::kernels::cuda::ampere
