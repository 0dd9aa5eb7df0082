// What published heads are taken apart with: their tensors by name and shape, none of which may stay unread, and
// tensors of our own made of them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"
#include "model/convert/published_head.h"

namespace preferd::convert {

using BesideBody = std::map<std::string, const checkpoint::StoredTensor*>;

// Widened to fp32, in order.
std::vector<float> floats_of(const checkpoint::StoredTensor& tensor);

// An fp32 tensor that owns its values.
checkpoint::StoredTensor stored(std::vector<float> values, std::vector<std::int64_t> shape);

// Takes parts by name and shape; the first failure is kept.
class HeadParts {
 public:
  // `tensors` must outlive this. `what` begins sentences: "the gated head".
  HeadParts(const BesideBody& tensors, std::string where, std::string what)
      : left_(tensors), where_(std::move(where)), what_(std::move(what)) {}

  bool has(const std::string& name) const { return left_.contains(name); }

  // Required, of floats; -1 in `shape` is any size. Null if it is not there or does not fit.
  const checkpoint::StoredTensor* take(const std::string& name, const std::vector<std::int64_t>& shape);
  void skip(const std::string& name) { left_.erase(name); }
  const checkpoint::StoredTensor* fail(const std::string& what);

  // Fails if something failed, or is left.
  Status finish() const;

 private:
  BesideBody left_;
  std::string where_, what_, failure_;
};

// The linears PREFIX<i> of an nn.Sequential that reads `width` values, with `activation` between them, as layers of
// package.json, whose tensors TO<i> go to `head`. Returns the layers; `width` becomes what the last gives. A failure
// goes to `parts`.
OrderedJson take_sequential(HeadParts& parts, const std::string& prefix, const std::string& activation,
                            const std::string& to, std::int64_t& width, PublishedHead& head);

// A linear that reads factor * x + shift, as one that reads x: weight [outs, n], bias [outs]; factor, shift [n].
void read_through(std::span<const double> factor, std::span<const double> shift,
                  checkpoint::StoredTensor& weight, checkpoint::StoredTensor& bias);

}  // namespace preferd::convert
