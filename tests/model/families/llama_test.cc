// The llama body against a forward written plainly in double precision, over shapes that fixtures do not
// have.
#include <gtest/gtest.h>

#include <c10/core/InferenceMode.h>

#include <cmath>
#include <random>

#include "model/families/body.h"

namespace preferd::families {
namespace {

using Rows = std::vector<std::vector<double>>;

// Gaussian weights, the same for the same name; linears keep the size of what they get.
class RandomWeights : public checkpoint::WeightSource {
 public:
  bool has(const std::string&) const override { return true; }

  Rows rows(const std::string& name) const {
    const quant::Matrix& m = made_.at(name);
    Rows out;
    for (std::int64_t i = 0; i < m.rows; ++i) {
      std::vector<float> row(static_cast<std::size_t>(m.cols));
      quant::decode(m, i, 0, m.cols, row.data());
      out.emplace_back(row.begin(), row.end());
    }
    return out;
  }

 protected:
  quant::Matrix get(const checkpoint::Declared& wanted) override {
    if (const auto it = made_.find(wanted.name); it != made_.end()) return it->second;
    const bool vector = wanted.shape.size() == 1;
    const std::int64_t rows = vector ? 1 : wanted.shape[0], cols = wanted.shape.back();
    std::mt19937 random(static_cast<unsigned>(made_.size()) + 1);
    std::normal_distribution<float> normal(
        vector ? 0.5f : 0.0f,
        wanted.role == checkpoint::Role::kLinear ? 1.5f / std::sqrt(static_cast<float>(cols)) : 0.5f);
    auto buffer = std::make_shared<std::vector<float>>(static_cast<std::size_t>(rows * cols));
    for (float& v : *buffer) v = normal(random);
    const quant::Dense form{reinterpret_cast<const std::byte*>(buffer->data()), quant::DType::kF32};
    return made_.emplace(wanted.name, quant::Matrix{rows, cols, form, buffer}).first->second;
  }

 private:
  std::map<std::string, quant::Matrix> made_;
};

struct Shape {
  const char* name;
  int hidden, ffn, heads, kv_heads, head_dim, layers, tokens;
  bool bias;
};
void PrintTo(const Shape& s, std::ostream* out) { *out << s.name; }

class Plain {
 public:
  Plain(const Shape& shape, const RandomWeights& weights) : s_(shape), w_(weights) {}

  Rows forward(const std::vector<std::int32_t>& ids) const {
    const Rows table = w_.rows("embed_tokens.weight");
    Rows x;
    for (const std::int32_t id : ids) x.push_back(table[static_cast<std::size_t>(id)]);
    for (int layer = 0; layer < s_.layers; ++layer) {
      const std::string at = "layers." + std::to_string(layer) + ".";
      add(x, attention(at + "self_attn.", norm(x, at + "input_layernorm.weight")));
      const Rows y = norm(x, at + "post_attention_layernorm.weight");
      Rows gate = linear(y, at + "mlp.gate_proj", false);
      const Rows up = linear(y, at + "mlp.up_proj", false);
      for (std::size_t i = 0; i < gate.size(); ++i)
        for (std::size_t j = 0; j < gate[i].size(); ++j) gate[i][j] *= up[i][j] / (1 + std::exp(-gate[i][j]));
      add(x, linear(gate, at + "mlp.down_proj", false));
    }
    return norm(x, "norm.weight");
  }

 private:
  static void add(Rows& x, const Rows& y) {
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t j = 0; j < x[i].size(); ++j) x[i][j] += y[i][j];
  }

  Rows norm(const Rows& x, const std::string& name) const {
    const std::vector<double> weight = w_.rows(name)[0];
    Rows y = x;
    for (auto& row : y) {
      double square = 0;
      for (const double v : row) square += v * v;
      const double scale = 1 / std::sqrt(square / static_cast<double>(row.size()) + 1e-5);
      for (std::size_t j = 0; j < row.size(); ++j) row[j] *= scale * weight[j];
    }
    return y;
  }

  Rows linear(const Rows& x, const std::string& module, bool bias) const {
    const Rows weight = w_.rows(module + ".weight");
    const std::vector<double> offset =
        bias ? w_.rows(module + ".bias")[0] : std::vector<double>(weight.size());
    Rows y(x.size(), offset);
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t j = 0; j < weight.size(); ++j)
        for (std::size_t k = 0; k < x[i].size(); ++k) y[i][j] += x[i][k] * weight[j][k];
    return y;
  }

