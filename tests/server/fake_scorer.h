// A scorer that knows nothing and is exactly predictable: one token is four bytes, p(a) depends on the two
// responses alone, time is what the options say. For tests of the server.
//
// Response a can ask for trouble: "NONFINITE" (no finite logits), "THROW" (score throws), "BADBATCH" (every
// pair of the batch fails), "LOST" (the device of the batch fails, until a batch without), "HALVED" (there is
// no memory for the batch).
#pragma once

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>

#include "model/scorer/scorer.h"

namespace preferd::server {

struct FakeOptions {
  std::int64_t batch_delay_us = 0, token_delay_ns = 0;
  int classes = 2;
  int max_tokens = 2048;
  std::string revision = "1";
  scorer::Rewards rewards = scorer::Rewards::kNone;
};

class FakeScorer : public scorer::Scorer {
 public:
  explicit FakeScorer(FakeOptions options) : options_(std::move(options)) {
    info_.name = "fake";
    info_.revision = options_.revision;
    info_.layout = "pair";
    info_.family = "none";
    info_.quantization = "none";
    info_.output = "sigmoid_b";
    info_.compute = "fp32";
    info_.digest = std::string(64, '0');
    info_.max_tokens = options_.max_tokens;
    info_.classes = options_.classes;
    info_.rewards = options_.rewards;
    info_.adapters = {{"default", options_.classes}, {"other", options_.classes}};
    info_.feature_names = {"length", "nothing"};
  }

  const scorer::ScorerInfo& info() const override { return info_; }

  Result<scorer::Encoded> encode(const scorer::Ask& ask) const override {
    scorer::Encoded out;
    if (ask.adapter == "other") out.adapter = 1;
    if (!ask.adapter.empty() && ask.adapter != "other" && ask.adapter != "default")
      return Error{Code::kNotFound, "adapter: no adapter of that name", "adapter"};
    const auto tokens = [](const std::string& text) {
      return static_cast<std::int64_t>(text.size() + 3) / 4;
    };
    out.tokens = {tokens(ask.pair.prompt), tokens(ask.pair.response_a), tokens(ask.pair.response_b), 0};
    const std::int64_t all = out.tokens.prompt + out.tokens.response_a + out.tokens.response_b;
    const std::int64_t over = all - (options_.max_tokens - 2);
    if (over > 0 && ask.overflow == scorer::Overflow::kError)
      return Error{
          Code::kTooLarge, "the pair is longer than " + std::to_string(options_.max_tokens) + " tokens", {}};
    if (over > 0) out.truncated[2] = {over, 4 * over};
    out.tokens.total = std::min<std::int64_t>(all + 2, options_.max_tokens);
    scorer::EncodedOrder order;
    order.features = {number(ask.pair.response_a), number(ask.pair.response_b)};
    order.sequences = {std::vector<std::int32_t>(static_cast<std::size_t>(out.tokens.total), 1)};
    if (ask.pair.response_a == "NONFINITE") order.sequences[0][0] = -1;
    if (ask.pair.response_a == "THROW") order.sequences[0][0] = -2;
    if (ask.pair.response_a == "BADBATCH") order.sequences[0][0] = -3;
    if (ask.pair.response_a == "LOST") order.sequences[0][0] = -4;
    if (ask.pair.response_a == "HALVED") order.sequences[0][0] = -5;
    out.orders.push_back(order);
    if (ask.swap == scorer::Swap::kAverage) {
      std::swap(order.features[0], order.features[1]);
      out.orders.push_back(order);
    }
    out.cost_tokens = static_cast<std::size_t>(out.tokens.total) * out.orders.size();
    return out;
  }

  Result<scorer::Encoded> encode_response(const scorer::ResponseAsk& ask) const override {
    if (info_.rewards != scorer::Rewards::kAlone) return scorer::no_reward(info_.rewards);
    auto out = encode({{ask.text.prompt, ask.text.response, ""}, ask.adapter, {}, ask.overflow});
    if (!out) return out;
    out->orders[0].features.resize(1);
    return out;
  }

  std::vector<float> features(const text::Pair& pair) const override {
    return {static_cast<float>(pair.prompt.size()), NAN};
  }

  std::vector<Result<scorer::Verdict>> score(std::span<const scorer::Encoded* const> items) override {
    std::size_t tokens = 0;
    bool bad = false, lost = false, halved = false;
    for (const auto* item : items) {
      tokens += item->cost_tokens;
      if (item->orders[0].sequences[0][0] == -2) throw std::runtime_error("asked to throw");
      bad = bad || item->orders[0].sequences[0][0] == -3;
      lost = lost || item->orders[0].sequences[0][0] == -4;
      halved = halved || item->orders[0].sequences[0][0] == -5;
    }
    lost_ = lost;
    halved_ += halved ? 1 : 0;
    if (lost) return {items.size(), Error{Code::kDevice, kWhatDeviceSaid, {}}};
    std::this_thread::sleep_for(
        std::chrono::microseconds(options_.batch_delay_us) +
        std::chrono::nanoseconds(options_.token_delay_ns * static_cast<std::int64_t>(tokens)));
    std::vector<Result<scorer::Verdict>> out;
    for (const auto* item : items) out.push_back(verdict(*item, bad));
    return out;
  }

  scorer::Capacity capacity() const override {
    scorer::Capacity c;
    c.halved = halved_;
    if (lost_) c.working = 0, c.lost = kWhatDeviceSaid;
    return c;
  }

 private:
  static constexpr const char* kWhatDeviceSaid = "cuda:0 fell off the bus";

  static float number(const std::string& text) {
    std::uint32_t h = 2166136261u;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
    return static_cast<float>(h % 4001) / 1000.0f - 2.0f;
  }

  Result<scorer::Verdict> verdict(const scorer::Encoded& item, bool bad) const {
    if (bad) return Error{Code::kInternal, "the batch failed", {}};
    if (item.orders[0].sequences[0][0] == -1)
      return Error{Code::kNonFinite, "the model gave no finite number for this pair", {}};
    scorer::Verdict v;
    v.tokens = item.tokens;
    v.truncated = item.truncated;
    if (item.orders[0].features.size() == 1) {
      v.logits = {item.orders[0].features[0]};
      return v;
    }
    const float logit = item.orders[0].features[1] - item.orders[0].features[0];
    const float p_b = 1.0f / (1.0f + std::exp(-logit));
    v.logits = {logit};
    v.probabilities = {1.0f - p_b, p_b};
    if (options_.classes == 3) v.probabilities = {0.5f * (1.0f - p_b), 0.5f * p_b, 0.5f};
    for (std::size_t i = 0; i < v.probabilities.size(); ++i)
      if (v.probabilities[i] > v.probabilities[static_cast<std::size_t>(v.winner)])
        v.winner = static_cast<int>(i);
    if (item.orders.size() == 2) v.order_gap = 0.0f;
    return v;
  }

  FakeOptions options_;
  scorer::ScorerInfo info_;
  std::atomic<bool> lost_{false};
  std::atomic<std::int64_t> halved_{0};
};

}  // namespace preferd::server
