#include "training/data/embeddings.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace preferd::training {
namespace {

constexpr std::uint64_t kNone = ~std::uint64_t{0};

}  // namespace

Result<std::vector<float>> TeacherEmbeddings::load(std::uint32_t slot) const {
  PREFERD_CHECK(slot < offsets_.size());
  std::vector<float> out(numbers_);
  const auto bytes = file_->read(offsets_[slot], numbers_ * sizeof(float));
  if (!bytes) return bytes.error();
  std::memcpy(out.data(), bytes->data(), bytes->size());
  return out;
}

EmbeddingWriter::EmbeddingWriter(std::string path, std::unique_ptr<FileWriter> file, std::size_t slots)
    : path_(std::move(path)), file_(std::move(file)), made_(std::make_shared<TeacherEmbeddings>()) {
  made_->offsets_.assign(slots, kNone);
}

Result<std::unique_ptr<EmbeddingWriter>> EmbeddingWriter::create(const std::string& path, std::size_t slots) {
  auto file = FileWriter::create(path);
  if (!file) return file.error();
  return std::unique_ptr<EmbeddingWriter>(new EmbeddingWriter(path, std::move(*file), slots));
}

Status EmbeddingWriter::put(std::uint32_t slot, std::span<const float> numbers) {
  PREFERD_CHECK(slot < made_->offsets_.size());
  if (numbers.empty()) return invalid("embedding has no numbers");
  if (made_->numbers_ != 0 && made_->numbers_ != numbers.size())
    return invalid("embedding has " + std::to_string(numbers.size()) + " numbers, rows before have " +
                   std::to_string(made_->numbers_));
  if (made_->offsets_[slot] != kNone)
    return invalid("embedding of an id that another file has too, expected those of one teacher");
  made_->numbers_ = numbers.size();
  made_->offsets_[slot] = file_->size();
  return file_->append(std::as_bytes(numbers));
}

Result<std::shared_ptr<const TeacherEmbeddings>> EmbeddingWriter::finish() {
  PREFERD_CHECK(std::ranges::count(made_->offsets_, kNone) == 0);
  if (const Status s = file_->commit(); !s) return s.error();
  auto file = FileReader::open(path_);
  if (!file) return file.error();
  made_->file_ = std::move(*file);
  return std::shared_ptr<const TeacherEmbeddings>(std::move(made_));
}

}  // namespace preferd::training