  // Rotates head h of every row by its position.
  void rotate(Rows& x, int heads) const {
    const int half = s_.head_dim / 2;
    for (std::size_t p = 0; p < x.size(); ++p)
      for (int h = 0; h < heads; ++h)
        for (int i = 0; i < half; ++i) {
          const double angle = static_cast<double>(p) * std::pow(10000.0, -2.0 * i / s_.head_dim);
          double& a = x[p][static_cast<std::size_t>(h * s_.head_dim + i)];
          double& b = x[p][static_cast<std::size_t>(h * s_.head_dim + i + half)];
          const double turned = a * std::cos(angle) - b * std::sin(angle);
          b = b * std::cos(angle) + a * std::sin(angle);
          a = turned;
        }
  }

  Rows attention(const std::string& at, const Rows& x) const {
    Rows q = linear(x, at + "q_proj", s_.bias), k = linear(x, at + "k_proj", s_.bias);
    const Rows v = linear(x, at + "v_proj", s_.bias);
    rotate(q, s_.heads);
    rotate(k, s_.kv_heads);
    const auto dim = static_cast<std::size_t>(s_.head_dim);
    Rows seen(x.size(), std::vector<double>(q[0].size()));
    for (std::size_t p = 0; p < x.size(); ++p)
      for (std::size_t h = 0; h < static_cast<std::size_t>(s_.heads); ++h) {
        const std::size_t kv = h * static_cast<std::size_t>(s_.kv_heads) / static_cast<std::size_t>(s_.heads);
        std::vector<double> e(p + 1);
        double sum = 0;
        for (std::size_t o = 0; o <= p; ++o) {
          double dot = 0;
          for (std::size_t d = 0; d < dim; ++d) dot += q[p][h * dim + d] * k[o][kv * dim + d];
          sum += e[o] = std::exp(dot / std::sqrt(static_cast<double>(dim)));
        }
        for (std::size_t o = 0; o <= p; ++o)
          for (std::size_t d = 0; d < dim; ++d) seen[p][h * dim + d] += e[o] / sum * v[o][kv * dim + d];
      }
    return linear(seen, at + "o_proj", s_.bias);
  }

  const Shape& s_;
  const RandomWeights& w_;
};

class LlamaShape : public testing::TestWithParam<Shape> {};

TEST_P(LlamaShape, ComputesTheDefinition) {
  const c10::InferenceMode inference;
  const Shape& s = GetParam();
  const Json json = {{"num_hidden_layers", s.layers},
                     {"hidden_size", s.hidden},
                     {"intermediate_size", s.ffn},
                     {"num_attention_heads", s.heads},
                     {"num_key_value_heads", s.kv_heads},
                     {"head_dim", s.head_dim},
                     {"vocab_size", 50},
                     {"rms_norm_eps", 1e-5},
                     {"attention_bias", s.bias}};
  checkpoint::Fields config(json, "config.json");
  RandomWeights weights;
  const auto family = find_family("llama");
  ASSERT_TRUE(family);
  const auto body = (*family)->build(config, weights, {s.layers, s.tokens});
  ASSERT_TRUE(config.status()) << config.status().error().what;
  EXPECT_EQ(body->width(), s.hidden);
  EXPECT_EQ(body->vocabulary(), 50);

  backend::Batch batch;
  for (int i = 0; i < s.tokens; ++i) {
    batch.ids.push_back(i * 7 % 50);
    batch.positions.push_back(i);
  }
  batch.offsets = {0, s.tokens};
  batch.parent = {-1};
  batch.pooled = {0};
  batch.runs = {{0, s.tokens, 0}};
  const std::map<std::string, checkpoint::LoraWeights> none;
  const std::map<std::string, checkpoint::LoraWeights>* projections[] = {&none};
  const Rows expected = Plain(s, weights).forward(batch.ids);
  ops::Compute compute(2);
  for (const package::Pooling pooling :
       {package::Pooling::kLast, package::Pooling::kFirst, package::Pooling::kMean}) {
    const at::Tensor got = body->pooled(compute, batch, pooling, projections);
    for (std::size_t j = 0; j < static_cast<std::size_t>(s.hidden); ++j) {
      double want = pooling == package::Pooling::kFirst ? expected.front()[j] : expected.back()[j];
      if (pooling == package::Pooling::kMean) {
        want = 0;
        for (const auto& row : expected) want += row[j] / s.tokens;
      }
      // Normed states are of order 1; fp32 sums of up to 500 products in three layers.
      EXPECT_NEAR(got.data_ptr<float>()[j], want, 5e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LlamaShape,
                         testing::Values(Shape{"one_token", 32, 48, 2, 1, 16, 2, 1, false},
                                         Shape{"odd_widths", 37, 53, 3, 3, 10, 2, 29, false},
                                         Shape{"one_key_head", 40, 56, 5, 1, 8, 3, 130, true},
                                         Shape{"wide_heads", 48, 500, 2, 2, 64, 2, 67, true},
                                         Shape{"two_dims", 24, 24, 4, 2, 2, 1, 64, false},
                                         Shape{"many_tokens", 32, 40, 4, 2, 8, 2, 300, false}),
                         [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace preferd::families
