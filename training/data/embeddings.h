// A teacher's pooled states for each pair, the same number of values for every pair, kept on disk.
//
// The file holds the values of each pair as 32-bit floats, in the order of the teacher's files. Memory: 8
// bytes per pair.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "training/data/disk_file.h"

namespace preferd::training {

// Immutable; any thread.
class TeacherEmbeddings {
 public:
  // For every pair: sequences x width.
  std::size_t numbers() const { return numbers_; }
  // In the given order, the sequences one after the other. Requires a slot below size. Errors: the file was
  // damaged after it was written.
  Result<std::vector<float>> load(std::uint32_t slot) const;

 private:
  friend class EmbeddingWriter;
  std::shared_ptr<const FileReader> file_;
  std::vector<std::uint64_t> offsets_;  // by slot
  std::size_t numbers_ = 0;
};

// One thread.
class EmbeddingWriter {
 public:
  static Result<std::unique_ptr<EmbeddingWriter>> create(const std::string& path, std::size_t slots);

  // Errors: a different number of values than before, none, a slot that is set for the second time, a full
  // disk.
  Status put(std::uint32_t slot, std::span<const float> numbers);
  // Requires that every slot was set.
  Result<std::shared_ptr<const TeacherEmbeddings>> finish();

 private:
  EmbeddingWriter(std::string path, std::unique_ptr<FileWriter> file, std::size_t slots);

  std::string path_;
  std::unique_ptr<FileWriter> file_;
  std::shared_ptr<TeacherEmbeddings> made_;
};

}  // namespace preferd::training
