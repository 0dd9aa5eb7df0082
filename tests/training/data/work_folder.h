// A folder for one test, removed with the object, and rows to put into it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "training/data/dataset.h"

namespace preferd::training {

inline const std::string kSamples = PREFERD_FIXTURES "/training/";

class WorkFolder {
 public:
  WorkFolder() {
    static int number = 0;
    root_ = testing::TempDir() + "/data_" + std::to_string(getpid()) + "_" + std::to_string(number++);
    std::filesystem::create_directories(root_);
  }
  ~WorkFolder() { std::filesystem::remove_all(root_); }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  std::string path(const std::string& name = "work") const { return root_ + "/" + name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Of the work folder, those that end so.
  std::vector<std::string> files(const std::string& ending) const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_))
      if (entry.path().string().ends_with(ending)) out.push_back(entry.path().string());
    return out;
  }

 private:
  std::string root_;
};

inline std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out.append(part);
  return out;
}

// One JSON line.
inline std::string row(std::string_view id, std::string_view prompt, std::string_view a, std::string_view b,
                       std::string_view label) {
  return joined({"{\"id\":\"", id, "\",\"prompt\":\"", prompt, "\",\"response_a\":\"", a,
                 "\",\"response_b\":\"", b, "\"", label.empty() ? "" : ",", label, "}\n"});
}
inline std::string won(std::string_view who) { return joined({"\"winner\":\"", who, "\""}); }

inline DataOptions training_on(const std::vector<std::string>& train,
                               const std::vector<std::string>& valid = {}) {
  DataOptions options;
  options.train = train;
  options.valid = valid;
  return options;
}

inline Result<std::shared_ptr<const Dataset>> open_data(const DataOptions& options,
                                                        const WorkFolder& folder) {
  return Dataset::open(options, folder.path(), {});
}

// The error of opening; "" where there is none.
inline std::string fault_of(const DataOptions& options, const WorkFolder& folder) {
  const auto data = open_data(options, folder);
  return data ? "" : data.error().what;
}

inline std::vector<std::string> ids_of(const Dataset& data, const Numbers& examples) {
  std::vector<std::string> out;
  for (const std::uint32_t e : examples) out.push_back(data.load(e)->id);
  return out;
}

}  // namespace preferd::training
