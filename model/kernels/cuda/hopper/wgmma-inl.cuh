// wgmma: a warpgroup (4 warps) multiplies 64 rows of bf16 from registers or shared memory by a panel in
// shared memory, with the sums in fp32 registers.
//
// Tiles in shared memory are slabs of 64 columns: [rows][64] bf16, a row of 128 bytes, its eight 16-byte
// chunks permuted by the row (chunk c is stored at c ^ (row & 7)), which is the hardware's 128-byte swizzle;
// a slab begins at a multiple of 1024 bytes. Such a tile can be a [rows, columns] operand whose sum runs over
// columns (queries and keys) and one whose sum runs over rows (values).
//
// The registers of a product in flight belong to it from the fence before it to the wait after it.
#pragma once

#include <cstdint>
#include <type_traits>

#include "model/kernels/cuda/hopper/barrier-inl.cuh"

namespace preferd::kernels::cuda::hopper {

// Where an operand begins in shared memory; its slabs are `slab_bytes` apart, groups of 8 rows 1024 bytes.
// `step` bytes further on is another slab, another 8 rows or another 8 columns of a slab.
struct Operand {
  std::uint32_t low;

  __device__ __forceinline__ Operand(SharedAddress address, std::uint32_t slab_bytes)
      : low((address >> 4) | (slab_bytes >> 4 << 16)) {}
  __device__ __forceinline__ std::uint64_t descriptor(std::uint32_t step) const {
    constexpr std::uint64_t kHigh = (std::uint64_t{1} << 30) | (1024 >> 4);  // 128-byte swizzle
    return kHigh << 32 | std::uint64_t{low + (step >> 4)};
  }
};

__device__ __forceinline__ void open_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void close_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kPending>
__device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// Keeps the compiler from moving uses of registers across this point.
template <class T, int kCount>
__device__ __forceinline__ void pin(T (&registers)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if constexpr (std::is_same_v<T, float>)
      asm volatile("" : "+f"(registers[i])::"memory");
    else
      asm volatile("" : "+r"(registers[i])::"memory");
  }
}

#define PREFERD_D24                        \
  "%0, %1, %2, %3, %4, %5, %6, %7, "       \
  "%8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23"
#define PREFERD_D32                          \
  "%0, %1, %2, %3, %4, %5, %6, %7, "         \
  "%8, %9, %10, %11, %12, %13, %14, %15, "   \
  "%16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31"
#define PREFERD_D40                          \
  "%0, %1, %2, %3, %4, %5, %6, %7, "         \
  "%8, %9, %10, %11, %12, %13, %14, %15, "   \
  "%16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39"
#define PREFERD_D64                          \
  "%0, %1, %2, %3, %4, %5, %6, %7, "         \
  "%8, %9, %10, %11, %12, %13, %14, %15, "   \
  "%16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, " \
  "%40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, " \
  "%56, %57, %58, %59, %60, %61, %62, %63"
#define PREFERD_D128                                 \
  "%0, %1, %2, %3, %4, %5, %6, %7, "                 \
  "%8, %9, %10, %11, %12, %13, %14, %15, "           \
  "%16, %17, %18, %19, %20, %21, %22, %23, "         \
  "%24, %25, %26, %27, %28, %29, %30, %31, "         \
  "%32, %33, %34, %35, %36, %37, %38, %39, "         \
  "%40, %41, %42, %43, %44, %45, %46, %47, "         \
  "%48, %49, %50, %51, %52, %53, %54, %55, "         \
  "%56, %57, %58, %59, %60, %61, %62, %63, "         \
  "%64, %65, %66, %67, %68, %69, %70, %71, "         \
  "%72, %73, %74, %75, %76, %77, %78, %79, "         \
  "%80, %81, %82, %83, %84, %85, %86, %87, "         \
  "%88, %89, %90, %91, %92, %93, %94, %95, "         \
  "%96, %97, %98, %99, %100, %101, %102, %103, "     \
  "%104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, " \
  "%120, %121, %122, %123, %124, %125, %126, %127"
#define PREFERD_R4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define PREFERD_R8(i) PREFERD_R4(i), PREFERD_R4(i + 4)
#define PREFERD_R32(i) PREFERD_R8(i), PREFERD_R8(i + 8), PREFERD_R8(i + 16), PREFERD_R8(i + 24)
#define PREFERD_REGS24 PREFERD_R8(0), PREFERD_R8(8), PREFERD_R8(16)
#define PREFERD_REGS32 PREFERD_R32(0)
#define PREFERD_REGS40 PREFERD_R32(0), PREFERD_R8(32)
#define PREFERD_REGS64 PREFERD_R32(0), PREFERD_R32(32)
#define PREFERD_REGS128 PREFERD_R32(0), PREFERD_R32(32), PREFERD_R32(64), PREFERD_R32(96)

// d [64, kColumns] (+)= a b^T, both [rows][k] in shared memory. keep: 0 starts a new sum, 1 adds to d.
#define PREFERD_SHARED_TIMES_SHARED(columns, n, A, B, add)                                            \
  __device__ __forceinline__ void multiply_transposed(float(&d)[n], std::uint64_t a, std::uint64_t b, \
                                                      int keep) {                                     \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #add                                            \
                 ", 0;\n"                                                                             \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32.bf16.bf16 {" PREFERD_D##n      \
                 "}, "                                                                                \
                 "%" #A ", %" #B ", p, 1, 1, 0, 0;\n}\n"                                              \
                 : PREFERD_REGS##n                                                                    \
                 : "l"(a), "l"(b), "r"(keep));                                                        \
  }

// d [64, kColumns] (+)= a b, a in registers, b [k][columns] in shared memory.
#define PREFERD_REGISTERS_TIMES_SHARED(columns, n, A0, A1, A2, A3, B, add)                            \
  __device__ __forceinline__ void multiply(float(&d)[n], const std::uint32_t(&a)[4], std::uint64_t b, \
                                           int keep) {                                                \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #add                                            \
                 ", 0;\n"                                                                             \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32.bf16.bf16 {" PREFERD_D##n      \
                 "}, "                                                                                \
                 "{%" #A0 ", %" #A1 ", %" #A2 ", %" #A3 "}, %" #B ", p, 1, 1, 1;\n}\n"                \
                 : PREFERD_REGS##n                                                                    \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(keep));                    \
  }

PREFERD_SHARED_TIMES_SHARED(48, 24, 24, 25, 26)
PREFERD_SHARED_TIMES_SHARED(64, 32, 32, 33, 34)
PREFERD_SHARED_TIMES_SHARED(80, 40, 40, 41, 42)
PREFERD_SHARED_TIMES_SHARED(128, 64, 64, 65, 66)
PREFERD_REGISTERS_TIMES_SHARED(64, 32, 32, 33, 34, 35, 36, 37)
PREFERD_REGISTERS_TIMES_SHARED(128, 64, 64, 65, 66, 67, 68, 69)
PREFERD_REGISTERS_TIMES_SHARED(256, 128, 128, 129, 130, 131, 132, 133)

#undef PREFERD_D24
#undef PREFERD_REGS24
#undef PREFERD_D32
#undef PREFERD_REGS32
#undef PREFERD_D40
#undef PREFERD_REGS40
#undef PREFERD_D64
#undef PREFERD_REGS64
#undef PREFERD_D128
#undef PREFERD_REGS128
#undef PREFERD_R4
#undef PREFERD_R8
#undef PREFERD_R32
#undef PREFERD_SHARED_TIMES_SHARED
#undef PREFERD_REGISTERS_TIMES_SHARED

}  // namespace preferd::kernels::cuda::hopper
