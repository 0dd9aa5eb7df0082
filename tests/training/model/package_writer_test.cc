#include "training/model/package_writer.h"

#include <gmock/gmock.h>

#include <sys/stat.h>

#include <map>

#include "tests/training/model/start_package.h"

namespace preferd::training {
namespace {

// Of every file below a folder: which one it is, a rewritten one being another.
std::map<std::string, ino_t> files_of(const std::string& folder) {
  std::map<std::string, ino_t> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    struct stat status {};
    if (entry.is_regular_file() && ::stat(entry.path().c_str(), &status) == 0)
      found[std::filesystem::relative(entry.path(), folder).string()] = status.st_ino;
  }
  return found;
}

Json manifest_of(const std::string& folder) {
  return *parse_json(testing_support::read_text(folder + "/package.json"));
}

TEST(FinishPackage, WritesNothingAgainButTheManifest) {
  StartPackage package;
  ASSERT_NO_FATAL_FAILURE(package.make(config_of("dense", Method::kFull)));
  const std::string best = package.path("best");
  const auto model = TrainableModel::load(package.encoder, {.method = Method::kFull, .threads = 1});
  ASSERT_TRUE(model) << model.error().what;
  ASSERT_TRUE(write_package(best, package.form, (*model)->tensors()));
  const Json unfinished = manifest_of(best);
  EXPECT_EQ(unfinished["base"]["path"], "base");
  auto before = files_of(best);
  EXPECT_TRUE(before.contains("base/model.safetensors"));

  const auto finished = finish_package(best, package.form, {.temperature = 1.25, .golden = "{}\n"});
  ASSERT_TRUE(finished) << finished.error().what;
  auto after = files_of(best);
  EXPECT_EQ(after.erase("golden.jsonl"), 1u);
  EXPECT_NE(before["package.json"], after["package.json"]);
  before.erase("package.json");
  after.erase("package.json");
  EXPECT_EQ(before, after);
  EXPECT_EQ(testing_support::read_text(best + "/golden.jsonl"), "{}\n");
  Json expected = unfinished;
  expected["calibration"] = {{"temperature", 1.25}};
  expected["golden"] = "golden.jsonl";
  EXPECT_EQ(manifest_of(best), expected);

  ASSERT_TRUE(finish_package(best, package.form, {}));
  EXPECT_EQ(manifest_of(best), unfinished);
}

}  // namespace
}  // namespace preferd::training
