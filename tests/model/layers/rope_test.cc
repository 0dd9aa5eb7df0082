// Rotary tables and what config.json says of them, with the values that transformers gives: theta 500, heads of
// 8, max_position_embeddings 512.
#include "model/layers/rope.h"

#include <gtest/gtest.h>

#include <array>

namespace preferd::layers {
namespace {

constexpr std::int64_t kHeadDim = 8, kPositions = 301;

RopeConfig read(const Json& rope, const char* key = "rope_parameters", Json beside = Json::object()) {
  beside.update({{"max_position_embeddings", 512}, {"rope_theta", 500.0}, {key, rope}});
  checkpoint::Fields config(beside, "config.json");
  const RopeConfig out = read_rope(config);
  EXPECT_TRUE(config.status());
  return out;
}

struct Case {
  const char* name;
  Json rope;
  std::array<float, 4> cosine_of_7, sine_of_300;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class RopeTables : public testing::TestWithParam<Case> {};

TEST_P(RopeTables, AreThoseOfTransformers) {
  const RopeTable table = make_rope_table(read(GetParam().rope), kHeadDim, kPositions);
  ASSERT_EQ(table.cosine.size(), static_cast<std::size_t>(kPositions * kHeadDim / 2));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(table.cosine[7 * 4 + i], GetParam().cosine_of_7[i], 1e-6) << i;
    EXPECT_NEAR(table.sine[300 * 4 + i], GetParam().sine_of_300[i], 2e-5) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RopeTables,
    testing::Values(
        Case{"yarn",
             {{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 64}},
             {0.8584153f, 0.6850849f, 1.135144f, 1.138474f},
             {-1.138351f, 1.056767f, -0.2401524f, 0.7415978f}},
        Case{"yarn_not_truncated",
             {{"rope_type", "yarn"},
              {"factor", 4},
              {"original_max_position_embeddings", 64},
              {"truncate", false}},
             {0.8584153f, 0.8430349f, 1.135144f, 1.138474f},
             {-1.138351f, 0.1990943f, -0.2401524f, 0.7415978f}},
        Case{"yarn_mscale",
             {{"rope_type", "yarn"},
              {"factor", 16},
              {"original_max_position_embeddings", 64},
              {"beta_fast", 4},
              {"beta_slow", 2},
              {"mscale", 0.7},
              {"mscale_all_dim", 0.5}},
             {0.7906176f, 0.7407852f, 1.0485f, 1.048691f},
             {-1.048444f, 0.7905024f, 0.7798747f, 0.1849894f}},
        Case{"yarn_attention_factor",
             {{"type", "yarn"},
              {"factor", 16},
              {"original_max_position_embeddings", 64},
              {"attention_factor", 1.5}},
             {1.130853f, 1.059576f, 1.499713f, 1.499987f},
             {-1.499634f, 1.130689f, 1.115487f, 0.264598f}},
        Case{"yarn_factor_of_lengths",
             {{"rope_type", "yarn"}, {"factor", nullptr}, {"original_max_position_embeddings", 64}},
             {0.9106718f, 0.8128206f, 1.207019f, 1.207903f},
             {-1.207649f, -1.091838f, 1.201132f, 0.4194768f}},
        Case{"dynamic",
             {{"rope_type", "dynamic"}, {"factor", 4}},
             {0.7539023f, 0.0903532f, 0.9513988f, 0.9978095f},
             {-0.9997559f, 0.573211f, 0.7513054f, 0.2996902f}}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(RopeConfig, TakesTheOriginalLengthFromBesideTheObjectFirst) {
  const Json yarn = {{"rope_type", "yarn"}, {"factor", 4}};
  Json own = yarn;
  own["original_max_position_embeddings"] = 64;
  EXPECT_EQ(read(yarn).original_max_positions, 512);
  EXPECT_EQ(read(own).original_max_positions, 64);
  EXPECT_EQ(read(own, "rope_scaling", {{"original_max_position_embeddings", 32}}).original_max_positions, 32);
}

TEST(RopeConfig, PrefersRopeScalingUnlessItIsEmpty) {
  const Json parameters = {{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 77.0}}}};
  const RopeConfig old = read({{"rope_type", "linear"}, {"factor", 4}}, "rope_scaling", parameters);
  EXPECT_EQ(old.scaling, RopeConfig::Scaling::kLinear);
  EXPECT_EQ(old.theta, 500);
  EXPECT_EQ(read(Json::object(), "rope_scaling", parameters).theta, 77);
}

TEST(RopeConfig, LimitsDynamicToTheLengthUpToWhichItIsPlain) {
  EXPECT_EQ(read({{"rope_type", "dynamic"}, {"factor", 4}}).longest, 512);
  EXPECT_EQ(read({{"rope_type", "yarn"}, {"factor", 4}}).longest, 0);
}

RopeTable long_table(std::int64_t positions) {
  const Json rope = {{"rope_type", "longrope"},
                     {"short_factor", {1.0, 1.2, 1.5}},
                     {"long_factor", {1.3, 4.0, 9.0}},
                     {"partial_rotary_factor", .75}};
  Json config = {{"max_position_embeddings", 512},
                 {"original_max_position_embeddings", 64},
                 {"rope_theta", 500.0},
                 {"rope_parameters", rope}};
  checkpoint::Fields fields(config, "config.json");
  const RopeConfig read = read_rope(fields, {.rotated = 1});
  check_rope(fields, read, kHeadDim);
  EXPECT_TRUE(fields.status());
  EXPECT_EQ(depends_on_length(read, positions), positions > 64);
  return make_rope_table(read, kHeadDim, positions);
}

void expect_row(const RopeTable& table, std::int64_t row, const std::vector<float>& values,
                const std::array<float, 3>& expected) {
  ASSERT_EQ(table.dim, 6);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(values[static_cast<std::size_t>(row) * 3 + i], expected[i], 2e-6) << row << " " << i;
}

TEST(LongRope, HasASecondTableForLongSequences) {
  const RopeTable table = long_table(100);
  ASSERT_EQ(table.cosine.size(), 2u * 100 * 3);
  EXPECT_EQ(table.long_from, 65);
  expect_row(table, 7, table.cosine, {0.9233379f, 0.9085913f, 1.221386f});
  expect_row(table, 60, table.sine, {-0.3733152f, 0.02010832f, 0.7264521f});
  expect_row(table, 107, table.cosine, {0.7626849f, 1.195095f, 1.224652f});
  expect_row(table, 160, table.sine, {1.010304f, 1.162923f, 0.1293689f});
  EXPECT_EQ(long_table(64).cosine.size(), 64u * 3);
}

TEST(LongRope, RotatesASequenceByItsWholeLength) {
  backend::Batch batch;
  batch.offsets = {0, 64, 129};
  batch.parent = {-1, -1};
  for (const std::int32_t length : {64, 65})
    for (std::int32_t i = 0; i < length; ++i) batch.positions.push_back(i);
  const std::vector<std::int32_t> rows = rope_rows(long_table(100), batch);
  EXPECT_EQ(rows[63], 63);
  EXPECT_EQ(rows[64], 100);
  EXPECT_EQ(rows[128], 164);
  EXPECT_EQ(rope_rows(long_table(64), batch), batch.positions);
}

}  // namespace
}  // namespace preferd::layers
