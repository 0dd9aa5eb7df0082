// Hopper's instructions for handing tiles in shared memory from one warp to another, as PTX.
#pragma once

#include <cstdint>

#include <cuda.h>

#include "model/kernels/cuda/barrier-inl.cuh"

namespace preferd::kernels::cuda::hopper {

// Arrives, and extends the phase until `bytes` more have been copied.
__device__ __forceinline__ void arrive_expecting(SharedAddress barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

// Lets the copy engine fetch the box of a tensor that begins at (x, y, z), and count its bytes at the
// barrier.
__device__ __forceinline__ void copy_box(SharedAddress to, const CUtensorMap& map, std::int32_t x,
                                         std::int32_t y, std::int32_t z, SharedAddress barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::"
      "complete_tx::bytes [%0], [%1, {%2, %3, "
      "%4}], [%5];" ::"r"(to),
      "l"(&map), "r"(x), "r"(y), "r"(z), "r"(barrier)
      : "memory");
}

// Waits until the phase of this parity is complete.
__device__ __forceinline__ void wait(SharedAddress barrier, std::uint32_t parity) {
  std::uint32_t over;
  do {
    asm volatile(
        "{\n.reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}\n"
        : "=r"(over)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (over == 0);
}

// Makes this thread's writes to shared memory visible to the tensor cores.
__device__ __forceinline__ void fence_for_tensor_cores() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int kPending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

template <int kRegisters>
__device__ __forceinline__ void give_up_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace preferd::kernels::cuda::hopper
