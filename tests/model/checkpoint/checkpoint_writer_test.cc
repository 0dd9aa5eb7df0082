#include "model/checkpoint/checkpoint_writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "model/checkpoint/bitsandbytes_layout.h"
#include "model/checkpoint/safetensors.h"

namespace preferd::checkpoint {
namespace {

using quant::DType;

class CheckpointWriterTest : public testing::Test {
 protected:
  CheckpointWriterTest() : folder_(testing::TempDir() + "/writer_" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~CheckpointWriterTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text(const StoredTensor& t) {
  return {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()};
}

TEST_F(CheckpointWriterTest, AnyOrderAndPiecesGiveAlignedTensors) {
  const std::vector<PlannedTensor> plan = {{"b", DType::kU8, {5}},
                                           {"a.state", DType::kU8, {100}, PlannedTensor::Length::kAtMost},
                                           {"c", DType::kF32, {2}},
                                           {"scalar", DType::kU8, {}}};
  CheckpointWriter out(folder_, plan, 1 << 20);
  ASSERT_TRUE(out.write("c", bytes("1234")));
  ASSERT_TRUE(out.write("a.state", bytes("{\"x\": 1}")));
  ASSERT_TRUE(out.write("b", bytes("hello")));
  ASSERT_TRUE(out.write("scalar", bytes("!")));
  ASSERT_TRUE(out.write("c", bytes("5678")));
  ASSERT_TRUE(out.finish());
  const auto read = read_checkpoint(**open_directory(folder_));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(text(read->at("c")), "12345678");
  EXPECT_EQ(text(read->at("a.state")), "{\"x\": 1}");
  EXPECT_EQ(read->at("a.state").shape, std::vector<std::int64_t>{8});
  EXPECT_EQ(text(read->at("b")), "hello");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(read->at("c").bytes.data()) % 8, 0u);
  EXPECT_EQ(out.bytes(), 22u);
}

TEST_F(CheckpointWriterTest, ShardsFillInOrderAndALargeTensorIsOne) {
  CheckpointWriter out(folder_, {{"a", DType::kU8, {6}}, {"b", DType::kU8, {4}}, {"c", DType::kU8, {30}}},
                       10);
  EXPECT_EQ(out.shards(), 2u);
  for (const auto& [name, content] :
       {std::pair{"a", std::string(6, 'a')}, std::pair{"b", std::string(4, 'b')},
        std::pair{"c", std::string(30, 'c')}})
    ASSERT_TRUE(out.write(name, bytes(content)));
  ASSERT_TRUE(out.finish());
  const auto files = checkpoint_files(**open_directory(folder_));
  ASSERT_TRUE(files);
  EXPECT_EQ(*files,
            (std::vector<std::string>{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                                      "model.safetensors.index.json"}));
  EXPECT_EQ(read_checkpoint(**open_directory(folder_))->size(), 3u);
}

TEST(PythonRepr, IsPythons) {
  for (const auto& [value, expected] : {std::pair{0.53125, "0.53125"},
                                        {0.0, "0.0"},
                                        {1.0, "1.0"},
                                        {12.0, "12.0"},
                                        {-0.25, "-0.25"},
                                        {1e-4, "0.0001"},
                                        {1e-5, "1e-05"},
                                        {123456.5, "123456.5"},
                                        {1e15, "1000000000000000.0"},
                                        {1e16, "1e+16"},
                                        {2.5e-7, "2.5e-07"},
                                        {static_cast<double>(0.0431234f), "0.04312340170145035"}})
    EXPECT_EQ(python_repr(value), expected);
}

}  // namespace
}  // namespace preferd::checkpoint
