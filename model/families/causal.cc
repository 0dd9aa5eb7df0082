#include "model/families/causal.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "model/backend/accelerator.h"
#include "model/backend/pad_to_bucket.h"
#include "model/layers/chunks.h"
#include "model/layers/decoder.h"
#include "model/layers/pool.h"
#include "model/ops/recompute.h"
#include "model/ops/rows.h"
#include "model/quant/dtype.h"

namespace preferd::families {
namespace {

using Projections = std::span<const std::map<std::string, checkpoint::LoraWeights>* const>;

// What a forward reads besides weights. Borrows the batch and the projections.
struct Inputs {
  Inputs(const backend::Batch& all, package::Pooling pooling, Projections projections)
      : batch(all),
        adapters{projections, all.runs},
        pooled_runs(layers::runs_of_pooled(all)),
        last_rows(layers::last_rows(all)),
        last_positions(layers::positions_of(all, last_rows)) {
    if (pooling == package::Pooling::kLast)
      last = {backend::Queries::kPooledRows, last_rows, last_positions, pooled_runs};
  }
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;

  const backend::Batch& batch;
  backend::Adapters adapters;
  std::vector<backend::AdapterRun> pooled_runs;
  std::vector<std::int32_t> last_rows, last_positions;
  layers::OutputRows last;  // of the last block
};

// The same with what it reads: blocks that are recomputed in backward outlive the forward.
struct Kept {
  Kept(const backend::Batch& all, package::Pooling pooling, Projections given)
      : batch(all), projections(given.begin(), given.end()), in(batch, pooling, projections) {}

  backend::Batch batch;
  std::vector<const std::map<std::string, checkpoint::LoraWeights>*> projections;
  Inputs in;
};

class Causal : public Body {
 public:
  backend::Embedding embedding;  // [vocabulary, h]
  float embedding_scale;
  std::vector<layers::DecoderBlock> blocks;
  backend::Norm final_norm;
  backend::Linear output;
  float output_softcap;
  layers::RopeTable rope, sliding_rope;  // the second empty where all layers have the first

  std::int64_t width() const override { return embedding.table.cols; }
  std::int64_t vocabulary() const override { return embedding.table.rows; }
  const backend::Linear* lm_head() const override { return output.weight.rows == 0 ? nullptr : &output; }
  float logit_softcap() const override { return output_softcap; }

  // The peak is one of two moments: the residual stream, queries, keys and values of all rows, and the norm
  // or attention's output; or the stream, attention's output, the next norm and one chunk of the MLP.
  std::size_t activation_bytes(std::int64_t rows) const override {
    const layers::SelfAttention& a = blocks.front().attention;
    const std::int64_t q = a.query.weight.rows, kv = a.key.weight.rows + a.value.weight.rows;
    const std::int64_t chunk = 2 * (width() + blocks.front().mlp.gate.weight.rows);
    return static_cast<std::size_t>(
        4 * (rows * (width() + std::max(width(), q) + q + kv) + std::min(rows, layers::kChunkRows) * chunk));
  }

  at::Tensor pooled(ops::Compute& compute, const backend::Batch& batch, package::Pooling pooling,
                    Projections projections) const override {
    // Weights that change cannot be part of a graph.
    backend::Accelerator* device = compute.step().trainable != nullptr ? nullptr : compute.accelerator();
    at::Tensor x;
    if (compute.composed() || at::GradMode::is_enabled()) {
      x = recorded(compute, std::make_shared<const Kept>(batch, pooling, projections));
    } else if (device == nullptr) {
      x = served(compute, Inputs(batch, pooling, projections));
    } else {
      std::optional<backend::Batch> padded;
      if (backend::fits_bucket(batch)) padded = backend::pad_to_bucket(batch);
      const Inputs in(padded ? *padded : batch, pooling, projections);
      x = device->forward({this, in.batch, in.last_rows, in.last_positions, in.adapters, in.last.queries,
                           blocks.front().attention.shape},
                          [&] { return served(compute, in); });
    }
    if (pooling != package::Pooling::kLast) return layers::pool_rows(compute, x, batch, pooling);
    const auto pooled = static_cast<std::int64_t>(batch.pooled.size());
    return x.size(0) == pooled ? x : x.narrow(0, 0, pooled);
  }

 private:
  // The last block computes only the pooled rows, unless pooling is a mean.
  layers::OutputRows output_of(const layers::DecoderBlock& block, const Inputs& in) const {
    return &block == &blocks.back() ? in.last : layers::OutputRows{};
  }

  const layers::RopeTable& rope_of(const layers::DecoderBlock& block) const {
    return block.attention.shape.window > 0 && !sliding_rope.cosine.empty() ? sliding_rope : rope;
  }

