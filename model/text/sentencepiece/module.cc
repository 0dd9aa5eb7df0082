#include "model/text/sentencepiece/module.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <memory>

namespace {

using sentencepiece::SentencePieceProcessor;

const SentencePieceProcessor& of(const void* p) { return *static_cast<const SentencePieceProcessor*>(p); }

void* create(const char* proto, std::size_t size, char* error, std::size_t error_size) {
  auto processor = std::make_unique<SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto({proto, size});
  if (status.ok()) return processor.release();
  std::snprintf(error, error_size, "%s", status.ToString().c_str());
  return nullptr;
}

void encode(const void* processor, const char* text, std::size_t size, void* sink,
            void (*emit)(void*, std::int32_t, std::uint32_t)) {
  const auto spans = of(processor).EncodeAsImmutableProto({text, size});
  for (const auto& piece : spans.pieces()) emit(sink, static_cast<std::int32_t>(piece.id()), piece.begin());
}

constexpr PreferdSentencePiece kTable = {
    create,
    [](void* p) { delete static_cast<SentencePieceProcessor*>(p); },
    [](const void* p) { return of(p).GetPieceSize(); },
    [](const void* p, int id, std::size_t* size) {
      const std::string& piece = of(p).IdToPiece(id);
      *size = piece.size();
      return piece.data();
    },
    [](const void* p, int id) { return int{of(p).IsControl(id)}; },
    [](const void* p, int id) { return int{of(p).IsByte(id)}; },
    [](const void* p) { return of(p).bos_id(); },
    [](const void* p) { return of(p).eos_id(); },
    encode,
};

}  // namespace

const PreferdSentencePiece* preferd_sentencepiece() { return &kTable; }
