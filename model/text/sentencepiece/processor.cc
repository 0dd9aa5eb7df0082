#include "model/text/sentencepiece/processor.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>

namespace preferd {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kScope = RTLD_LOCAL;  // sanitizers refuse deep binding
#else
constexpr int kScope = RTLD_LOCAL | RTLD_DEEPBIND;
#endif

// The table, or what the loader said.
Result<const PreferdSentencePiece*> load_table() {
  const std::string name = "libpreferd_sentencepiece.so";
  std::error_code ec;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path() / name;
  void* object = ec ? nullptr : ::dlopen(beside.c_str(), RTLD_NOW | kScope);
  if (object == nullptr) object = ::dlopen(name.c_str(), RTLD_NOW | kScope);
  if (object == nullptr) {
    const char* why = ::dlerror();
    return invalid("SentencePiece models need " + name + " beside the executable: " + (why != nullptr ? why : ""));
  }
  using Entry = const PreferdSentencePiece* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(object, "preferd_sentencepiece"));
  if (entry == nullptr) return invalid(name + ": not the library of this build");
  return entry();
}

}  // namespace

Result<SentencePieceProcessor> SentencePieceProcessor::create(std::string_view proto) {
  static const Result<const PreferdSentencePiece*> table = load_table();
  if (!table) return table.error();
  std::array<char, 256> error{};
  void* handle = (*table)->create(proto.data(), proto.size(), error.data(), error.size());
  if (handle == nullptr) return invalid(std::string("the SentencePiece model cannot be read: ") + error.data());
  SentencePieceProcessor out;
  out.table_ = *table;
  out.handle_ = std::shared_ptr<void>(handle, (*table)->destroy);
  return out;
}

std::string_view SentencePieceProcessor::piece(int id) const {
  std::size_t size = 0;
  const char* text = table_->piece(handle_.get(), id, &size);
  return {text, size};
}

void SentencePieceProcessor::encode(std::string_view text,
                                    const std::function<void(std::int32_t, std::uint32_t)>& emit) const {
  table_->encode(handle_.get(), text.data(), text.size(), const_cast<void*>(static_cast<const void*>(&emit)),
                 [](void* sink, std::int32_t id, std::uint32_t begin) {
                   (*static_cast<const std::function<void(std::int32_t, std::uint32_t)>*>(sink))(id, begin);
                 });
}

}  // namespace preferd
