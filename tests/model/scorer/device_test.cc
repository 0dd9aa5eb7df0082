#include "model/scorer/device.h"

#include <gmock/gmock.h>

#include "model/scorer/load.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using testing::HasSubstr;

std::string refusal(const char* text) {
  const auto devices = parse_devices(text);
  return devices ? "" : devices.error().what;
}

TEST(Devices, AreReadAsTheyAreNamed) {
  EXPECT_EQ(*parse_devices("cpu"), std::vector<Device>{Device{}});
  const Device first{Device::Kind::kCuda, 0}, third{Device::Kind::kCuda, 2};
  EXPECT_EQ(*parse_devices("cuda"), std::vector<Device>{first});
  EXPECT_EQ(*parse_devices("cuda:2,cuda"), (std::vector<Device>{third, first}));
  EXPECT_EQ(name_of(third), "cuda:2");
}

TEST(Devices, WhatIsNoneIsRefused) {
  for (const char* text :
       {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cpu,", ",cuda", "cuda:99999999999"})
    EXPECT_THAT(refusal(text), HasSubstr("expected cpu, cuda, cuda:N")) << text;
  EXPECT_THAT(refusal("cuda:1,cuda:1"), HasSubstr("names cuda:1 twice"));
  EXPECT_THAT(refusal("cpu,cuda"), HasSubstr("expected either cpu or GPUs"));
}

class PlacesTest : public testing::Test {
 protected:
  static std::string refusal(const LoadOptions& options) {
    const auto scorer =
        load_scorer(*open_directory(std::string(PREFERD_FIXTURES) + "/packages/nf4"), options);
    return scorer ? "" : scorer.error().what;
  }
};

TEST_F(PlacesTest, GpusThatAreNotThereAreToldAtLoad) {
  if (gpu_count() > 0) GTEST_SKIP() << "asks for a GPU that is not there, and this machine has one";
  EXPECT_THAT(refusal({.devices = {{Device::Kind::kCuda, 0}}}), HasSubstr("device is cuda"));
  EXPECT_THAT(preferd::scorer::parse_devices("cuda:all").error().what, HasSubstr("has no GPU"));
}

TEST_F(PlacesTest, ChoicesThatDoNotFitTheDeviceAreRefused) {
  EXPECT_THAT(refusal({.residency = Residency::kFp8}),
              HasSubstr("residency is fp8, expected auto on device cpu"));
  EXPECT_THAT(refusal({.compute = ComputeType::kInt16, .devices = {{Device::Kind::kCuda, 0}}}),
              HasSubstr("compute is int16, expected auto or fp32 on device cuda"));
}

}  // namespace
}  // namespace preferd::scorer
