// A folder with copies of fixture packages and a manifest that combines them; removed with the object.
#pragma once

#include "tests/support/package_copy.h"

namespace preferd::testing_support {

class CompositeFolder {
 public:
  // Copies each package once, under its own name.
  CompositeFolder(const std::vector<std::string>& packages, const Json& manifest) {
    static int number = 0;
    root_ = testing::TempDir() + "/preferd_composite_" + std::to_string(getpid()) + "_" +
            std::to_string(number++);
    std::filesystem::create_directories(root_);
    for (const std::string& package : packages)
      std::filesystem::copy(kPackages + package, root_ + "/" + package,
                            std::filesystem::copy_options::recursive);
    write(manifest);
  }
  ~CompositeFolder() { std::filesystem::remove_all(root_); }
  CompositeFolder(const CompositeFolder&) = delete;
  CompositeFolder& operator=(const CompositeFolder&) = delete;

  void write(const Json& manifest, const std::string& under = "") const {
    std::filesystem::create_directories(root_ + "/" + under);
    std::ofstream(root_ + "/" + under + "/package.json") << manifest.dump();
  }
  std::string path(const std::string& under = "") const { return root_ + "/" + under; }
  Result<std::shared_ptr<scorer::Scorer>> load(int threads = 1) const {
    return scorer::load_scorer(*open_directory(root_),
                               {threads, scorer::ComputeType::kFp32, scorer::Golden::kVerify});
  }
  std::string refusal() const {
    const auto scorer = load();
    return scorer ? "" : scorer.error().what;
  }

 private:
  std::string root_;
};

}  // namespace preferd::testing_support
