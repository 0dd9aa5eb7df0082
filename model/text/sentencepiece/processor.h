// A SentencePiece processor, loaded through libpreferd_sentencepiece.so (module.h says why).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "model/text/sentencepiece/module.h"

namespace preferd {

// Immutable; any thread.
class SentencePieceProcessor {
 public:
  // Errors: the shared object is neither beside the executable nor on the library path; the model cannot be read.
  static Result<SentencePieceProcessor> create(std::string_view proto);

  int size() const { return table_->size(handle_.get()); }
  std::string_view piece(int id) const;
  bool is_control(int id) const { return table_->is_control(handle_.get(), id) != 0; }
  bool is_byte(int id) const { return table_->is_byte(handle_.get(), id) != 0; }
  int bos() const { return table_->bos(handle_.get()); }
  int eos() const { return table_->eos(handle_.get()); }

  // Calls emit(id, byte offset) for each piece.
  void encode(std::string_view text, const std::function<void(std::int32_t, std::uint32_t)>& emit) const;

 private:
  const PreferdSentencePiece* table_ = nullptr;
  std::shared_ptr<void> handle_;
};

}  // namespace preferd
