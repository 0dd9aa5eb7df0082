#include "model/ops/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/version.h>

#include "base/region.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PREFERD_SANITIZED 1
#else
#define PREFERD_SANITIZED 0
#endif

namespace preferd::ops {
namespace {

constexpr std::size_t kAddresses = std::size_t{64} << 30;
constexpr std::size_t kLarge = std::size_t{32} << 10;

// Never destroyed: tensors may outlive everything else.
Region* region() {
  static Region* const made = Region::reserve(kAddresses).release();
  return made;
}

void give(void* memory) {
  if (region()->owns(memory))
    region()->give(memory);
  else
    c10::free_cpu(memory);
}

class RegionAllocator final : public c10::Allocator {
 public:
#if TORCH_VERSION_MAJOR > 1
  c10::DataPtr allocate(std::size_t bytes) override { return made(bytes); }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(to, from, count);
  }
#else
  c10::DataPtr allocate(std::size_t bytes) const override { return made(bytes); }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return &give; }

 private:
  static c10::DataPtr made(std::size_t bytes) {
    void* memory = bytes < kLarge ? nullptr : region()->take(bytes);
    if (memory == nullptr) memory = c10::alloc_cpu(bytes);
    return {memory, memory, &give, c10::Device(c10::DeviceType::CPU)};
  }
};

}  // namespace

void use_tensor_memory() {
  if (PREFERD_SANITIZED != 0) return;
  [[maybe_unused]] static const bool done = [] {
    if (region() == nullptr) return false;
    c10::SetAllocator(c10::DeviceType::CPU, new RegionAllocator, 1);
    return true;
  }();
}

}  // namespace preferd::ops
