#include "model/scorer/package_scorer.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <iomanip>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include "model/backend/accelerator.h"
#include "model/ops/rows.h"
#include "model/ops/tensor_memory.h"
#include "model/scorer/adapted_model.h"
#include "model/scorer/engine.h"
#include "model/scorer/fp8_layers.h"
#include "model/scorer/golden.h"
#include "model/scorer/logits.h"
#include "model/scorer/packer.h"
#include "model/scorer/prefixes.h"
#include "model/scorer/verdict.h"

namespace preferd::scorer {
namespace {

class PackageScorer : public Scorer {
 public:
  PackageScorer(std::shared_ptr<const PairEncoder> encoder, AdaptedModel model, Engine engine)
      : encoder_(std::move(encoder)), model_(std::move(model)) {
    adopt(std::move(engine));
    at::set_num_threads(1);  // only our own pool computes
    ops::use_tensor_memory();
    const package::Manifest& m = encoder_->manifest();
    info_.name = m.name;
    info_.revision = m.revision;
    info_.layout = word_of(m.input.layout);
    if (m.input.conversation) info_.date = m.input.conversation->date;
    info_.family = model_.family;
    info_.quantization = word_of(m.quantization.scheme);
    info_.output = word_of(m.output());
    info_.rewards = encoder_->rewards();
    info_.temperature = m.temperature;
    info_.digest = m.digest;
    info_.max_tokens = m.input.max_tokens;
    for (std::size_t i = 0; i < m.adapters.size(); ++i) {
      const LoadedAdapter& a = model_.adapters[i];
      const int classes = package::traits(a.spec.output).classes(a.head ? a.head->outputs() : 0);
      info_.adapters.push_back({m.adapters[i].name, classes});
      info_.classes = std::max(info_.classes, classes);
    }
    if (m.features.set != features::FeatureSet::kNone)
      for (const char* name : features::feature_names()) info_.feature_names.emplace_back(name);
    info_.resident_bytes = model_.stored_bytes;
    for (const LoadedAdapter& a : model_.adapters) projections_.push_back(&a.projections);
  }

  // Replaces the engine; the old one gives back its memory first.
  Status compute_at(const Placement& placement) {
    const std::shared_ptr<ops::Compute> cpu = engine_.heads;
    engine_.body = cpu;
    auto engine = make_engine(placement, cpu, model_);
    if (!engine) return engine.error();
    adopt(std::move(*engine));
    return Ok{};
  }

  std::int64_t layers() const { return model_.layers; }
  void note(std::string text) { info_.compute_note = std::move(text); }

  void fall_back_to_fp32(std::string why) {
    engine_.body = engine_.heads;
    info_.compute = "fp32";
    info_.compute_note = std::move(why);
  }

  void passed(const GoldenReport& report) {
    info_.golden_pairs = report.pairs;
    info_.golden_worst = report.worst;
  }

  const ScorerInfo& info() const override { return info_; }
  Result<Encoded> encode(const Ask& ask) const override { return encoder_->encode(ask); }
  Result<Encoded> encode_response(const ResponseAsk& ask) const override {
    return encoder_->encode_response(ask);
  }
  std::vector<float> features(const text::Pair& pair) const override { return encoder_->features(pair); }

  std::vector<Result<Verdict>> score(std::span<const Encoded* const> items) override {
    if (const Status s = intact(Look::kQuick); !s) return {items.size(), s.error()};
    std::vector<Result<Verdict>> verdicts = compute(items);
    if (const Status s = intact(Look::kQuick); !s) return {items.size(), s.error()};
    return verdicts;
  }

  Status intact(Look look) const override { return encoder_->intact(look); }

  Capacity capacity() const override {
    Capacity c;
    if (const backend::Accelerator* device = engine_.body->accelerator()) {
      c.ahead = 1;
      c.note = device->graphs().note;
    }
    c.halved = halved_;
    const std::lock_guard lock(state_);
    c.working = fails_ ? 0 : 1;
    c.lost = lost_;
    return c;
  }

