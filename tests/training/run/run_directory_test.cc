#include "training/run/run_directory.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/package_copy.h"

namespace preferd::training {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunFolder : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(path_); }
  void TearDown() override { fs::remove_all(path_); }
  std::string refusal(Begin begin) const {
    const auto run = RunDirectory::open(path_, begin);
    return run ? "" : run.error().what;
  }
  void make(const std::string& name) const {
    fs::create_directories(fs::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << "x";
  }

  std::string path_ = testing::TempDir() + "/preferd_run_" + std::to_string(getpid());
};

TEST_F(RunFolder, OneProcessAtATime) {
  {
    const auto run = RunDirectory::open(path_, Begin::kFresh);
    ASSERT_TRUE(run) << run.error().what;
    EXPECT_THAT(refusal(Begin::kFresh), HasSubstr("another process is working there"));
  }
  EXPECT_EQ(refusal(Begin::kFresh), "");
}

TEST_F(RunFolder, WorkOfARunIsNotOverwritten) {
  make("config.toml");
  EXPECT_EQ(refusal(Begin::kFresh), "");
  make("checkpoints/step-00000000/state.json");
  EXPECT_THAT(refusal(Begin::kFresh), HasSubstr("continue it with --resume"));
  EXPECT_EQ(refusal(Begin::kResume), "");
  fs::remove_all(path_);
  make("best/package.json");
  EXPECT_THAT(refusal(Begin::kFresh), HasSubstr("there is a run already"));
}

TEST_F(RunFolder, NothingToResume) {
  EXPECT_THAT(refusal(Begin::kResume), HasSubstr("there is no run to resume"));
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(RunFolder, NoFolderCanBeMade) {
  std::ofstream(path_) << "a file";
  EXPECT_THAT(refusal(Begin::kFresh), HasSubstr(path_));
  const auto nameless = RunDirectory::open("", Begin::kFresh);
  ASSERT_FALSE(nameless);
  EXPECT_THAT(nameless.error().what, HasSubstr("output is missing"));
}

TEST_F(RunFolder, NeedsItsBytes) {
  const auto run = RunDirectory::open(path_, Begin::kFresh);
  EXPECT_TRUE(run->need(1));
  const Status s = run->need(std::uint64_t{1} << 62);
  ASSERT_FALSE(s);
  EXPECT_THAT(s.error().what, HasSubstr("checkpoints and package need"));
}

TEST_F(RunFolder, MetricsAreCutToTheCheckpoint) {
  fs::create_directories(path_);
  const std::string name = path_ + "/metrics.jsonl";
  std::uint64_t kept = 0;
  {
    auto log = MetricsLog::open(name, 0);
    ASSERT_TRUE(log);
    ASSERT_TRUE(log->line("{\"step\":1}"));
    kept = log->bytes();
    ASSERT_TRUE(log->line("{\"step\":2}"));
    ASSERT_TRUE(log->sync());
  }
  {
    auto log = MetricsLog::open(name, kept);
    ASSERT_TRUE(log->line("{\"step\":3}"));
    EXPECT_EQ(log->bytes(), 22u);
  }
  EXPECT_EQ(testing_support::read_text(name), "{\"step\":1}\n{\"step\":3}\n");
  const auto cut = MetricsLog::open(name, 99);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().what, HasSubstr("shorter than at the checkpoint"));
}

}  // namespace
}  // namespace preferd::training
