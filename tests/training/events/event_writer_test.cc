#include "training/events/event_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "training/events/crc32c.h"

namespace preferd::training {
namespace {

// The CRC by its polynomial, bit by bit.
std::uint32_t slow_crc(std::string_view bytes) {
  std::uint32_t r = 0xffffffffu;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool carry = ((r ^ static_cast<std::uint32_t>(static_cast<unsigned char>(c) >> bit)) & 1) != 0;
      r = r >> 1 ^ (carry ? 0x82f63b78u : 0);
    }
  return ~r;
}

TEST(Crc32c, HasTheStandardsValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  const std::string text = "The quick brown fox";
  EXPECT_EQ(crc32c(text), slow_crc(text));
}

// A protobuf message as its fields: numbers by value, the rest by bytes.
struct Field {
  std::uint64_t number = 0;
  std::string bytes;
};
using Fields = std::multimap<std::uint64_t, Field>;

std::uint64_t varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(in.at(0));
    in.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
}

Fields fields_of(std::string_view in) {
  Fields out;
  while (!in.empty()) {
    const std::uint64_t key = varint(in);
    Field field;
    std::size_t size = 0;
    switch (key & 7) {
      case 0: field.number = varint(in); break;
      case 1: size = 8; break;
      case 2: size = varint(in); break;
      case 5: size = 4; break;
      default: ADD_FAILURE() << "wire type " << (key & 7);
    }
    field.bytes = in.substr(0, size);
    EXPECT_EQ(field.bytes.size(), size);
    in.remove_prefix(size);
    out.emplace(key >> 3, field);
  }
  return out;
}

const Field& only(const Fields& fields, std::uint64_t number) {
  static const Field none;
  EXPECT_EQ(fields.count(number), 1u) << number;
  const auto it = fields.find(number);
  return it == fields.end() ? none : it->second;
}

template <class T>
T word(std::string_view bytes) {
  T value{};
  EXPECT_GE(bytes.size(), sizeof value);
  if (bytes.size() >= sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::uint32_t unmasked(std::uint32_t crc) {
  const std::uint32_t r = crc - 0xa282ead8u;
  return r >> 17 | r << 15;
}

std::vector<Fields> events_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::vector<Fields> out;
  for (std::string_view rest = bytes; !rest.empty();) {
    const auto length = word<std::uint64_t>(rest);
    EXPECT_EQ(unmasked(word<std::uint32_t>(rest.substr(8))), slow_crc(rest.substr(0, 8)));
    EXPECT_EQ(unmasked(word<std::uint32_t>(rest.substr(12 + length))), slow_crc(rest.substr(12, length)));
    out.push_back(fields_of(rest.substr(12, length)));
    rest.remove_prefix(16 + length);
  }
  return out;
}

class Events : public testing::Test {
 protected:
  Events() : folder_(testing::TempDir() + "/events_" + std::to_string(getpid())) {}
  ~Events() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(Events, AreReadBack) {
  auto writer = EventWriter::create(folder_ + "/run", 0);
  ASSERT_TRUE(writer) << writer.error().what;
  EXPECT_THAT(writer->path(), testing::HasSubstr("/run/events.out.tfevents."));
  const std::string long_text(300, 'x');
  ASSERT_TRUE(writer->scalar("train/loss", 1, 0.6931));
  ASSERT_TRUE(writer->scalar("train/loss", std::int64_t{1} << 40, NAN));
  ASSERT_TRUE(writer->text("config", 3, long_text));
  const auto events = events_of(writer->path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(only(events[0], 3).bytes, "brain.Event:2");
  for (const Fields& e : events) EXPECT_GT(word<double>(only(e, 1).bytes), 1.6e9);

  EXPECT_EQ(only(events[1], 2).number, 1u);
  const Fields value = fields_of(only(fields_of(only(events[1], 5).bytes), 1).bytes);
  EXPECT_EQ(only(value, 1).bytes, "train/loss");
  EXPECT_EQ(word<float>(only(value, 2).bytes), 0.6931f);
  EXPECT_EQ(only(events[2], 2).number, std::uint64_t{1} << 40);

  const Fields text = fields_of(only(fields_of(only(events[3], 5).bytes), 1).bytes);
  const Fields tensor = fields_of(only(text, 8).bytes);
  EXPECT_EQ(only(tensor, 1).number, 7u);
  EXPECT_EQ(only(tensor, 8).bytes, long_text);
  EXPECT_EQ(only(fields_of(only(fields_of(only(text, 9).bytes), 1).bytes), 1).bytes, "text");
}

TEST_F(Events, OfAResumedRunGoToAnotherFile) {
  std::set<std::string> paths;
  for (const std::int64_t first : {0, 10, 10}) {
    auto writer = EventWriter::create(folder_, first);
    ASSERT_TRUE(writer);
    paths.insert(writer->path());
    EventWriter moved = std::move(*writer);
    ASSERT_TRUE(moved.scalar("x", first, 1));
    const auto events = events_of(moved.path());
    ASSERT_EQ(events.size(), first == 0 ? 2u : 3u);
    if (first == 0) continue;
    EXPECT_EQ(only(events[1], 2).number, 10u);
    EXPECT_EQ(only(fields_of(only(events[1], 7).bytes), 1).number, 1u);
  }
  EXPECT_EQ(paths.size(), 3u);
}

TEST_F(Events, SayWhereTheyCannotBeWritten) {
  EXPECT_THAT(EventWriter::create("/proc/nothing", 0).error().what, testing::HasSubstr("/proc/nothing"));
}

}  // namespace
}  // namespace preferd::training
