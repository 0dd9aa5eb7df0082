#include "model/ops/tensor_memory.h"

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <thread>

namespace preferd::ops {
namespace {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(TensorMemory, GivesALargeTensorTheMemoryOfTheLast) {
  const at::Tensor before = at::full({1 << 16}, 2.0f);  // of the allocator that was there
  use_tensor_memory();
  use_tensor_memory();
  const auto address = [](std::int64_t floats) { return at::empty({floats}, at::kFloat).data_ptr(); };
  void* const first = address(1 << 20);
  EXPECT_EQ(address(1 << 20), first);
  EXPECT_EQ(address(1 << 18), first);
  EXPECT_NE(address(16), first);
  EXPECT_EQ(before.sum().item<float>(), 2 << 16);
}

TEST(TensorMemory, LetsATensorGoOnAnotherThread) {
  use_tensor_memory();
  at::Tensor made;
  std::thread([&] { made = at::full({1 << 16}, 3.0f); }).join();
  EXPECT_EQ(made.sum().item<float>(), 3 << 16);
  const at::Tensor grown = made.clone().resize_({1 << 17});
  EXPECT_EQ(grown[(1 << 16) - 1].item<float>(), 3);
}
#endif

}  // namespace
}  // namespace preferd::ops
