// Where a model family gets its tensors from. A family asks once for each tensor by name, shape and role;
// what it asks for is what the checkpoint must hold, no more and no less.
//
//   BaseWeights      a Hugging Face checkpoint: dense, bitsandbytes' layouts, or quantized at load
//   OverlayWeights   another source with some tensors replaced (an adapter's modules_to_save)
//   ShapesOnly       nothing behind the names: what would a family read? (matching, estimates, inspect)
//
// Names are without the leading "model.". Problems collect; the getters then return zeros of the right shape,
// and problems() tells. Not thread-safe while loading; what was handed out is immutable.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/words.h"
#include "model/checkpoint/safetensors.h"
#include "model/quant/matrix.h"

namespace preferd::checkpoint {

enum class Role {
  kLinear,
  kEmbedding,  // of the tokens
  kVector,
  kOutput,  // the LM head, never quantized
  kPlain,   // of any other shape or use: never quantized, never adapted
};

struct Declared {
  std::string name;  // "layers.0.self_attn.q_proj.weight"
  Role role;
  std::vector<std::int64_t> shape;
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  quant::Matrix linear(const std::string& name, std::int64_t out, std::int64_t in);
  quant::Matrix embedding(const std::string& name, std::int64_t rows, std::int64_t cols);
  quant::Matrix output(const std::string& name, std::int64_t rows, std::int64_t cols);
  // The input embedding serving as LM head: the base's own, also where an adapter saved another input
  // embedding.
  virtual quant::Matrix tied_output(const std::string& name, std::int64_t rows, std::int64_t cols) {
    return embedding(name, rows, cols);
  }
  std::vector<float> vector(const std::string& name, std::int64_t size);
  // As a matrix [shape[0], product of the others].
  quant::Matrix plain(const std::string& name, std::vector<std::int64_t> shape);
  virtual bool has(const std::string& name) const = 0;

  const std::vector<Declared>& declared() const { return declared_; }
  const std::vector<std::string>& problems() const { return problems_; }

 protected:
  virtual quant::Matrix get(const Declared& wanted) = 0;

  // A vector about to be returned: its elements stay where they are while the asker only moves it.
  virtual void handed_out(const Declared&, std::vector<float>&) {}
  void problem(std::string what) { problems_.push_back(std::move(what)); }

 private:
  quant::Matrix ask(const std::string& name, Role role, std::vector<std::int64_t> shape);

  std::vector<Declared> declared_;
  std::vector<std::string> problems_;
};

struct Quantization {
  enum class Scheme { kNone, kNf4, kFp4, kInt8 };
  enum class Embeddings { kNone, kInt8Row, kNf4 };
  Scheme scheme = Scheme::kNone;
  bool double_quant = false;
  int block_size = 64;
  std::vector<std::string> skip;
  Embeddings embeddings = Embeddings::kNone;
};
constexpr auto words(Quantization::Scheme) {
  return word_list<Quantization::Scheme>({{"none", Quantization::Scheme::kNone},
                                          {"nf4", Quantization::Scheme::kNf4},
                                          {"fp4", Quantization::Scheme::kFp4},
                                          {"int8", Quantization::Scheme::kInt8}});
}
constexpr auto words(Quantization::Embeddings) {
  return word_list<Quantization::Embeddings>({{"none", Quantization::Embeddings::kNone},
                                              {"int8_row", Quantization::Embeddings::kInt8Row},
                                              {"nf4", Quantization::Embeddings::kNf4}});
}

// `module` ("layers.0.mlp.up_proj") is an entry of `skip`, ends with "." + one, or starts with one + ".".
bool skipped(const std::vector<std::string>& skip, const std::string& module);

// What classes that hold a model of another class (DebertaV2PairRM) put in front of its names.
inline constexpr const char* kWrapped = "pretrained_model.";

// Names of a checkpoint as families ask for them: without `prefix`, when at least one has it, or without kWrapped.
struct BareNames {
  BareNames(const TensorMap& tensors, const std::string& prefix);
  std::string operator()(const std::string& name) const;

  std::string strip;  // the prefix, or nothing
};

// {weight, component} of a tensor that bitsandbytes puts beside a quantized weight: "X.weight.absmax" ->
// {"X.weight", "absmax"}, "X.SCB" -> {"X.weight", "SCB"}; {"", ""} for others.
std::pair<std::string, std::string> split_component(const std::string& name);

// A base may hold `name` (bare) though no family reads it: heads, buffers, layers first_cut..all_layers-1.
bool may_stay_unread(const std::string& name, int first_cut, int all_layers);

class BaseWeights : public WeightSource {
 public:
  // `prefix` ("model.") is taken off every name when at least one name has it. `prequantized`: config.json
  // says so; tensors that give it away count too.
  static Result<std::shared_ptr<BaseWeights>> open(const Files& folder, const Quantization& quantization,
                                                   const std::string& prefix, bool prequantized);
  bool has(const std::string& name) const override;

  // After every body was built: refuses problems, and tensors that nobody read unless their kind is known to
  // be unread (heads, buffers) or they belong to a layer numbered first_cut..all_layers-1.
  Status finish(const std::string& family, int first_cut, int all_layers) const;

 protected:
  quant::Matrix get(const Declared& wanted) override;

 private:
  quant::Matrix load(const Declared& wanted);
  quant::Matrix stored(const Declared& wanted, const StoredTensor& tensor,
                       std::map<std::string, StoredTensor>& parts);
  quant::Matrix stored_int8(const Declared& wanted, const StoredTensor& tensor,
                            std::map<std::string, StoredTensor>& parts);
  quant::Matrix stored_block4(const Declared& wanted, const StoredTensor& tensor,
                              std::map<std::string, StoredTensor>& parts);
  quant::Matrix quantized_now(const quant::Matrix& dense) const;

  std::string where_;
  Quantization quantization_;
  bool prequantized_ = false;
  TensorMap tensors_;
  std::map<std::string, std::map<std::string, StoredTensor>> parts_;  // weight name -> component -> tensor
  std::map<std::string, quant::Matrix> ready_;                        // what was handed out
};

class OverlayWeights : public WeightSource {
 public:
  // `saved`: names as a family asks for them. The base must outlive this.
  OverlayWeights(WeightSource& base, TensorMap saved, std::string where);
  bool has(const std::string& name) const override;
  // The base's, unless the adapter saved an LM head of its own (lm_head.weight), which unties them.
  quant::Matrix tied_output(const std::string& name, std::int64_t rows, std::int64_t cols) override;

 protected:
  quant::Matrix get(const Declared& wanted) override;

 private:
  WeightSource& base_;
  TensorMap saved_;
  std::string where_;
};

class ShapesOnly : public WeightSource {
 public:
  bool has(const std::string&) const override { return true; }

 protected:
  quant::Matrix get(const Declared& wanted) override;
};

// A stored tensor as a dense matrix (vectors: one row), fp64 narrowed to fp32. Requires a floating type.
quant::Matrix dense_matrix(const StoredTensor& tensor);

}  // namespace preferd::checkpoint
