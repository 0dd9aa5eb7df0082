// What causal decoders share, and what their families vary. A family's file reads its config.json into a
// CausalSpec; build_causal makes the body:
//
//   x = embedding(ids) * embedding_scale, or its norm
//   each block    y = x + after_attention(attention(before_attention(x)))
//                 x = y + after_mlp(mlp(before_mlp(y)))
//   states        final_norm(x)
//
// h = hidden, d = head_dim. An encoder of the same form is a spec with `both_ways`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "model/families/body.h"
#include "model/kernels/rows.h"
#include "model/layers/rope.h"

namespace preferd::families {

// What a family calls its tensors, where it is not what llama calls them.
struct CausalNames {
  const char *embedding = "embed_tokens", *final_norm = "norm", *output = "lm_head";
  const char* embedding_norm = nullptr;  // none, or a norm behind the embedding
  const char *attention = "self_attn.", *fused = "qkv_proj", *out = "o_proj";
  const char *mlp = "mlp.", *gate = "gate_proj", *up = "up_proj", *down = "down_proj";
  const char* gate_up = "gate_up_proj";
  const char *before_attention = "input_layernorm", *behind_attention = "post_attention_layernorm";
};

struct CausalSpec {
  // Read in the same way by every family (read_causal).
  std::int64_t hidden = 0, ffn = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0;
  float eps = 1e-6f;  // of norms
  layers::RopeConfig rope;
  std::optional<layers::RopeConfig> sliding_rope;  // of layers with a window, if they have their own
  std::vector<bool> rotated;  // [layers] whether positions rotate queries and keys; empty = all

  bool tied = false;  // the LM head is the embedding
  bool query_key_value_bias = false, output_bias = false, mlp_bias = false;
  CausalNames names;
  // Queries, keys and values in one module, gates and ups in another, their rows one after the other;
  // or queries, keys and values in one module, for each head of keys its queries, its key and its value.
  enum class Fused { kNone, kInTurn, kByHeads } fused = Fused::kNone;
  // Of queries and of keys, before rotary positions: each head on its own, or all heads at once.
  enum class HeadNorms { kNone, kEach, kWhole } query_key_norms = HeadNorms::kNone;
  kernels::Glu glu = kernels::Glu::kSwiGlu;
  float embedding_scale = 1;
  float norm_offset = 0;  // norms multiply by norm_offset + weight
  enum class LayerNorms { kNone, kPlain, kBiased } layer_norms = LayerNorms::kNone;  // norms have means
  bool parallel = false;                         // the MLP reads what attention reads
  std::optional<kernels::Activation> plain_mlp;  // up, activation, down; none = gated
  // Before attention and MLP; also after them, as in Gemma-2; or only after them.
  enum class Norms { kBefore, kAround, kAfter } norms = Norms::kBefore;
  bool first_bare = false;    // the first block's attention reads the stream without a norm
  bool both_ways = false;     // a state sees the whole sequence (SelfAttention::both_ways)
  float attention_scale = 0;  // multiplies q k; read_causal: 1 / sqrt(d)
  float attention_softcap = 0, logit_softcap = 0;  // 0 = off
  // [layers] The number of tokens that a query sees, including itself and up to it; with both_ways on either side.
  // 0 = all.
  std::vector<std::int64_t> windows;
};

// Defaults of transformers' config class, where they differ from llama's. 0: kv_heads = heads, head_dim = h /
// heads.
struct CausalDefaults {
  std::int64_t kv_heads = 0, head_dim = 0;
  bool tied = false;
  layers::RopeDefaults rope = {};
  double eps = 1e-6;
  const char* eps_key = "rms_norm_eps";
};

// Failures are added to `config`.
CausalSpec read_causal(checkpoint::Fields& config, const CausalDefaults& defaults);

// For families whose heads have keys of their own and share hidden_size: fails if they do not.
void expect_plain_heads(checkpoint::Fields& config, const CausalSpec& spec, const std::string& family);

// How the layers of one type are rotated: its object in rope_parameters (transformers 5), or `theta_key`, with
// rope_scaling for full_attention alone.
struct LayerRope {
  const char* type;  // in layer_types
  const char* theta_key;
  double theta;  // where config.json has none
};
layers::RopeConfig read_layer_rope(checkpoint::Fields& config, const LayerRope& of);

// Windows of `width` tokens for the layers that layer_types calls sliding_attention, or without that key for
// the layers that slide by default. A layer that is called so fails if `width` is 0 (none).
std::vector<std::int64_t> read_windows(checkpoint::Fields& config, std::int64_t layers, std::int64_t width,
                                       const std::function<bool(std::int64_t layer)>& slides);

// Reads sliding_window: the fallback if the key is absent, 0 if it is null.
std::int64_t read_window_width(checkpoint::Fields& config, std::int64_t fallback);

// As Qwen's configurations say: none without use_sliding_window; otherwise from layer max_window_layers on.
std::vector<std::int64_t> read_qwen_windows(checkpoint::Fields& config, std::int64_t layers);

// sqrt(hidden), by which Gemma's embeddings are scaled. transformers rounds it to the type of the embedding, and
// published models were trained so: here to the type that config.json names, fp32 if it names none.
float read_embedding_scale(checkpoint::Fields& config, std::int64_t hidden);

// If `config` has a failure, returns nothing and requests no tensor. It fails too if the positions are more
// than a rotary table serves.
std::unique_ptr<Body> build_causal(checkpoint::Fields& config, const CausalSpec& spec,
                                   checkpoint::WeightSource& weights, const BodyOptions& options);

}  // namespace preferd::families
