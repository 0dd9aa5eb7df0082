#include "model/convert/base_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "model/checkpoint/safetensors.h"

namespace preferd::convert {
namespace {

constexpr std::array<std::string_view, 11> kWeights = {".safetensors", ".safetensors.index.json",
                                                       ".bin",         ".bin.index.json",
                                                       ".pt",          ".pth",
                                                       ".ckpt",        ".h5",
                                                       ".msgpack",     ".gguf",
                                                       ".onnx"};

bool is_weights(const std::string& name) {
  return std::any_of(kWeights.begin(), kWeights.end(), [&](auto end) { return name.ends_with(end); });
}

}  // namespace

Status copy_base_files(const std::string& from, BaseFiles which, const std::set<std::string>& except,
                       AtomicFolder& folder, const std::string& to) {
  const auto files = open_directory(from, Links::kAnywhere);
  if (!files) return files.error();
  std::vector<std::string> names;
  for (const std::string& name : (*files)->list(""))
    if (!is_weights(name) && !name.starts_with('.')) names.push_back(name);
  if (which == BaseFiles::kAll) {
    const auto weights = checkpoint::checkpoint_files(**files);
    if (!weights) return weights.error();
    names.insert(names.end(), weights->begin(), weights->end());
  }
  const std::string source = (*files)->name() + "/", target = to.empty() ? "" : to + "/";
  for (const std::string& name : names)
    if (!except.contains(name))
      if (const Status s = folder.copy(source + name, target + name); !s) return s.error();
  return Ok{};
}

}  // namespace preferd::convert
