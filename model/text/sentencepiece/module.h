// The SentencePiece library behind a C table of functions, in a shared object of its own.
//
// Why: Debian's libsentencepiece exports its own older copy of Protocol Buffers, and libtorch brings a newer one. In one
// symbol scope the two overwrite each other and the process dies before main(). So the library is linked into
// libpreferd_sentencepiece.so alone, which is loaded on first use with RTLD_DEEPBIND: there each side sees its own.
//
// Handles are immutable once created; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct PreferdSentencePiece {
  // A processor from a serialized ModelProto, or null with a sentence in `error`.
  void* (*create)(const char* proto, std::size_t size, char* error, std::size_t error_size);
  void (*destroy)(void* processor);

  int (*size)(const void* processor);
  const char* (*piece)(const void* processor, int id, std::size_t* size);  // valid as long as the processor
  int (*is_control)(const void* processor, int id);
  int (*is_byte)(const void* processor, int id);
  int (*bos)(const void* processor);  // -1: none
  int (*eos)(const void* processor);

  // Calls emit(sink, id, begin) for each piece of the text, in order; begin is a byte offset.
  void (*encode)(const void* processor, const char* text, std::size_t size, void* sink,
                 void (*emit)(void* sink, std::int32_t id, std::uint32_t begin));
};

// The only symbol that the shared object is asked for.
const PreferdSentencePiece* preferd_sentencepiece();

}
