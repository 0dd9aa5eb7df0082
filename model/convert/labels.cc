#include "model/convert/labels.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/files.h"
#include "model/checkpoint/safetensors.h"
#include "model/scorer/scorer.h"

namespace preferd::convert {
namespace {

constexpr std::string_view kPeftPrefix = "base_model.model.";

// The index of the last linear among the head's layers, as in the names of its tensors.
std::size_t last_linear(const OrderedJson& head) {
  std::size_t last = 0;
  if (!head.contains("layers") || !head["layers"].is_array()) return last;
  for (std::size_t i = 0; i < head["layers"].size(); ++i)
    if (head["layers"][i].value("type", "") == "linear") last = i;
  return last;
}

// Whether `name` is the weight or bias of the head's last linear.
bool is_last(std::string_view name, std::size_t layer) {
  if (name.starts_with(kPeftPrefix)) name.remove_prefix(kPeftPrefix.size());
  const std::string index = std::to_string(layer);
  for (const std::string& module :
       {std::string("score"), std::string("classifier"), "score." + index, "layers." + index})
    if (name == module + ".weight" || name == module + ".bias") return true;
  return false;
}

struct Edit {
  std::size_t at;  // in the file
  std::string bytes;
};

}  // namespace

Result<Labels> Labels::make(const std::vector<std::string>& names) {
  Labels out;
  if (names.empty()) return out;
  if (names.size() > scorer::kClassNames.size())
    return invalid("labels: found " + std::to_string(names.size()) + " names, expected 1 to 3");
  std::vector<std::size_t> from(names.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto known = std::find(scorer::kClassNames.begin(), scorer::kClassNames.end(), names[i]);
    if (known == scorer::kClassNames.end())
      return invalid("labels: found '" + names[i] + "', expected model_a, model_b or tie");
    const auto ours = static_cast<std::size_t>(known - scorer::kClassNames.begin());
    if (names.size() == 1) {
      if (names[i] == "tie") return invalid("labels: the only output is tie, expected model_a or model_b");
      out.negated_ = ours == 0;
      return out;
    }
    if (ours >= names.size())
      return invalid("labels: tie is one of " + std::to_string(names.size()) +
                     " names, expected model_a and model_b");
    if (from[ours] != names.size()) return invalid("labels: '" + names[i] + "' occurs twice");
    from[ours] = i;
  }
  if (!std::is_sorted(from.begin(), from.end())) out.from_ = std::move(from);
  return out;
}

std::vector<double> Labels::reordered(const std::vector<double>& logits) const {
  std::vector<double> out = logits;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (negated_) out[i] = -logits[i];
    if (i < from_.size() && from_[i] < logits.size()) out[i] = logits[from_[i]];
  }
  return out;
}

Status Labels::reorder(const std::string& file, const OrderedJson& head) const {
  if (ours()) return Ok{};
  std::vector<Edit> edits;
  {
    const auto bytes = map_file(file);
    if (!bytes) return bytes.error();
    const auto tensors = checkpoint::parse_safetensors(*bytes, file);
    if (!tensors) return tensors.error();
    const std::size_t outputs = negated_ ? 1 : from_.size();
    for (const auto& [name, tensor] : *tensors) {
      if (!is_last(name, last_linear(head))) continue;
      if (tensor.shape.empty() || tensor.shape[0] != static_cast<std::int64_t>(outputs))
        return invalid("labels: " + std::to_string(outputs) + " names, the head's " + name + " is " +
                       checkpoint::shape_text(tensor.shape));
      const std::size_t row = tensor.bytes.size() / outputs;
      const auto* data = reinterpret_cast<const char*>(tensor.bytes.data());
      Edit edit{static_cast<std::size_t>(tensor.bytes.data() - bytes->view.data()), {}};
      for (const std::size_t i : from_) edit.bytes.append(data + i * row, row);
      if (negated_) {
        const std::size_t width = quant::size_of(tensor.dtype);
        edit.bytes.assign(data, row);
        for (std::size_t i = width - 1; i < row; i += width)
          edit.bytes[i] = static_cast<char>(edit.bytes[i] ^ 0x80);
      }
      edits.push_back(std::move(edit));
    }
  }
  if (edits.empty()) return invalid("labels: " + file + " holds no score, classifier or layers of a head");
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  for (const Edit& e : edits) {
    out.seekp(static_cast<std::streamoff>(e.at));
    out.write(e.bytes.data(), static_cast<std::streamsize>(e.bytes.size()));
  }
  out.close();
  return out ? Status(Ok{}) : Status(invalid(file + ": cannot write the head's rows"));
}

}  // namespace preferd::convert
