#include "model/scorer/fp8_layers.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "model/scorer/verdict.h"

namespace preferd::scorer {
namespace {

package::Output output_of(const package::Manifest& manifest, const std::string& adapter) {
  for (const package::AdapterSpec& a : manifest.adapters)
    if (a.name == adapter) return a.head.output;
  return manifest.adapters.front().head.output;
}

}  // namespace

double golden_drift(const package::Manifest& manifest, std::span<const GoldenPair> pairs,
                    std::span<const Verdict> verdicts) {
  PREFERD_CHECK(pairs.size() == verdicts.size() && !pairs.empty());
  double sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::vector<float> recorded(pairs[i].logits.begin(), pairs[i].logits.end());
    if (recorded.size() != verdicts[i].logits.size()) return HUGE_VAL;
    const auto want = probabilities(output_of(manifest, pairs[i].ask.adapter), recorded,
                                    static_cast<float>(manifest.temperature));
    const auto& got = verdicts[i].probabilities;
    double worst = 0;
    for (std::size_t j = 0; j < want.size(); ++j)
      worst = std::max(worst, std::fabs(static_cast<double>(got[j]) - want[j]));
    sum += worst;
  }
  return sum / static_cast<double>(pairs.size());
}

Result<Fp8Layers> choose_fp8_layers(std::int64_t layers,
                                    const std::function<Result<double>(std::int64_t)>& drift_with) {
  const auto all = drift_with(0);
  if (!all) return all.error();
  Fp8Layers chosen{0, *all};
  if (*all <= kFp8Drift) return chosen;
  std::int64_t too_few = 0, last = 0;
  chosen.bf16 = layers;
  while (chosen.bf16 - too_few > 1) {
    last = (too_few + chosen.bf16) / 2;
    const auto drift = drift_with(last);
    if (!drift) return drift.error();
    (*drift <= kFp8Drift ? chosen.bf16 : too_few) = last;
  }
  if (last != chosen.bf16)
    if (const auto again = drift_with(chosen.bf16); !again) return again.error();
  return chosen;
}

}  // namespace preferd::scorer
