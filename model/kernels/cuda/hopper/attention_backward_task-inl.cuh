// What the warps of the backward kernels share.
//
// The three passes have one shape. A piece of work holds Plan::kRows rows, either of queries and out_gradient
// or of keys and values; the others stream past them in tiles of kStreamed rows. For the held rows (A:
// queries or keys, B: out_gradient or values) and the streamed rows (C: keys or queries, D: values or
// out_gradient)
//
//     scores = A C^T    products = B D^T    weights = f(scores, products)    sums += weights C
//
// compute the gradients of queries and of keys, where weights are ds or its transpose; and
//
//     scores = A C^T    weights = p^T    sums += weights D
//
// compute those of values. Rows of queries are packed as in the forward (attention_task-inl.cuh): row r is
// query r / pack under head r % pack.
#pragma once

#include "model/kernels/cuda/attention_backward_task-inl.cuh"
#include "model/kernels/cuda/hopper/attention_task-inl.cuh"

namespace preferd::kernels::cuda::hopper {

enum class Gradient { kQueries, kKeys, kValues };

// Rows of a streamed tile: as many as registers and shared memory can hold.
template <int kWidth, Gradient kGradient>
inline constexpr int kStreamed = kGradient == Gradient::kValues ? (kWidth == 256 ? 80 : 128)
                                 : kWidth == 256                ? 48
                                 : kWidth == 128                ? 80
                                                                : 64;

// If chunk_bytes is 16, the copy engine fetches boxes of Plan::kRows rows of what is held, of kStreamed rows of
// what streams past.
struct MappedBackwardTask : BackwardTask {
  CUtensorMap q_map, k_map, v_map, out_gradient_map;
};

// Offsets in shared memory.
template <int kWidth, Gradient kGradient>
struct BackwardMap {
  static constexpr bool kProducts = kGradient != Gradient::kValues;
  static constexpr int kHeldBytes = Plan<kWidth>::kRows * kWidth * 2;
  static constexpr int kStreamedBytes = kStreamed<kWidth, kGradient> * kWidth * 2;
  static constexpr int kSlotsC = 2, kSlotsD = 2;
  static constexpr int kA = 0;
  static constexpr int kB = kA + kHeldBytes;
  static constexpr int kC = kB + (kProducts ? kHeldBytes : 0);
  static constexpr int kD = kC + kSlotsC * kStreamedBytes;
  static constexpr int kColumns = kD + kSlotsD * kStreamedBytes;  // log_sum_exp and delta of streamed queries
  static constexpr int kBarriers = kColumns + kSlotsC * kStreamed<kWidth, kGradient> * 8;
  static constexpr int kBytes = kBarriers + 8 * 2 * (2 + kSlotsC + kSlotsD);
  static constexpr int kAllocated = kBytes + 1024;
};

// The n-th fill of a ring: its slot, and the parity of the phase that ends with it.
template <int kSlots>
struct Fill {
  std::uint32_t n = 0;
  __device__ __forceinline__ std::uint32_t slot() const { return n % kSlots; }
  __device__ __forceinline__ std::uint32_t parity() const { return n / kSlots % 2; }
};

template <int kWidth, Gradient kGradient>
struct BackwardSlots {
  using Layout = BackwardMap<kWidth, kGradient>;
  SharedAddress base;
  Ring a, b, c, d;

  explicit __device__ __forceinline__ BackwardSlots(SharedAddress start) : base(start) {
    SharedAddress barriers = start + Layout::kBarriers;
    const auto ring = [&](int offset, int slots) {
      const Ring made{start + offset, barriers, barriers + 8 * slots};
      barriers += 16 * slots;
      return made;
    };
    a = ring(Layout::kA, 1);
    b = ring(Layout::kB, 1);
    c = ring(Layout::kC, Layout::kSlotsC);
    d = ring(Layout::kD, Layout::kSlotsD);
  }
  __device__ __forceinline__ void init() const {
    for (const Ring& ring : {a, b, c, d})
      for (SharedAddress at = ring.filled; at < ring.emptied; at += 8) {
        init_barrier(at, kLoading);
        init_barrier(at - ring.filled + ring.emptied, 128 * Plan<kWidth>::kComputing);
      }
  }
  // For a slot of C: log2(e) * log_sum_exp of its rows, then their delta.
  __device__ __forceinline__ SharedAddress columns(std::uint32_t slot) const {
    return base + Layout::kColumns + slot * (kStreamed<kWidth, kGradient> * 8);
  }
};

}  // namespace preferd::kernels::cuda::hopper
