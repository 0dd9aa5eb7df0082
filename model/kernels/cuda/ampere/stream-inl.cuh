// The tiles that stream through shared memory past the rows that warps hold.
//
// A block of threads walks over its pieces of work, and for each over some tiles: the n-th tile of the block
// is one slot of ring C and one of ring D (keys and values, or queries and gradients of outputs), in slots n %
// kSlotsC and n % kSlotsD. All warps copy, each a part of every tile. One of them in turn, the planner, also
// writes down, two tiles ahead, where the rows of a tile are (its plan) and which piece it belongs to (its
// note).
//
// At its n-th step a warp waits for tile n, plans tile n + 2 if it is the planner, copies its part of tile n
// + 1, and computes. There is no barrier of the whole block: a tile is filled when all threads' copies have
// arrived, a slot is empty when all threads that read it have said so (an arrival orders only the reads of its
// own thread), and warps may be a step apart, so that one's weights are made while another's products run.
// What the planner wrote for tile n + 2 is visible to all who wait for tile n + 1, at whose barrier it arrives
// once more after writing.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>

#include "model/kernels/cuda/ampere/warp-inl.cuh"

namespace preferd::kernels::cuda::ampere {

inline constexpr int kNoPiece = 0x7fffffff;

// What a tile is part of: the number of the piece among those of its block, or kNoPiece behind the last one.
// Of keys, the tile's number in the line, and the piece's queries; of queries, those in the tile.
struct alignas(16) Note {
  std::int32_t piece, tile, first_position, queries;
};

// Sizes of a stream. kReadersOfD: the warps that read D; all read C. kFigures: 1 if log_sum_exp and delta come
// along with the rows of C.
template <int kWidth_, int kTile_, int kSlotsC_, int kSlotsD_, int kWarps_, int kReadersOfD_, int kFigures_>
struct StreamPlan {
  static constexpr int kWidth = kWidth_, kTile = kTile_, kSlotsC = kSlotsC_, kSlotsD = kSlotsD_;
  static constexpr int kWarps = kWarps_, kThreads = 32 * kWarps_, kReadersOfD = kReadersOfD_;
  static constexpr int kFigures = kFigures_;
  static constexpr int kTileBytes = kTile * kWidth * 2;
};

template <class P>
struct alignas(16) StreamState {
  const __nv_bfloat16* rows[2][2][P::kTile];           // of tile n, in [n % 2]: of C and of D
  std::int32_t figure[2][P::kFigures * P::kTile + 1];  // index of a row's log_sum_exp and delta
  std::int32_t count[2];  // rows that there are; zeros take the place of the others
  float figures[P::kSlotsC][2][P::kFigures * P::kTile + 4];
  Note notes[4];  // of tile n, in [n % 4]
  std::uint64_t filled_c[P::kSlotsC], emptied_c[P::kSlotsC], filled_d[P::kSlotsD], emptied_d[P::kSlotsD];
};

// Phases of a ring of kSlots: the parity of the phase that ends when tile n has filled its slot.
template <int kSlots>
__device__ __forceinline__ std::uint32_t parity_of(std::uint32_t n) {
  return n / kSlots % 2;
}

template <class P>
class Stream {
 public:
  __device__ __forceinline__ Stream(SharedAddress tiles, StreamState<P>& state)
      : tiles_(tiles), state_(state) {}

  // By all threads, before anything else; the caller waits for the block afterwards.
  __device__ __forceinline__ void init() const {
    if (threadIdx.x != 0) return;
    for (int i = 0; i < P::kSlotsC; ++i) {
      init_barrier(shared_address(&state_.filled_c[i]), P::kThreads + 32);
      init_barrier(shared_address(&state_.emptied_c[i]), P::kThreads);
    }
    for (int i = 0; i < P::kSlotsD; ++i) {
      init_barrier(shared_address(&state_.filled_d[i]), P::kThreads);
      init_barrier(shared_address(&state_.emptied_d[i]), 32 * P::kReadersOfD);
    }
  }

  __device__ __forceinline__ SharedAddress c(std::uint32_t n) const {
    return tiles_ + n % P::kSlotsC * P::kTileBytes;
  }
  __device__ __forceinline__ SharedAddress d(std::uint32_t n) const {
    return tiles_ + (P::kSlotsC + n % P::kSlotsD) * P::kTileBytes;
  }
  __device__ __forceinline__ const Note& note(std::uint32_t n) const { return state_.notes[n % 4]; }
  __device__ __forceinline__ const float* log_sum_exps(std::uint32_t n) const {
    return state_.figures[n % P::kSlotsC][0];
  }
  __device__ __forceinline__ const float* deltas(std::uint32_t n) const {
    return state_.figures[n % P::kSlotsC][1];
  }

