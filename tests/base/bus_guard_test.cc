#include "base/bus_guard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace preferd {
namespace {

// Some pages of ones, mapped from a file that can be cut.
class CutFile {
 public:
  explicit CutFile(std::size_t pages) : bytes_(pages * kPage) {
    std::string name = ::testing::TempDir() + "cut_XXXXXX";
    file_ = ::mkstemp(name.data());
    ::unlink(name.c_str());
    const std::vector<char> ones(bytes_, 1);
    EXPECT_EQ(::write(file_, ones.data(), ones.size()), static_cast<ssize_t>(ones.size()));
    address_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file_, 0);
    EXPECT_NE(address_, MAP_FAILED);
  }
  ~CutFile() {
    ::munmap(address_, bytes_);
    ::close(file_);
  }
  CutFile(const CutFile&) = delete;
  CutFile& operator=(const CutFile&) = delete;

  void cut(std::size_t pages) { ASSERT_EQ(::ftruncate(file_, static_cast<off_t>(pages * kPage)), 0); }
  std::span<const std::byte> view() const { return {static_cast<const std::byte*>(address_), bytes_}; }
  std::size_t sum(std::size_t first_page, std::size_t pages) const {
    std::size_t sum = 0;
    for (const std::byte b : view().subspan(first_page * kPage, pages * kPage))
      sum += std::to_integer<std::size_t>(b);
    return sum;
  }

  static inline const auto kPage = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

 private:
  const std::size_t bytes_;
  int file_ = -1;
  void* address_ = nullptr;
};

TEST(BusGuardTest, WhatIsCutOffReadsAsZerosAndIsTold) {
  install_bus_guard();
  install_bus_guard();
  CutFile file(16), other(2);
  const auto range = GuardedRange::take(file.view());
  const auto untouched = GuardedRange::take(other.view());
  ASSERT_TRUE(range && untouched);
  EXPECT_EQ(file.sum(0, 16), 16 * CutFile::kPage);
  file.cut(4);
  EXPECT_FALSE(range->lost());
  EXPECT_EQ(file.sum(6, 2), 0);
  EXPECT_TRUE(range->lost());
  EXPECT_EQ(file.sum(4, 12), 0);
  EXPECT_EQ(file.sum(0, 4), 4 * CutFile::kPage);
  EXPECT_FALSE(untouched->lost());
  EXPECT_EQ(other.sum(0, 2), 2 * CutFile::kPage);
}

TEST(BusGuardTest, ManyThreadsFaultAtOnce) {
  install_bus_guard();
  for (int round = 0; round < 20; ++round) {
    CutFile file(64);
    const auto range = GuardedRange::take(file.view());
    ASSERT_TRUE(range);
    file.cut(0);
    std::vector<std::thread> threads;
    std::array<std::size_t, 8> sums{};
    for (std::size_t t = 0; t < sums.size(); ++t)
      threads.emplace_back([&, t] { sums[t] = file.sum(8 * (7 - t), 8) + file.sum(0, 64); });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), std::size_t{0}), 0);
    EXPECT_TRUE(range->lost());
  }
}

TEST(BusGuardTest, EntriesComeBackUnlost) {
  install_bus_guard();
  CutFile cut(2), whole(2);
  {
    const auto range = GuardedRange::take(cut.view());
    cut.cut(0);
    EXPECT_EQ(cut.sum(0, 2), 0);
    EXPECT_TRUE(range->lost());
  }
  std::vector<GuardedRange> all;
  for (std::size_t i = 0; i < GuardedRange::kMost; ++i) {
    auto range = GuardedRange::take(whole.view());
    ASSERT_TRUE(range) << i;
    EXPECT_FALSE(range->lost());
    all.push_back(std::move(*range));
  }
  EXPECT_FALSE(GuardedRange::take(whole.view()));
  EXPECT_TRUE(GuardedRange::take({}));  // an empty file takes none
  all.pop_back();
  EXPECT_TRUE(GuardedRange::take(whole.view()));
}

class BusGuardDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(BusGuardDeathTest, OtherFaultsEndTheProcess) {
  const auto fault = [] {
    install_bus_guard();
    CutFile guarded(2), file(2);
    const auto range = GuardedRange::take(guarded.view());
    file.cut(0);
    std::_Exit(static_cast<int>(file.sum(0, 2)));
  };
  EXPECT_EXIT(fault(), ::testing::KilledBySignal(SIGBUS), "");
  const auto let_go = [] {
    install_bus_guard();
    CutFile file(2);
    { const auto range = GuardedRange::take(file.view()); }
    file.cut(0);
    std::_Exit(static_cast<int>(file.sum(0, 2)));
  };
  EXPECT_EXIT(let_go(), ::testing::KilledBySignal(SIGBUS), "");
  const auto sent = [] {
    install_bus_guard();
    ::kill(::getpid(), SIGBUS);
    std::_Exit(0);
  };
  EXPECT_EXIT(sent(), ::testing::KilledBySignal(SIGBUS), "");
}

TEST_F(BusGuardDeathTest, OtherFaultsReachTheHandlerThatWasThere) {
  const auto fault = [] {
    std::signal(SIGBUS, [](int) { std::_Exit(42); });
    install_bus_guard();
    CutFile file(2);
    file.cut(0);
    std::_Exit(static_cast<int>(file.sum(0, 2)));
  };
  EXPECT_EXIT(fault(), ::testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace preferd
