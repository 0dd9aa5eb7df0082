// What attention and its backward share: a sequence's line of keys. Included once for each instruction set.
#if defined(PREFERD_MODEL_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PREFERD_MODEL_KERNELS_ATTENTION_INL_H_
#undef PREFERD_MODEL_KERNELS_ATTENTION_INL_H_
#else
#define PREFERD_MODEL_KERNELS_ATTENTION_INL_H_
#endif

#include <hwy/highway.h>

#include "model/kernels/attention.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

HWY_INLINE std::size_t RoundUp(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// Row of k and v that holds position p of the line.
class Line {
 public:
  explicit Line(std::span<const KeyRun> runs) : runs_(runs) {}
  std::size_t row(std::int32_t p) const {
    for (const KeyRun& run : runs_) {
      if (p < run.count) return static_cast<std::size_t>(run.first_row) + static_cast<std::size_t>(p);
      p -= run.count;
    }
    HWY_ABORT("position beyond the line of keys");
  }

 private:
  std::span<const KeyRun> runs_;
};

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
