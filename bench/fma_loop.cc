// The peak loop: twelve chains hide the latency of 4 cycles on the two pipes of every CPU of interest.
#include <array>

#include "bench/ceiling.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/fma_loop.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Returns the number of floating-point operations done.
double FmaLoop(std::size_t steps, float* sink) {
  const hn::CappedTag<float, 16> d;
  using V = hn::Vec<decltype(d)>;
  const V scale = hn::Set(d, 0.999f), shift = hn::LoadU(d, sink);
  // The chains begin differently; otherwise the compiler would fold them into one.
  V a = shift, b = hn::Add(a, shift), c = hn::Add(b, shift), e = hn::Add(c, shift), f = hn::Add(e, shift),
    g = hn::Add(f, shift), h = hn::Add(g, shift), i = hn::Add(h, shift), j = hn::Add(i, shift),
    k = hn::Add(j, shift), l = hn::Add(k, shift), m = hn::Add(l, shift);
  for (std::size_t s = 0; s < steps; ++s) {
    a = hn::MulAdd(a, scale, shift);
    b = hn::MulAdd(b, scale, shift);
    c = hn::MulAdd(c, scale, shift);
    e = hn::MulAdd(e, scale, shift);
    f = hn::MulAdd(f, scale, shift);
    g = hn::MulAdd(g, scale, shift);
    h = hn::MulAdd(h, scale, shift);
    i = hn::MulAdd(i, scale, shift);
    j = hn::MulAdd(j, scale, shift);
    k = hn::MulAdd(k, scale, shift);
    l = hn::MulAdd(l, scale, shift);
    m = hn::MulAdd(m, scale, shift);
  }
  const V sum = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)), hn::Add(hn::Add(f, g), hn::Add(h, i)));
  hn::StoreU(hn::Add(sum, hn::Add(hn::Add(j, k), hn::Add(l, m))), d, sink);
  return 2.0 * 12.0 * static_cast<double>(steps * hn::Lanes(d));
}

}  // namespace preferd::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::bench {

HWY_EXPORT(FmaLoop);

Work fma_loop(ThreadPool& pool) {
  constexpr std::size_t kSteps = 1 << 18;
  const auto loop = [](std::size_t steps) {
    std::array<float, 16> sink{};
    sink.fill(0.001f);
    return HWY_DYNAMIC_DISPATCH(FmaLoop)(steps, sink.data());
  };
  const auto run = [&pool, loop] {
    pool.run(static_cast<std::size_t>(pool.threads()), [&](std::size_t, int) { loop(kSteps); });
  };
  return {run, loop(1) * kSteps * pool.threads()};
}

}  // namespace preferd::bench
#endif
