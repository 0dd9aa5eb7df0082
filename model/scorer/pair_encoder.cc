#include "model/scorer/pair_encoder.h"

#include <algorithm>

#include "model/checkpoint/fields.h"
#include "model/checkpoint/safetensors.h"
#include "model/families/body.h"
#include "model/scorer/prefixes.h"

namespace preferd::scorer {
namespace {

Result<features::Standardization> read_statistics(const Files& package, const package::Manifest& manifest,
                                                  std::int64_t columns) {
  if (!manifest.features.standardize) return features::Standardization{};
  const std::string& file = manifest.features.file;
  const auto tensors = checkpoint::read_safetensors(package, file);
  if (!tensors) return invalid("package.json: features.file: " + tensors.error().what);
  const std::string expected = package.name() + "/" + file + ": expected mean and std, " +
                               std::to_string(columns) +
                               " finite floats each, std not negative, and nothing else";
  features::Standardization statistics;
  if (tensors->size() != 2) return invalid(expected);
  for (auto [name, into] : {std::pair{"mean", &statistics.mean}, std::pair{"std", &statistics.std}}) {
    const auto it = tensors->find(name);
    if (it == tensors->end() || !quant::is_floating(it->second.dtype) ||
        !checkpoint::all_finite(it->second) || it->second.shape != std::vector<std::int64_t>{columns})
      return invalid(expected);
    std::vector<float> values(static_cast<std::size_t>(columns));
    quant::widen(it->second.dtype, it->second.bytes.data(), values.size(), values.data());
    into->assign(values.begin(), values.end());
  }
  if (std::any_of(statistics.std.begin(), statistics.std.end(), [](double x) { return x < 0; }))
    return invalid(expected);
  return statistics;
}

text::Pair exchanged(const text::Pair& pair) {
  return {pair.prompt, pair.response_b, pair.response_a, pair.turns};
}

bool any_lost(const text::Truncated& truncated) {
  return std::any_of(truncated.begin(), truncated.end(), [](const text::Lost& l) { return l.any(); });
}

Status leave_unread(const package::HeadSpec& head, EncodedOrder& order) {
  if (!head.skip_token && !head.at_token) return Ok{};
  for (auto& sequence : order.sequences) {
    const std::size_t read = package::tokens_to_read(head, sequence);
    if (read == 0)
      return Error{Code::kInvalid,
                   "the head reads at token " + std::to_string(*head.at_token) +
                       " (head.at_token), which this text does not have",
                   {}};
    order.unread.emplace_back(sequence.begin() + static_cast<std::ptrdiff_t>(read), sequence.end());
    sequence.resize(read);
  }
  return Ok{};
}

Status add_gates(const package::HeadSpec& head, EncodedOrder& order) {
  if (!head.gate || !head.gate->reads_earlier()) return Ok{};
  for (const auto& sequence : order.sequences) {
    const std::size_t read = package::tokens_to_gate(*head.gate, sequence);
    if (read == 0)
      return Error{Code::kInvalid,
                   "the head's gate reads at tokens (head.gate.at_tokens) that this text does not have",
                   {}};
    order.gates.emplace_back(sequence.begin(), sequence.begin() + static_cast<std::ptrdiff_t>(read));
  }
  return Ok{};
}

Status add_marks(const package::HeadSpec& head, EncodedOrder& order) {
  if (!head.markers) return Ok{};
  const auto places = package::places_of(*head.markers, order.sequences.front());
  if (!places)
    return Error{Code::kInvalid,
                 "the head reads at markers (head.markers), each of which must stand once in this text",
                 {}};
  order.marks.assign(places->begin(), places->end());
  return Ok{};
}

}  // namespace

Result<std::shared_ptr<const PairEncoder>> PairEncoder::open(std::shared_ptr<const Files> package) {
  auto self = std::make_shared<PairEncoder>();
  self->package_ = std::move(package);
  auto manifest = package::read_manifest(*self->package_);
  if (!manifest && manifest.error().what.starts_with("package.json: "))
    return Error{manifest.error().code, self->package_->name() + "/" + manifest.error().what, {}};
  if (!manifest) return manifest.error();
  self->manifest_ = std::move(*manifest);
  auto base = package::open_base(*self->package_, self->manifest_);
  if (!base) return base.error();
  self->base_ = std::move(*base);
  auto tokenizer = text::load_tokenizer(*self->base_);
  if (!tokenizer) return tokenizer.error();
  self->tokenizer_ = std::move(*tokenizer);

  const auto config = checkpoint::read_json_object(*self->base_, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, self->base_->name() + "/config.json");
  const auto vocabulary = fields.integer("vocab_size", 1, std::int64_t{1} << 24);
  const auto family = families::family_of(fields);
  if (!family) return family.error();
  self->family_ = *family;
  const bool shared = families::shares_prefixes(**family, fields, self->manifest_.input.max_tokens);
  self->prefixes_ = shared ? Prefixes::kShared : Prefixes::kApart;
  if (self->tokenizer_->top_id() >= vocabulary)
    return invalid(self->base_->name() + ": the tokenizer has id " +
                   std::to_string(self->tokenizer_->top_id()) + ", the model's vocab_size is " +
                   std::to_string(vocabulary));

  if (const Status s = self->check_reading(); !s) return s.error();
  if (auto& chat = self->manifest_.input.conversation) {
    const auto source = self->package_->open(chat->file);
    if (!source) return invalid("package.json: input.chat_template: " + source.error().what);
    chat->source = std::string(source->text());
  }
  auto input = text::InputBuilder::create(self->manifest_.input, self->tokenizer_, *self->base_);
  if (!input) return invalid("package.json: input: " + input.error().what);
  self->input_ = std::move(*input);
  auto statistics =
      read_statistics(*self->package_, self->manifest_, package::feature_columns(self->manifest_));
  if (!statistics) return statistics.error();
  self->statistics_ = std::move(*statistics);
  return std::shared_ptr<const PairEncoder>(self);
}

Status PairEncoder::intact(Look look) const {
  if (const Status s = package_->intact(look); !s) return s;
  return base_->intact(look);
}

std::vector<float> PairEncoder::features(const text::Pair& pair) const {
  if (manifest_.features.set == features::FeatureSet::kNone) return {};
  const features::FeatureColumns columns =
      features::arena_features(manifest_.features.set, pair.prompt, pair.response_a, pair.response_b);
  return features::standardized(
      columns, statistics_.mean.size() == features::kPairColumns ? statistics_ : features::Standardization{});
}

// A state depends on earlier tokens alone, or the tokens behind the one that is read could not be left out.
Status PairEncoder::check_reading() const {
  for (const package::AdapterSpec& adapter : manifest_.adapters)
    if (adapter.head.gate && adapter.head.gate->reads_earlier() &&
        family_->mask != families::AttentionMask::kCausal)
      return invalid(package_->name() + "/package.json: head.gate is there, but " + family_->model_type +
                     " is not a causal language model");
  for (const package::AdapterSpec& adapter : manifest_.adapters)
    if (adapter.head.markers && family_->mask != families::AttentionMask::kBidirectional)
      return invalid(package_->name() + "/package.json: head.markers is there, but a state of " +
                     family_->model_type + " does not see the whole text");
  for (const package::AdapterSpec& adapter : manifest_.adapters)
    for (const auto& [key, token] :
         {std::pair{"skip_token", adapter.head.skip_token}, std::pair{"at_token", adapter.head.at_token}}) {
      if (token && family_->mask != families::AttentionMask::kCausal)
        return invalid(package_->name() + "/package.json: head." + key + " is there, but " +
                       family_->model_type + " is not a causal language model");
      if (token && *token > tokenizer_->top_id())
        return invalid(package_->name() + "/package.json: head." + key + " is " + std::to_string(*token) +
                       ", the largest id of the tokenizer is " + std::to_string(tokenizer_->top_id()));
    }
  return Ok{};
}

Result<EncodedOrder> PairEncoder::read_by(const package::HeadSpec& head, text::Inputs& inputs) const {
  EncodedOrder order;
  order.sequences = std::move(inputs.sequences);
  for (const auto& sequence : order.sequences)
    if (sequence.empty())
      return Error{Code::kEmptyInput, "the template gives an empty token sequence for this pair", ""};
  if (const Status s = leave_unread(head, order); !s) return s.error();
  if (const Status s = add_gates(head, order); !s) return s.error();
  if (const Status s = add_marks(head, order); !s) return s.error();
  return order;
}

Rewards PairEncoder::rewards() const {
  if (!package::traits(manifest_.output()).scores_each_response()) return Rewards::kNone;
  return manifest_.features.set == features::FeatureSet::kNone ? Rewards::kAlone : Rewards::kOfPair;
}

Result<EncodedOrder> PairEncoder::encode_order(const text::Pair& pair, const package::HeadSpec& head,
                                               text::Inputs& inputs) const {
  auto built = input_->build(pair);
  if (!built) return built.error();
  inputs = std::move(*built);
  auto order = read_by(head, inputs);
  if (!order || manifest_.features.set == features::FeatureSet::kNone) return order;
  const features::FeatureColumns columns =
      features::arena_features(manifest_.features.set, pair.prompt, pair.response_a, pair.response_b);
  if (!package::traits(manifest_.output()).scores_each_response()) {
    order->features = features::standardized(columns, statistics_);
    return order;
  }
  for (const features::Side side : {features::Side::kA, features::Side::kB}) {
    std::array<double, features::kResponseColumns> view;
    for (std::size_t i = 0; i < view.size(); ++i) view[i] = columns[features::response_columns(side)[i]];
    const std::vector<float> own = features::standardized(view, statistics_);
    order->features.insert(order->features.end(), own.begin(), own.end());
  }
  return order;
}

Result<int> PairEncoder::adapter_of(const std::string& name) const {
  if (name.empty()) return 0;
  const auto it = std::find_if(manifest_.adapters.begin(), manifest_.adapters.end(),
                               [&](const package::AdapterSpec& a) { return a.name == name; });
  if (it == manifest_.adapters.end())
    return Error{Code::kNotFound, "the adapter asked for is not in this package", "adapter"};
  return static_cast<int>(it - manifest_.adapters.begin());
}

Error PairEncoder::too_long() const {
  return {Code::kTooLarge,
          "the pair is longer than the limit of " + std::to_string(manifest_.input.max_tokens) +
              " tokens per sequence",
          "truncate"};
}

Result<Encoded> PairEncoder::encode(const Ask& ask) const {
  Encoded encoded;
  encoded.swap = ask.swap;
  const auto adapter = adapter_of(ask.adapter);
  if (!adapter) return adapter.error();
  encoded.adapter = *adapter;
  text::Inputs inputs;
  const package::HeadSpec& head = manifest_.adapters[static_cast<std::size_t>(encoded.adapter)].head;
  auto given = encode_order(ask.pair, head, inputs);
  if (!given) return given.error();
  encoded.orders.push_back(std::move(*given));
  encoded.tokens = inputs.tokens;
  encoded.truncated = inputs.truncated;
  bool cut = any_lost(encoded.truncated);
  if (ask.swap == Swap::kAverage && !package::traits(manifest_.output()).scores_each_response()) {
    auto other = encode_order(exchanged(ask.pair), head, inputs);
    if (!other) return other.error();
    encoded.orders.push_back(std::move(*other));
    cut = cut || any_lost(inputs.truncated);
  }
  if (cut && ask.overflow == Overflow::kError) return too_long();
  encoded.prefixes = prefixes();
  encoded.cost_tokens = distinct_tokens(encoded);
  return encoded;
}

Result<Encoded> PairEncoder::encode_response(const ResponseAsk& ask) const {
  if (rewards() != Rewards::kAlone) return no_reward(rewards());
  Encoded encoded;
  const auto adapter = adapter_of(ask.adapter);
  if (!adapter) return adapter.error();
  encoded.adapter = *adapter;
  auto inputs = input_->build_single(ask.text);
  if (!inputs) return inputs.error();
  auto order = read_by(manifest_.adapters[static_cast<std::size_t>(encoded.adapter)].head, *inputs);
  if (!order) return order.error();
  encoded.orders.push_back(std::move(*order));
  encoded.tokens = inputs->tokens;
  encoded.truncated = inputs->truncated;
  if (any_lost(encoded.truncated) && ask.overflow == Overflow::kError) return too_long();
  encoded.prefixes = prefixes();
  encoded.cost_tokens = distinct_tokens(encoded);
  return encoded;
}

}  // namespace preferd::scorer
