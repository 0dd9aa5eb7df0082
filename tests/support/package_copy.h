// A copy of a fixture package that a test may change, one thing at a time; removed with the object.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/files.h"
#include "model/scorer/load.h"
#include "tests/support/safetensors_file.h"

namespace preferd::testing_support {

inline const std::string kPackages = PREFERD_FIXTURES "/packages/";

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline std::vector<Json> read_json_lines(const std::string& path) {
  std::vector<Json> out;
  std::istringstream in(read_text(path));
  for (std::string line; std::getline(in, line);) out.push_back(*parse_json(line));
  return out;
}

class PackageCopy {
 public:
  explicit PackageCopy(const std::string& package) {
    static int number = 0;
    root_ = testing::TempDir() + "/preferd_" + std::to_string(getpid()) + "_" + std::to_string(number++);
    std::filesystem::copy(kPackages + package, root_, std::filesystem::copy_options::recursive);
  }
  ~PackageCopy() { std::filesystem::remove_all(root_); }
  PackageCopy(const PackageCopy&) = delete;
  PackageCopy& operator=(const PackageCopy&) = delete;

  std::string path(const std::string& file = "") const { return root_ + "/" + file; }
  std::string read(const std::string& file) const { return read_text(path(file)); }
  void write(const std::string& file, const std::string& bytes) const {
    std::filesystem::remove(path(file));
    std::ofstream(path(file), std::ios::binary) << bytes;
  }
  void replace(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read(file);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " is not in " << file;
    write(file, text.replace(at, from.size(), to));
  }

  Json json(const std::string& file) const { return *parse_json(read(file)); }
  template <class F>
  void edit(const std::string& file, F change) const {
    Json j = json(file);
    change(j);
    write(file, j.dump());
  }

  TestTensors tensors(const std::string& file) const {
    const auto bytes = map_file(path(file));
    return tensors_of(*checkpoint::parse_safetensors(*bytes, file));
  }
  template <class F>
  void edit_tensors(const std::string& file, F change) const {
    TestTensors t = tensors(file);
    change(t);
    write(file, safetensors_bytes(t));
  }

  Result<std::shared_ptr<scorer::Scorer>> load(scorer::Golden golden = scorer::Golden::kSkip) const {
    return scorer::load_scorer(*open_directory(root_), {1, scorer::ComputeType::kFp32, golden});
  }
  // What loading says of it; empty when it loads.
  std::string refusal(scorer::Golden golden = scorer::Golden::kSkip) const {
    const auto scorer = load(golden);
    return scorer ? "" : scorer.error().what;
  }

 private:
  std::string root_;
};

}  // namespace preferd::testing_support