  __device__ __forceinline__ void wait_c(std::uint32_t n) const {
    wait(shared_address(&state_.filled_c[n % P::kSlotsC]), parity_of<P::kSlotsC>(n));
  }
  __device__ __forceinline__ void wait_d(std::uint32_t n) const {
    wait(shared_address(&state_.filled_d[n % P::kSlotsD]), parity_of<P::kSlotsD>(n));
  }
  // By each warp, once for each tile; by kReadersOfD warps for D.
  __device__ __forceinline__ void done_c(std::uint32_t n) const {
    arrive(shared_address(&state_.emptied_c[n % P::kSlotsC]));
  }
  __device__ __forceinline__ void done_d(std::uint32_t n) const {
    arrive(shared_address(&state_.emptied_d[n % P::kSlotsD]));
  }
  // Whether this warp is the planner at step n: each in turn, so that all have the same work.
  __device__ __forceinline__ bool plans(std::uint32_t n) const { return this_thread() / 32 == n % P::kWarps; }
  // By the planner, before it plans tile n + 2 at step n: until all have read their parts of plan n.
  __device__ __forceinline__ void wait_unread(std::uint32_t n) const { wait_d(n); }
  // By the planner, after it has planned tile n + 1 or found that there is none.
  __device__ __forceinline__ void planned(std::uint32_t n) const {
    arrive(shared_address(&state_.filled_c[n % P::kSlotsC]));
  }

  // Copies this thread's parts of tile n, if there is one. kChunk: bytes of a copy. Rows that are not there are
  // not read, though their addresses are those of others.
  template <int kChunk, class Task>
  __device__ __forceinline__ void copy(std::uint32_t n, const Task& task, const float* log_sum_exp,
                                       const float* delta) const {
    if (note(n).piece == kNoPiece) return;
    const std::uint32_t row_bytes = static_cast<std::uint32_t>(task.head_dim) * 2;
    const std::uint32_t slot_c = n % P::kSlotsC, slot_d = n % P::kSlotsD;
    const std::int32_t count = state_.count[n % 2];
    wait(shared_address(&state_.emptied_c[slot_c]), parity_of<P::kSlotsC>(n) ^ 1);
    copy_rows<kChunk>(c(n), state_.rows[n % 2][0], count, row_bytes);
    if constexpr (P::kFigures == 1) {
      const unsigned thread = this_thread(), r = thread % P::kTile, which = thread / P::kTile;
      if (which < 2)
        copy_async<4>(shared_address(&state_.figures[slot_c][which][r]),
                      (which == 0 ? log_sum_exp : delta) + state_.figure[n % 2][r],
                      static_cast<std::int32_t>(r) < count ? 4 : 0);
    }
    arrive_when_copied(shared_address(&state_.filled_c[slot_c]));
    wait(shared_address(&state_.emptied_d[slot_d]), parity_of<P::kSlotsD>(n) ^ 1);
    copy_rows<kChunk>(d(n), state_.rows[n % 2][1], count, row_bytes);
    arrive_when_copied(shared_address(&state_.filled_d[slot_d]));
  }

 private:
  template <int kChunk>
  __device__ __forceinline__ void copy_rows(SharedAddress to, const __nv_bfloat16* const (&rows)[P::kTile],
                                            std::int32_t count, std::uint32_t row_bytes) const {
    constexpr unsigned kRowBytes = P::kWidth * 2, kChunks = kRowBytes / kChunk;
    constexpr unsigned kRows = P::kThreads / kChunks;  // at a time
    const unsigned thread = this_thread(), first = thread / kChunks, byte = thread % kChunks * kChunk;
    const bool within = byte < row_bytes;
    const unsigned from = within ? byte : 0;
    to += first * kRowBytes;
#pragma unroll(kChunk == 16 ? P::kTile / kRows : 2)
    for (unsigned i = 0; i < P::kTile / kRows; ++i) {
      const unsigned r = first + i * kRows;
      copy_async<kChunk>(to + i * kRows * kRowBytes + (byte ^ (r % 8 * 16)),
                         reinterpret_cast<const char*>(rows[r]) + from,
                         within && static_cast<std::int32_t>(r) < count ? kChunk : 0);
    }
  }

  SharedAddress tiles_;
  StreamState<P>& state_;
};

}  // namespace preferd::kernels::cuda::ampere
