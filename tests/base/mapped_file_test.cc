#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include <gtest/gtest.h>

#include "base/files.h"

namespace preferd {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

// Without truncation.
void write_at(const fs::path& path, std::streamoff at, const std::string& text) {
  std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(at) << text;
}

class MappedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(dir_);
    fs::create_directories(dir_ / "base");
    write(path_, std::string(kBytes, 'a'));
  }
  void TearDown() override { fs::remove_all(dir_); }

  static constexpr std::size_t kBytes = 100'000;
  const fs::path dir_ =
      fs::path(::testing::TempDir()) /
      (std::string("mapped_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
  const fs::path path_ = dir_ / "base" / "weights";
};

struct Case {
  const char* what;
  std::function<void(const fs::path&)> act;
  const char* told;  // "": intact
};

TEST_F(MappedFileTest, WritesAreToldAndOtherThingsAreNot) {
  const std::vector<Case> cases = {
      {"nothing", [](const fs::path&) {}, ""},
      {"cut", [](const fs::path& p) { fs::resize_file(p, 10); }, "it had 100000 bytes and has 10 now"},
      {"emptied", [](const fs::path& p) { write(p, ""); }, "has 0 now"},
      {"appended", [](const fs::path& p) { write_at(p, kBytes, "b"); }, "has 100001 now"},
      {"same size", [](const fs::path& p) { write_at(p, 50'001, "b"); }, "it was written to"},
      {"anew", [](const fs::path& p) { write(p, std::string(kBytes, 'a')); }, "it was written to"},
      {"time set back",
       [](const fs::path& p) {
         const auto before = fs::last_write_time(p);
         write_at(p, 0, "b");
         fs::last_write_time(p, before);
       },
       "its contents are others"},
      {"chmod", [](const fs::path& p) { ASSERT_EQ(::chmod(p.c_str(), 0600), 0); }, ""},
      {"renamed", [](const fs::path& p) { fs::rename(p, p.string() + ".old"); }, ""},
      {"deleted", [](const fs::path& p) { fs::remove(p); }, ""},
      {"replaced",
       [](const fs::path& p) {
         write(p.string() + ".new", "b");
         fs::rename(p.string() + ".new", p);
       },
       ""}};
  for (const Case& c : cases) {
    write(path_, std::string(kBytes, 'a'));
    const auto file = MappedFile::open(path_.string());
    ASSERT_TRUE(file) << c.what;
    EXPECT_TRUE((*file)->intact(Look::kThorough)) << c.what;
    c.act(path_);
    for (const Look look : {Look::kQuick, Look::kThorough}) {
      const Status s = (*file)->intact(look);
      if (c.told[0] == '\0') {
        EXPECT_TRUE(s) << c.what;
        continue;
      }
      ASSERT_FALSE(s) << c.what;
      EXPECT_EQ(s.error().code, Code::kChanged);
      EXPECT_NE(s.error().what.find(path_.string()), std::string::npos) << s.error().what;
      EXPECT_NE(s.error().what.find(c.told), std::string::npos) << c.what << ": " << s.error().what;
    }
    if (c.told[0] == '\0') {
      EXPECT_EQ((*file)->view()[kBytes - 1], std::byte{'a'}) << c.what;
    }
  }
}

TEST_F(MappedFileTest, WritesThroughAMappingAreSeenInTheSamples) {
  const auto file = MappedFile::open(path_.string());
  ASSERT_TRUE(file);
  const fs::file_time_type opened = fs::last_write_time(path_);
  write_at(path_, static_cast<std::streamoff>(kBytes - 1), "b");
  fs::last_write_time(path_, opened);
  EXPECT_FALSE((*file)->intact(Look::kThorough)) << "the last byte is no sample";
}

TEST_F(MappedFileTest, WhatChangedStaysChanged) {
  const auto file = MappedFile::open(path_.string());
  ASSERT_TRUE(file);
  const auto before = fs::last_write_time(path_);
  fs::resize_file(path_, 10);
  ASSERT_FALSE((*file)->intact(Look::kQuick));
  write(path_, std::string(kBytes, 'a'));
  fs::last_write_time(path_, before);
  EXPECT_FALSE((*file)->intact(Look::kQuick));
}

TEST_F(MappedFileTest, WhatIsCutIsReadWithoutDying) {
  install_bus_guard();
  const auto file = MappedFile::open(path_.string());
  ASSERT_TRUE(file);
  fs::resize_file(path_, 10);
  EXPECT_EQ((*file)->view()[kBytes - 1], std::byte{0});
  EXPECT_FALSE((*file)->intact(Look::kQuick));
}

TEST_F(MappedFileTest, ADirectoryKnowsItsFolders) {
  const auto files = open_directory(dir_.string());
  ASSERT_TRUE(files);
  const auto base = (*files)->folder("base");
  ASSERT_TRUE(base);
  auto held = (*base)->open("weights");
  ASSERT_TRUE(held);
  EXPECT_TRUE((*files)->intact(Look::kThorough));
  write_at(path_, 5, "b");
  const Status root = (*files)->intact(Look::kQuick), folder = (*base)->intact(Look::kQuick);
  ASSERT_FALSE(root);
  EXPECT_FALSE(folder);
  EXPECT_EQ(if_intact(**files, Result<int>(1)).error().code, Code::kChanged);
  EXPECT_EQ(if_intact(**files, Result<int>(invalid("other"))).error().code, Code::kChanged);
  *held = {};
  EXPECT_FALSE((*files)->intact(Look::kQuick)) << "it was let go after it had changed";
}

TEST_F(MappedFileTest, WhatChangesLaterIsNoMatter) {
  const auto files = open_directory(dir_.string());
  ASSERT_TRUE(files);
  { const auto held = (*files)->open("base/weights"); }
  fs::resize_file(path_, 10);
  EXPECT_TRUE((*files)->intact(Look::kThorough));
  const auto again = (*files)->open("base/weights");
  ASSERT_TRUE(again);
  EXPECT_TRUE((*files)->intact(Look::kThorough));
}

TEST_F(MappedFileTest, AnEmptyFileIsAFile) {
  write(path_, "");
  const auto file = MappedFile::open(path_.string());
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->view().empty());
  EXPECT_TRUE((*file)->intact(Look::kThorough));
  write(path_, "b");
  EXPECT_FALSE((*file)->intact(Look::kQuick));
}

}  // namespace
}  // namespace preferd
