#include "base/files.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/atomic_file.h"

namespace preferd {
namespace {

namespace fs = std::filesystem;

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string at(const std::string& name) const { return (dir_ / name).string(); }

  const fs::path dir_ =
      fs::path(::testing::TempDir()) /
      (std::string("files_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(FilesTest, PipesAreRefusedNotWaitedFor) {
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  const auto mapped = map_file(at("pipe"));
  ASSERT_FALSE(mapped);
  EXPECT_NE(mapped.error().what.find("not a plain file"), std::string::npos);
  auto folder = AtomicFolder::create_new(at("out"));
  ASSERT_TRUE(folder);
  const Status copied = folder->copy(at("pipe"), "copy");
  ASSERT_FALSE(copied);
  EXPECT_NE(copied.error().what.find("not a plain file"), std::string::npos);
}

TEST_F(FilesTest, NamesEndWhereTheySay) {
  std::ofstream(at("there")) << "x";
  const auto files = open_directory(dir_.string());
  ASSERT_TRUE(files);
  EXPECT_TRUE((*files)->exists("there"));
  EXPECT_FALSE((*files)->exists(std::string_view("there\0x", 7)));
  const auto opened = (*files)->open(std::string_view("there\0x", 7));
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().what.find("NUL"), std::string::npos);
}

TEST_F(FilesTest, OneProcessMakesAFolder) {
  {
    auto first = AtomicFolder::create_new(at("out"));
    ASSERT_TRUE(first);
    ASSERT_TRUE(first->write("a/b", "first"));
    const auto second = AtomicFolder::create_new(at("out"));
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().what.find("another process is writing there"), std::string::npos);
    ASSERT_TRUE(first->commit());
  }
  EXPECT_TRUE(fs::exists(at("out/a/b")));
  EXPECT_FALSE(fs::exists(at("out.part")));
}

TEST_F(FilesTest, WhatAKilledProcessLeftIsRemoved) {
  fs::create_directories(at("out.part/base"));
  std::ofstream(at("out.part/base/half")) << "x";
  auto folder = AtomicFolder::create_new(at("out/"));
  ASSERT_TRUE(folder);
  ASSERT_TRUE(folder->write("whole", "x"));
  ASSERT_TRUE(folder->commit());
  EXPECT_FALSE(fs::exists(at("out/base")));
  EXPECT_TRUE(fs::exists(at("out/whole")));
}

TEST_F(FilesTest, FoldersToMakeHaveNames) {
  fs::create_directories(at("empty"));
  fs::create_directory_symlink(at("empty"), at("link"));
  for (const std::string& target :
       {std::string(), std::string("/"), at("empty/."), at("empty/.."), at("link")}) {
    const auto folder = AtomicFolder::create_new(target);
    ASSERT_FALSE(folder) << target;
    EXPECT_NE(folder.error().what.find("expected a folder to make"), std::string::npos) << target;
  }
  EXPECT_TRUE(fs::is_empty(at("empty")));
}

}  // namespace
}  // namespace preferd