 private:
  std::vector<Result<Verdict>> compute(std::span<const Encoded* const> items) {
    const c10::InferenceMode inference;
    const c10::DeviceGuard current(engine_.body->device());
    std::vector<std::size_t> order = alike_together(items);
    const auto key = [&](std::size_t i) {
      const LoadedAdapter& a = model_.adapters[static_cast<std::size_t>(items[i]->adapter)];
      return std::tuple(a.body, a.spec.pooling, items[i]->adapter);
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    const auto mixes = [&](std::size_t a, std::size_t b) {
      return std::get<0>(key(a)) == std::get<0>(key(b)) && std::get<1>(key(a)) == std::get<1>(key(b));
    };
    std::vector<const Encoded*> sorted;
    for (const std::size_t i : order) sorted.push_back(items[i]);
    std::vector<Result<Verdict>> verdicts(items.size(), Result<Verdict>(Error{}));
    const auto settle = [&](Started started, std::size_t begin) {
      std::vector<Result<Verdict>> answers = finished(std::move(started));
      for (std::size_t i = 0; i < answers.size(); ++i) verdicts[order[begin + i]] = std::move(answers[i]);
    };
    std::optional<Started> before;
    std::size_t before_begin = 0;
    for (std::size_t begin = 0, mixed = 0; begin < order.size();) {
      while (mixed < order.size() && mixes(order[begin], order[mixed])) ++mixed;
      const auto next = std::span(sorted).subspan(begin, mixed - begin);
      const auto group = next.first(count_for_forward(next, engine_.limits));
      const std::size_t end = begin + group.size();
      Started now = started({group.begin(), group.end()});
      if (before) settle(*std::move(before), before_begin);
      before = std::move(now);
      before_begin = begin;
      begin = end;
    }
    if (before) settle(*std::move(before), before_begin);
    return verdicts;
  }

  void adopt(Engine engine) {
    engine_ = std::move(engine);
    info_.device = engine_.device;
    info_.compute = engine_.compute;
    info_.residency = engine_.residency;
  }

  // A forward in progress: a device computes while the host may do other things.
  struct Started {
    std::vector<const Encoded*> items;
    std::function<at::Tensor()> states;     // waits for them
    std::vector<Result<Verdict>> verdicts;  // set if there are no states to wait for
  };

  Started started(std::vector<const Encoded*> items) {
    try {
      auto states = launch(items);
      return {std::move(items), std::move(states), {}};
    } catch (const c10::OutOfMemoryError& e) {
      std::vector<Result<Verdict>> verdicts = in_halves(items, e.what_without_backtrace());
      return {std::move(items), {}, std::move(verdicts)};
    } catch (const c10::Error& e) {
      std::vector<Result<Verdict>> verdicts = failed(items, e);
      return {std::move(items), {}, std::move(verdicts)};
    }
  }

  std::vector<Result<Verdict>> finished(Started started) {
    if (!started.states) return std::move(started.verdicts);
    at::Tensor states;
    try {
      states = started.states();
    } catch (const c10::Error& e) {
      return failed(started.items, e);
    }
    answered();
    try {
      return answers(started.items, states);
    } catch (const c10::Error& e) {
      return {started.items.size(), Error{Code::kInternal, e.what_without_backtrace(), {}}};
    }
  }

  std::vector<Result<Verdict>> failed(std::span<const Encoded* const> items, const c10::Error& e) {
    const Code code = engine_.body->device().is_cpu() ? Code::kInternal : Code::kDevice;
    const std::string what = info_.device + ": " + e.what_without_backtrace();
    if (code == Code::kDevice) {
      const std::lock_guard lock(state_);
      fails_ = true;
      lost_ = what;
    }
    return {items.size(), Error{code, what, {}}};
  }

  void answered() {
    const std::lock_guard lock(state_);
    fails_ = false;
  }

  // When a device's memory runs out, smaller batches are tried, down to one item.
  std::vector<Result<Verdict>> in_halves(std::span<const Encoded* const> items, const std::string& why) {
    if (items.size() == 1)
      return {Error{Code::kTooLarge,
                    info_.device + " has no memory for a pair of " + std::to_string(items[0]->cost_tokens) +
                        " tokens: " + why,
                    {}}};
    ++halved_;
    std::vector<Result<Verdict>> verdicts;
    const std::size_t half = items.size() / 2;
    for (const auto part : {items.first(half), items.subspan(half)})
      for (Result<Verdict>& v : finished(started({part.begin(), part.end()})))
        verdicts.push_back(std::move(v));
    return verdicts;
  }

  // The items share a body and a pooling; those of one adapter are adjacent.
  std::function<at::Tensor()> launch(std::span<const Encoded* const> items) {
    const LoadedAdapter& first = model_.adapters[static_cast<std::size_t>(items[0]->adapter)];
    const backend::Batch batch = pack(items, encoder_->prefixes());
    const std::lock_guard lock(device_);
    const at::Tensor states =
        model_.bodies[first.body]->pooled(*engine_.body, batch, first.spec.pooling, projections_);
    if (backend::Accelerator* device = engine_.body->accelerator(); device != nullptr && !states.is_cpu())
      return device->to_host(states);
    return [states = states.to(at::kCPU)] { return states; };
  }

  std::vector<Result<Verdict>> answers(std::span<const Encoded* const> items, const at::Tensor& states) {
    const std::lock_guard lock(heads_);
    std::vector<Result<Verdict>> out;
    std::int64_t row = 0;
    for (std::size_t begin = 0; begin < items.size();) {
      std::size_t end = begin;
      std::int64_t rows = 0;
      for (; end < items.size() && items[end]->adapter == items[begin]->adapter; ++end)
        for (const EncodedOrder& order : items[end]->orders)
          rows += static_cast<std::int64_t>(order.states());
      const auto group = items.subspan(begin, end - begin);
      answer(group, states.narrow(0, row, rows).contiguous(), out);
      row += rows;
      begin = end;
    }
    return out;
  }

  // Answers items of one adapter, given their pooled states.
  void answer(std::span<const Encoded* const> items, const at::Tensor& states,
              std::vector<Result<Verdict>>& answers) {
    const LoadedAdapter& adapter = model_.adapters[static_cast<std::size_t>(items[0]->adapter)];
    const at::Tensor logits =
        item_logits(*engine_.heads, model_, projections_, items, encoder_->columns(), states);
    const auto width = static_cast<std::size_t>(logits.size(1));
    const bool difference = package::traits(adapter.spec.output).scores_each_response();
    const float* at = logits.data_ptr<float>();
    for (const Encoded* item : items) {
      std::vector<std::vector<float>> orders;
      for (std::size_t i = 0; i < item->orders.size(); ++i) {
        const std::size_t count = difference ? item->orders[i].sequences.size() : width;
        orders.emplace_back(at, at + count);
        at += count;
      }
      answers.push_back(make_verdict(adapter.spec.output, *item, orders,
                                     static_cast<float>(encoder_->manifest().temperature)));
    }
  }

  std::shared_ptr<const PairEncoder> encoder_;
  AdaptedModel model_;
  Engine engine_;
  ScorerInfo info_;
  std::vector<const std::map<std::string, checkpoint::LoraWeights>*> projections_;
  std::mutex device_, heads_;  // two calls of score() may be in progress
  std::atomic<std::int64_t> halved_{0};
  mutable std::mutex state_;
  bool fails_ = false;  // whether the device failed in its last forward; guarded by state_
  std::string lost_;    // the error that it gave; guarded by state_
};

// Scores a pair for each adapter, so that weights go to the device and products are tried now, not at the
// first request; what does not fit is reported.
Status warm_up(Scorer& scorer) {
  for (const AdapterInfo& adapter : scorer.info().adapters) {
    const auto encoded = scorer.encode({.pair = {"a", "b", "c"}, .adapter = adapter.name});
    if (!encoded) return encoded.error();
    const Encoded* items[] = {&*encoded};
    const auto verdicts = scorer.score(items);
    if (!verdicts.front() && verdicts.front().error().code != Code::kNonFinite)
      return verdicts.front().error();
  }
  return Ok{};
}

// Under residency fp8, as many first layers stay in bf16 as the golden pairs require.
Status settle_fp8(const PairEncoder& encoder, PackageScorer& scorer, Placement placement) {
  const std::string& path = *encoder.manifest().golden;
  const auto pairs = read_golden(encoder.package(), path);
  if (!pairs) return pairs.error();
  const auto drift_with = [&](std::int64_t bf16_layers) -> Result<double> {
    placement.bf16_layers = bf16_layers;
    if (bf16_layers > 0) {
      if (const Status made = scorer.compute_at(placement); !made) return made.error();
      if (const Status warm = warm_up(scorer); !warm) return warm.error();
    }
    const auto verdicts = score_golden(*pairs, scorer);
    if (!verdicts) return invalid(encoder.package().name() + "/" + path + ": " + verdicts.error().what);
    return golden_drift(encoder.manifest(), *pairs, *verdicts);
  };
  const auto chosen = choose_fp8_layers(scorer.layers(), drift_with);
  if (!chosen) return chosen.error();
  if (chosen->bf16 == 0) return Ok{};
  const std::int64_t layers = scorer.layers();
  std::ostringstream text;
  text << std::fixed << std::setprecision(5) << "fp8 in the last " << layers - chosen->bf16 << " of "
       << layers << " layers: with fp8 in all layers, probabilities of the golden pairs are off by "
       << chosen->drift << " on average, expected at most " << kFp8Drift;
  scorer.note(text.str());
  return Ok{};
}

// The fast path must pass the package's own golden pairs; otherwise the scorer reports why it is not used.
Status pass_gate(const PairEncoder& encoder, PackageScorer& scorer, const Placement& placement) {
  const auto verify = [&] {
    return verify_golden(encoder.package(), *encoder.manifest().golden, scorer,
                         golden_tolerance(scorer.info()));
  };
  auto report = verify();
  if (!report && scorer.info().compute == "int16" && placement.compute == ComputeType::kAuto) {
    scorer.fall_back_to_fp32("int16 did not agree with the golden pairs: " + report.error().what);
    report = verify();
  }
  if (!report && scorer.info().compute != "fp32")
    return invalid(scorer.info().compute + " did not agree with the golden pairs: " + report.error().what);
  if (!report) return report.error();
  scorer.passed(*report);
  return Ok{};
}

Result<std::shared_ptr<Scorer>> load_model_of(const std::shared_ptr<const PairEncoder>& encoder,
                                              std::shared_ptr<ops::Compute> cpu, const Placement& placement,
                                              Golden golden) {
  auto model = load_model(*encoder);
  if (!model) return model.error();
  auto engine = make_engine(placement, std::move(cpu), *model);
  if (!engine) return engine.error();
  auto scorer = std::make_shared<PackageScorer>(encoder, std::move(*model), std::move(*engine));
  if (placement.device.kind == Device::Kind::kCuda)
    if (const Status warm = warm_up(*scorer); !warm) return warm.error();
  const bool verify = encoder->manifest().golden && golden == Golden::kVerify;
  if (verify && scorer->info().compute == "fp8")
    if (const Status settled = settle_fp8(*encoder, *scorer, placement); !settled) return settled.error();
  if (verify)
    if (const Status gate = pass_gate(*encoder, *scorer, placement); !gate) return gate.error();
  return std::shared_ptr<Scorer>(std::move(scorer));
}

}  // namespace

Result<std::shared_ptr<Scorer>> load_package(std::shared_ptr<const Files> package,
                                             std::shared_ptr<ops::Compute> cpu, const Placement& placement,
                                             Golden golden) {
  const auto encoder = if_intact(*package, PairEncoder::open(package));
  if (!encoder) return encoder.error();
  return if_intact(**encoder, load_model_of(*encoder, std::move(cpu), placement, golden));
}

}  // namespace preferd::scorer
