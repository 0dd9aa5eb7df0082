// Brings rows from global into shared memory, with 64 threads (kLoading) for each slot.
//
// Consecutive rows are fetched by the copy engine. Other rows, and rows that are not aligned to 16 bytes, are
// copied by threads in chunks of 16 or 4 bytes to where the tensor cores expect them (wgmma-inl.cuh); where
// there is no row, and in columns beyond the rows' end, zeros are written. A slot that threads copied is
// handed over when its copies have arrived, which is checked at the next copy or when there is nothing to
// copy.
#pragma once

#include "model/kernels/attention.h"
#include "model/kernels/cuda/hopper/barrier-inl.cuh"

namespace preferd::kernels::cuda::hopper {

inline constexpr int kLoading = 64;

// Walks up the positions of a line and returns their rows.
class LineWalk {
 public:
  __device__ __forceinline__ LineWalk(const KeyRun* runs, std::int32_t length)
      : next_(runs), end_(0), shift_(0), length_(length) {}
  // The row of position p, which must not be below the last one asked for; -1 at positions beyond the length.
  __device__ __forceinline__ std::int32_t row(std::int32_t p) {
    if (p >= length_) return -1;
    while (p >= end_) {
      const KeyRun run = *next_++;
      shift_ = run.first_row - end_;
      end_ += run.count;
    }
    return p + shift_;
  }
  // Whether the `count` positions from p on, where p is the last one asked for, are in consecutive rows.
  __device__ __forceinline__ bool straight(std::int32_t p, std::int32_t count) const {
    return end_ - p >= count;
  }

 private:
  const KeyRun* next_;
  std::int32_t end_, shift_, length_;
};

// Lets the copy engine fill a slot of kCount rows of kWidth columns from (y, z) on.
template <int kCount, int kWidth>
__device__ __forceinline__ void fetch_rows(SharedAddress to, const CUtensorMap& map, std::int32_t y,
                                           std::int32_t z, std::int32_t fetched, SharedAddress filled) {
  if (threadIdx.x % kLoading != 0) {
    arrive(filled);
    return;
  }
  arrive_expecting(filled, static_cast<std::uint32_t>(fetched * kWidth * 2));
#pragma unroll
  for (int slab = 0; slab < kWidth / 64; ++slab)
    copy_box(to + slab * (kCount * 128), map, slab * 64, y, z, filled);
}

// Copies kCount rows of kWidth columns; row_of(r) points at the start of row r, or is nullptr for zeros.
template <int kChunk, int kCount, int kWidth, class F>
__device__ __forceinline__ void copy_rows(SharedAddress to, const void* somewhere, std::int32_t row_bytes,
                                          F row_of) {
  constexpr int kChunks = kWidth * 2 / kChunk;
  constexpr int kParts = (kChunks + kLoading - 1) / kLoading;  // parts of a row, one after the other
  constexpr int kThreadsOfRow = kChunks / kParts;
  const int thread = static_cast<int>(threadIdx.x) % kLoading;
#pragma unroll 2
  for (int r = thread / kThreadsOfRow; r < kCount; r += kLoading / kThreadsOfRow) {
    const auto* row = reinterpret_cast<const char*>(row_of(r));
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const int byte = (thread % kThreadsOfRow + part * kThreadsOfRow) * kChunk;
      const bool there = row != nullptr && byte < row_bytes;
      const SharedAddress at = to + byte / 128 * (kCount * 128) + r * 128 + ((byte % 128) ^ (r % 8 * 16));
      copy_async<kChunk>(at, there ? row + byte : somewhere, there ? kChunk : 0);
    }
  }
}

// The slot that was copied to last, until it is handed over.
class Handover {
 public:
  // Waits until a slot is free. If that takes time, the last slot is handed over first, because the computing
  // threads may need it to continue.
  __device__ __forceinline__ void wait_free(SharedAddress emptied, std::uint32_t parity) {
    if (is_over(emptied, parity)) return;
    finish();
    wait(emptied, parity);
  }
  // The copies of this thread since the last call fill the slot that `filled` belongs to.
  __device__ __forceinline__ void after_copies(SharedAddress filled) {
    commit_copies();
    wait_copies<1>();
    hand();
    last_ = filled;
  }
  __device__ __forceinline__ void finish() {
    wait_copies<0>();
    hand();
    last_ = 0;
  }

 private:
  __device__ __forceinline__ void hand() const {
    if (last_ == 0) return;
    fence_for_tensor_cores();
    arrive(last_);
  }
  SharedAddress last_ = 0;
};

}  // namespace preferd::kernels::cuda::hopper
