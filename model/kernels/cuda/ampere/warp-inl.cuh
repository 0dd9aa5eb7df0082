// What a warp does together on sm_80 and above, as PTX: matrices of 8 x 8 from shared memory (ldmatrix), and
// products of 16 x 16 by 16 x 8 (mma.sync).
//
// Of a product's rows, a thread holds lane / 4 and lane / 4 + 8; of each 8 columns, the 2 from 2 * (lane % 4)
// on.
#pragma once

#include <cstdint>

#include "model/kernels/cuda/barrier-inl.cuh"

namespace preferd::kernels::cuda::ampere {

// The number of this thread in its block, hidden from the compiler, so that it does not keep what follows from
// it in registers across a loop, which products need.
__device__ __forceinline__ unsigned this_thread() {
  unsigned thread = threadIdx.x;
  asm volatile("" : "+r"(thread));
  return thread;
}

// Four matrices; 8 lanes each, in order, give the addresses of a matrix's rows of 16 bytes.
__device__ __forceinline__ void load_matrices(std::uint32_t (&r)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row));
}
__device__ __forceinline__ void load_transposed(std::uint32_t (&r)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row));
}

// d [16, 8] += a [16, 16] b [16, 8], d of 4 numbers.
__device__ __forceinline__ void multiply(float* d, const std::uint32_t (&a)[4], std::uint32_t b0,
                                         std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Waits until the phase of this parity is complete; asleep, because the warps that one waits for need the
// issue slots.
__device__ __forceinline__ void wait(SharedAddress barrier, std::uint32_t parity) {
  while (!is_over(barrier, parity)) __nanosleep(20);
}

// Arrives as soon as all copies that this thread began are complete.
__device__ __forceinline__ void arrive_when_copied(SharedAddress barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

}  // namespace preferd::kernels::cuda::ampere
