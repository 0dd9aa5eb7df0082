// A weight source for training a base: hands out what another source has as dense fp32 in memory that may be
// written, and tells where each tensor went.
//
// A tensor asked for twice (a tied embedding) is one. Matrices live as long as this source or whoever holds
// the matrix; vectors belong to the asker, who only moves them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint/weights.h"

namespace preferd::checkpoint {

class WritableWeights : public WeightSource {
 public:
  struct Writable {
    Declared declared;
    float* values = nullptr;  // [shape], row-major
  };

  explicit WritableWeights(std::shared_ptr<WeightSource> source) : source_(std::move(source)) {}

  bool has(const std::string& name) const override { return source_->has(name); }
  quant::Matrix tied_output(const std::string& name, std::int64_t rows, std::int64_t cols) override;

  // What was handed out, in the order of asking.
  const std::vector<Writable>& writable() const { return writable_; }

 protected:
  quant::Matrix get(const Declared& wanted) override;
  void handed_out(const Declared& declared, std::vector<float>& values) override;

 private:
  std::shared_ptr<WeightSource> source_;
  std::map<std::string, quant::Matrix> copies_;
  std::vector<Writable> writable_;
};

}  // namespace preferd::checkpoint
