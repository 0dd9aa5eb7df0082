// Fixture directories of tests/fixtures/text, unpacked in memory.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "model/text/input.h"
#include "model/text/sentence_piece_file.h"

namespace preferd::testing_text {

inline const std::vector<std::string> kDirectories = {"smollm2",       "qwen2",   "llama3",       "gemma2",
                                                      "prepend",       "llama2",  "llama2_mixed", "unigram",
                                                      "unigram_mixed", "deberta", "deberta_5"};

inline std::string read_gz(const std::string& path) {
  std::string out;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return out;
  std::array<char, 1 << 16> buffer;
  for (int n; (n = gzread(file, buffer.data(), buffer.size())) > 0;)
    out.append(buffer.data(), static_cast<std::size_t>(n));
  gzclose(file);
  return out;
}

class MemoryFiles : public Files {
 public:
  explicit MemoryFiles(std::map<std::string, std::string> files) : files_(std::move(files)) {}

  Result<Bytes> open(std::string_view name) const override {
    const auto at = files_.find(std::string(name));
    if (at == files_.end()) return Error{Code::kNotFound, std::string(name), {}};
    return Bytes{nullptr, std::as_bytes(std::span(at->second))};
  }
  bool exists(std::string_view name) const override { return files_.contains(std::string(name)); }
  std::vector<std::string> list(std::string_view) const override {
    std::vector<std::string> out;
    for (const auto& [name, text] : files_) out.push_back(name);
    return out;
  }
  Result<std::shared_ptr<const Files>> folder(std::string_view) const override {
    return invalid("no folders");
  }
  std::string name() const override { return "memory:"; }

 private:
  std::map<std::string, std::string> files_;
};

inline std::string fixture(const std::string& directory, const std::string& file) {
  return read_gz(PREFERD_FIXTURES "/text/" + directory + "/" + file);
}

inline std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i)
      out += at + i > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * i) & 63];
  }
  return out;
}

// The tokenizer's files of a fixture directory, by their published names.
inline std::map<std::string, std::string> tokenizer_files(const std::string& directory) {
  std::map<std::string, std::string> out;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "spiece.model"})
    if (std::string text = fixture(directory, std::string(name) + ".gz"); !text.empty()) out[name] = text;
  if (const std::size_t at = out["tokenizer.json"].find("@RULES@"); at != std::string::npos) {
    const std::string model = fixture("unigram", "spiece.model.gz");
    out["tokenizer.json"].replace(at, 7, base64(text::read_sentence_piece_file(model)->character_map));
  }
  if (out["tokenizer.json"].empty()) out.erase("tokenizer.json");
  out["tokenizer_config.json"] = fixture(directory, "tokenizer_config.json");
  return out;
}

inline Result<std::shared_ptr<const text::Tokenizer>> load(const std::string& directory) {
  return text::load_tokenizer(MemoryFiles(tokenizer_files(directory)));
}

inline std::vector<Json> lines(const std::string& directory, const std::string& file) {
  std::vector<Json> out;
  const std::string text = fixture(directory, file);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    out.push_back(*parse_json(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

}  // namespace preferd::testing_text
