#include "model/families/llama.h"

#include <cmath>
#include <memory>

#include "model/layers/decoder.h"
#include "model/layers/pool.h"
#include "model/ops/recompute.h"
#include "model/ops/rows.h"

namespace preferd {
namespace {

struct Block {
  Norm before_attention, before_mlp;  // [h]
  SelfAttention attention;
  GatedMlp mlp;
};

class Llama : public Body {
 public:
  Embedding embedding;  // [vocabulary, h]
  std::vector<Block> blocks;
  Norm final_norm;
  Linear output;
  RopeTable rope;

  std::int64_t width() const override { return embedding.table.cols; }
  std::int64_t vocabulary() const override { return embedding.table.rows; }
  const Linear* lm_head() const override { return output.weight.rows == 0 ? nullptr : &output; }

  at::Tensor pooled(Compute& compute, const Batch& batch, Pooling pooling,
                    std::span<const std::map<std::string, LoraSite>* const> sites) const override {
    // Blocks that run again in backward outlive this call, and so does what they read.
    struct Plan {
      Batch batch;
      std::vector<const std::map<std::string, LoraSite>*> sites;
      std::vector<AdapterRun> pooled_runs;
    };
    const auto plan =
        std::make_shared<const Plan>(Plan{batch, {sites.begin(), sites.end()}, runs_of_pooled(batch)});
    const Adapters adapters{plan->sites, plan->batch.runs};
    at::Tensor x = embed(compute, batch.ids, embedding, adapters);
    for (const Block& b : blocks) {
      // The last block owes only the pooled rows, except to a mean.
      const bool prune = &b == &blocks.back() && pooling == Pooling::kLast;
      x = recomputed(compute, x, [this, &compute, &b, plan, adapters, prune](const at::Tensor& input) {
        const Forward f{compute, plan->batch, adapters, rope};
        return prune ? block_of_pooled(f, b, input, plan->pooled_runs) : block(f, b, input);
      });
    }
    x = rms_norm(compute, widen(compute, x), final_norm.weight, final_norm.eps);
    return pooling == Pooling::kLast ? x : pool_rows(compute, x, batch, pooling);
  }

 private:
  static at::Tensor block(const Forward& f, const Block& b, const at::Tensor& x) {
    const at::Tensor seen =
        self_attention(f, b.attention, normed(f.compute, b.before_attention, x), Queries::kAllRows, {});
    const at::Tensor y = add(f.compute, x, seen);
    return add(f.compute, y, gated_mlp(f.compute, b.mlp, normed(f.compute, b.before_mlp, y), f.adapters));
  }

  static at::Tensor block_of_pooled(const Forward& f, const Block& b, const at::Tensor& x,
                                    std::span<const AdapterRun> runs) {
    const at::Tensor seen =
        self_attention(f, b.attention, normed(f.compute, b.before_attention, x), Queries::kPooledRows, runs);
    const at::Tensor y = add(f.compute, gather(x, last_rows(f.batch)), seen);
    return add(f.compute, y,
               gated_mlp(f.compute, b.mlp, normed(f.compute, b.before_mlp, y), {f.adapters.sites, runs}));
  }
};

}  // namespace

std::unique_ptr<Body> build_llama(Fields& config, WeightSource& weights, const BodyOptions& options) {
  constexpr std::int64_t kMax = std::int64_t{1} << 24;
  const auto hidden = config.integer("hidden_size", 1, kMax),
             ffn = config.integer("intermediate_size", 1, kMax);
  const auto heads = config.integer("num_attention_heads", 1, 4096);
  const auto kv_heads = config.integer_or("num_key_value_heads", heads, 1, 4096);
  const auto head_dim = config.integer_or("head_dim", heads > 0 ? hidden / heads : 1, 2, 1024);
  const auto vocabulary = config.integer("vocab_size", 1, kMax);
  const auto eps = static_cast<float>(config.number_or("rms_norm_eps", 1e-6));
  const bool attention_bias = config.boolean_or("attention_bias", false),
             mlp_bias = config.boolean_or("mlp_bias", false);
  const bool tied = config.boolean_or("tie_word_embeddings", false);
  if (heads % kv_heads != 0) config.fail("num_key_value_heads does not divide num_attention_heads");
  if (head_dim % 2 != 0) config.fail("head_dim is odd, rotary positions need pairs");
  if (const std::string act = config.text_or("hidden_act", "silu"); act != "silu")
    config.fail("hidden_act is '" + act + "', expected 'silu'");
  const RopeConfig rope = read_rope(config);
  if (!config.status()) return nullptr;

  auto body = std::make_unique<Llama>();
  const auto site = [&](const std::string& module, std::int64_t out, std::int64_t in, bool bias) {
    Linear l{weights.linear(module + ".weight", out, in), {}, module};
    if (bias) l.bias = weights.vector(module + ".bias", out);
    return l;
  };
  body->embedding = {weights.embedding("embed_tokens.weight", vocabulary, hidden), "embed_tokens"};
  for (std::int64_t i = 0; i < options.layers; ++i) {
    const std::string at = "layers." + std::to_string(i) + ".";
    Block b;
    b.before_attention = {weights.vector(at + "input_layernorm.weight", hidden), eps};
    b.attention.query = site(at + "self_attn.q_proj", heads * head_dim, hidden, attention_bias);
    b.attention.key = site(at + "self_attn.k_proj", kv_heads * head_dim, hidden, attention_bias);
    b.attention.value = site(at + "self_attn.v_proj", kv_heads * head_dim, hidden, attention_bias);
    b.attention.out = site(at + "self_attn.o_proj", hidden, heads * head_dim, attention_bias);
    b.attention.shape = {.query_heads = static_cast<std::size_t>(heads),
                         .kv_heads = static_cast<std::size_t>(kv_heads),
                         .head_dim = static_cast<std::size_t>(head_dim),
                         .scale = 1.0f / std::sqrt(static_cast<float>(head_dim))};
    b.before_mlp = {weights.vector(at + "post_attention_layernorm.weight", hidden), eps};
    b.mlp = {site(at + "mlp.gate_proj", ffn, hidden, mlp_bias),
             site(at + "mlp.up_proj", ffn, hidden, mlp_bias),
             site(at + "mlp.down_proj", hidden, ffn, mlp_bias)};
    body->blocks.push_back(std::move(b));
  }
  body->final_norm = {weights.vector("norm.weight", hidden), eps};
  if (options.lm_head == BodyOptions::LmHead::kBuild)
    body->output = {tied ? weights.tied_output("embed_tokens.weight", vocabulary, hidden)
                         : weights.output("lm_head.weight", vocabulary, hidden),
                    {},
                    "lm_head"};
  body->rope = make_rope_table(rope, head_dim, options.positions);
  return body;
}

}  // namespace preferd
