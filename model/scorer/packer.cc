#include "model/scorer/packer.h"

#include <algorithm>

namespace preferd::scorer {
namespace {

class Packer {
 public:
  explicit Packer(Prefixes prefixes) : prefixes_(prefixes) { batch_.offsets.push_back(0); }

  // Appends ids[from, to) as a segment after `parent`; returns its number.
  std::int32_t segment(const std::vector<std::int32_t>& ids, std::size_t from, std::size_t to,
                       std::int32_t parent) {
    for (std::size_t i = from; i < to; ++i) {
      batch_.ids.push_back(ids[i]);
      batch_.positions.push_back(static_cast<std::int32_t>(i));
    }
    batch_.offsets.push_back(static_cast<std::int32_t>(batch_.ids.size()));
    batch_.parent.push_back(parent);
    return batch_.segments() - 1;
  }

  void item(const Encoded& item) {
    const std::int32_t first_row = batch_.rows();
    std::vector<const std::vector<std::int32_t>*> sequences;
    for (const EncodedOrder& order : item.orders)
      for (const auto* sequence : order.read()) sequences.push_back(sequence);
    const std::size_t prefix = prefixes_ == Prefixes::kShared ? shared_prefix(sequences) : 0;
    const std::int32_t parent = prefix > 0 ? segment(*sequences[0], 0, prefix, -1) : -1;
    for (const EncodedOrder& order : item.orders)
      for (const auto* sequence : order.read()) {
        const std::int32_t first = batch_.rows(),
                           whole = segment(*sequence, prefix, sequence->size(), parent);
        for (const std::int32_t mark : order.marks) batch_.marked.push_back(first + mark);
        batch_.pooled.insert(batch_.pooled.end(), std::max<std::size_t>(1, order.marks.size()), whole);
      }
    const std::int32_t rows = batch_.rows() - first_row;
    if (!batch_.runs.empty() && batch_.runs.back().adapter == item.adapter)
      batch_.runs.back().rows += rows;
    else
      batch_.runs.push_back({first_row, rows, item.adapter});
  }

  backend::Batch take() { return std::move(batch_); }

 private:
  Prefixes prefixes_;
  backend::Batch batch_;
};

}  // namespace

backend::Batch pack(std::span<const Encoded* const> items, Prefixes prefixes) {
  Packer packer(prefixes);
  for (const Encoded* item : items) packer.item(*item);
  return packer.take();
}

}  // namespace preferd::scorer