  // From embeddings to the states after the final norm, as functions of what is trained, or composed.
  at::Tensor recorded(ops::Compute& compute, const std::shared_ptr<const Kept>& kept) const {
    at::Tensor x = ops::embed(compute, kept->batch.ids, embedding, kept->in.adapters);
    if (embedding_scale != 1) x = x * static_cast<double>(embedding_scale);
    std::vector<at::Tensor> stream = {x};
    const layers::DecoderBlock* below = nullptr;
    for (const layers::DecoderBlock& b : blocks) {
      stream = ops::recomputed(
          compute, stream,
          [this, &compute, &b, below, kept](const std::vector<at::Tensor>& in, backend::Values values) {
            const layers::PendingResidual out = layers::decoder_block(
                {compute, kept->batch, kept->in.adapters, rope_of(b)}, b,
                {in[0], below == nullptr ? at::Tensor() : in[1], below}, output_of(b, kept->in), values);
            return std::vector<at::Tensor>{out.x, out.z};
          });
      below = &b;
    }
    return layers::final_states(compute, {stream[0], stream[1], below}, final_norm);
  }

  // The same without recording.
  at::Tensor served(ops::Compute& compute, const Inputs& in) const {
    layers::Stream stream{ops::embed(compute, in.batch.ids, embedding, in.adapters), {}};
    if (embedding_scale != 1) ops::scale_in_place(compute, stream.x, embedding_scale);
    stream.normed = ops::rms_norm(compute, stream.x, blocks.front().before_attention);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const bool last = i + 1 == blocks.size();
      stream = layers::advance({compute, in.batch, in.adapters, rope_of(blocks[i])}, blocks[i],
                               std::move(stream), last ? final_norm : blocks[i + 1].before_attention,
                               last ? backend::Reader::kHead : backend::Reader::kLinears,
                               output_of(blocks[i], in));
    }
    return stream.normed;
  }
};

constexpr std::int64_t kMax = std::int64_t{1} << 24;

void check_length(checkpoint::Fields& config, const layers::RopeConfig& rope, std::int64_t positions) {
  if (rope.longest > 0 && positions > rope.longest)
    config.fail("max_position_embeddings is " + std::to_string(rope.longest) +
                ", below input.max_tokens of package.json, " + std::to_string(positions) +
                ", but rope_type 'dynamic' beyond it depends on a sequence's length, which is not supported");
}

}  // namespace

CausalSpec read_causal(checkpoint::Fields& config, const CausalDefaults& defaults) {
  CausalSpec s;
  s.hidden = config.integer("hidden_size", 1, kMax);
  s.ffn = config.integer("intermediate_size", 1, kMax);
  s.layers = config.integer("num_hidden_layers", 1, 4096);
  s.heads = config.integer("num_attention_heads", 1, 4096);
  const bool absent = !config.json().contains("num_key_value_heads");
  s.kv_heads = config.integer_or("num_key_value_heads",
                                 absent && defaults.kv_heads > 0 ? defaults.kv_heads : s.heads, 1, 4096);
  s.head_dim =
      config.integer_or("head_dim", defaults.head_dim > 0 ? defaults.head_dim : s.hidden / s.heads, 2, 1024);
  s.vocabulary = config.integer("vocab_size", 1, kMax);
  s.eps = static_cast<float>(config.number_or("rms_norm_eps", 1e-6));
  s.tied = config.boolean_or("tie_word_embeddings", defaults.tied);
  s.rope = layers::read_rope(config, defaults.rope_theta);
  s.attention_scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim));
  s.windows.assign(static_cast<std::size_t>(s.layers), 0);
  if (s.heads % s.kv_heads != 0)
    config.fail("num_key_value_heads is " + std::to_string(s.kv_heads) +
                ", which does not divide num_attention_heads, " + std::to_string(s.heads));
  if (s.head_dim == 0)
    config.fail("hidden_size is " + std::to_string(s.hidden) + ", below num_attention_heads, " +
                std::to_string(s.heads));
  if (s.head_dim % 2 != 0) config.fail("head_dim is odd, rotary positions need pairs");
  return s;
}

std::int64_t read_window_width(checkpoint::Fields& config, std::int64_t fallback) {
  if (!config.json().contains("sliding_window")) return fallback;
  return config.integer_or("sliding_window", 0, 1, kMax);
}

std::vector<std::int64_t> read_windows(checkpoint::Fields& config, std::int64_t layers, std::int64_t width,
                                       const std::function<bool(std::int64_t layer)>& slides) {
  std::vector<std::int64_t> windows;
  if (!config.has("layer_types")) {
    for (std::int64_t i = 0; i < layers; ++i) windows.push_back(slides(i) ? width : 0);
    return windows;
  }
  const Json& types = config.json()["layer_types"];
  if (!types.is_array() || static_cast<std::int64_t>(types.size()) != layers) {
    config.fail("layer_types is " + describe(types) +
                (types.is_array() ? " of " + std::to_string(types.size()) : "") +
                ", expected an array of num_hidden_layers entries, " + std::to_string(layers));
    return std::vector<std::int64_t>(static_cast<std::size_t>(layers));
  }
  for (const Json& type : types) {
    if (type != "sliding_attention" && type != "full_attention")
      config.fail("layer_types has " + describe(type) + ", expected 'sliding_attention' or 'full_attention'");
    if (type == "sliding_attention" && width == 0)
      config.fail("layer_types has 'sliding_attention', but sliding_window or use_sliding_window says none");
    windows.push_back(type == "sliding_attention" ? width : 0);
  }
  return windows;
}

float read_embedding_scale(checkpoint::Fields& config, std::int64_t hidden) {
  const char* key = config.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.text_or(key, "float32");
  const float scale = std::sqrt(static_cast<float>(hidden));
  const auto type = quant::parse_torch_dtype(name);
  if (type) return quant::rounded_to(*type, scale);
  config.fail(std::string(key) + " is '" + name + "', expected 'bfloat16', 'float16' or 'float32'");
  return scale;
}

std::vector<std::int64_t> read_qwen_windows(checkpoint::Fields& config, std::int64_t layers) {
  const std::int64_t width =
      config.boolean_or("use_sliding_window", false) ? read_window_width(config, 4096) : 0;
  const std::int64_t first = config.integer_or("max_window_layers", 28, 0, 4096);
  return read_windows(config, layers, width, [first](std::int64_t layer) { return layer >= first; });
}

std::unique_ptr<Body> build_causal(checkpoint::Fields& config, const CausalSpec& s,
                                   checkpoint::WeightSource& weights, const BodyOptions& options) {
  check_length(config, s.rope, options.positions);
  if (s.sliding_rope) check_length(config, *s.sliding_rope, options.positions);
  if (!config.status()) return nullptr;
  auto body = std::make_unique<Causal>();
  const auto projection = [&](const std::string& module, std::int64_t out, std::int64_t in, bool bias) {
    backend::Linear l{weights.linear(module + ".weight", out, in), {}, module};
    if (bias) l.bias = weights.vector(module + ".bias", out);
    return l;
  };
  const auto norm_of = [&](const std::string& name, std::int64_t width) {
    return backend::Norm{weights.vector(name + ".weight", width), s.eps, s.norm_offset};
  };
  const auto norm = [&](const std::string& name) { return norm_of(name, s.hidden); };
  body->embedding = {weights.embedding("embed_tokens.weight", s.vocabulary, s.hidden), "embed_tokens"};
  body->embedding_scale = s.embedding_scale;
  for (std::int64_t i = 0; i < options.layers; ++i) {
    const std::string at = "layers." + std::to_string(i) + ".";
    layers::DecoderBlock b;
    b.before_attention = norm(at + "input_layernorm");
    b.attention.query =
        projection(at + "self_attn.q_proj", s.heads * s.head_dim, s.hidden, s.query_key_value_bias);
    b.attention.key =
        projection(at + "self_attn.k_proj", s.kv_heads * s.head_dim, s.hidden, s.query_key_value_bias);
    b.attention.value =
        projection(at + "self_attn.v_proj", s.kv_heads * s.head_dim, s.hidden, s.query_key_value_bias);
    b.attention.out = projection(at + "self_attn.o_proj", s.hidden, s.heads * s.head_dim, s.output_bias);
    if (s.query_key_norms) {
      b.attention.query_norm = norm_of(at + "self_attn.q_norm", s.head_dim);
      b.attention.key_norm = norm_of(at + "self_attn.k_norm", s.head_dim);
    }
    b.attention.shape = {.query_heads = static_cast<std::size_t>(s.heads),
                         .kv_heads = static_cast<std::size_t>(s.kv_heads),
                         .head_dim = static_cast<std::size_t>(s.head_dim),
                         .scale = s.attention_scale,
                         .softcap = s.attention_softcap,
                         .window = static_cast<std::int32_t>(s.windows[static_cast<std::size_t>(i)])};
    b.attention.rotated = s.rotated.empty() || s.rotated[static_cast<std::size_t>(i)];
    if (s.norms_after) {
      b.after_attention = norm(at + "post_attention_layernorm");
      b.before_mlp = norm(at + "pre_feedforward_layernorm");
      b.after_mlp = norm(at + "post_feedforward_layernorm");
    } else {
      b.before_mlp = norm(at + "post_attention_layernorm");
    }
    b.mlp = {projection(at + "mlp.gate_proj", s.ffn, s.hidden, s.mlp_bias),
             projection(at + "mlp.up_proj", s.ffn, s.hidden, s.mlp_bias),
             projection(at + "mlp.down_proj", s.hidden, s.ffn, s.mlp_bias), s.glu};
    body->blocks.push_back(std::move(b));
  }
  body->final_norm = norm("norm");
  if (options.lm_head == BodyOptions::LmHead::kBuild)
    body->output = {s.tied ? weights.tied_output("embed_tokens.weight", s.vocabulary, s.hidden)
                           : weights.output("lm_head.weight", s.vocabulary, s.hidden),
                    {},
                    "lm_head"};
  body->output_softcap = s.logit_softcap;
  body->rope = layers::make_rope_table(s.rope, s.head_dim, options.positions);
  if (s.sliding_rope)
    body->sliding_rope = layers::make_rope_table(*s.sliding_rope, s.head_dim, options.positions);
  return body;
}

}  // namespace preferd::families
