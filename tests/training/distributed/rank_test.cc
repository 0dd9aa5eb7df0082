#include <gmock/gmock.h>

#include "training/distributed/group.h"

namespace preferd::training {
namespace {

using testing::HasSubstr;

std::string refusal(const Environment& environment) {
  const auto self = find_rank(environment);
  return self ? "" : self.error().what;
}

TEST(Rank, AloneWithoutVariables) {
  const auto self = find_rank({{"PATH", "/bin"}, {"MASTER_PORT", "1"}});
  ASSERT_TRUE(self);
  EXPECT_EQ(self->size, 1);
  EXPECT_EQ(self->rank, 0);
}

TEST(Rank, FromTorchrun) {
  const auto self = find_rank({{"RANK", "5"},
                               {"WORLD_SIZE", "8"},
                               {"LOCAL_RANK", "1"},
                               {"MASTER_ADDR", "host"},
                               {"MASTER_PORT", "29501"}});
  ASSERT_TRUE(self);
  EXPECT_EQ(self->rank, 5);
  EXPECT_EQ(self->size, 8);
  EXPECT_EQ(self->local_rank, 1);
  EXPECT_EQ(self->address, "host");
  EXPECT_EQ(self->port, 29501);
}

TEST(Rank, OneOfOneNeedsNoAddress) {
  const auto self = find_rank({{"RANK", "0"}, {"WORLD_SIZE", "1"}});
  ASSERT_TRUE(self);
  EXPECT_EQ(self->size, 1);
}

TEST(Rank, FromSlurm) {
  const auto self = find_rank({{"SLURM_PROCID", "3"},
                               {"SLURM_NTASKS", "4"},
                               {"SLURM_LOCALID", "1"},
                               {"SLURM_JOB_NODELIST", "gpu[03-05,9]"}});
  ASSERT_TRUE(self);
  EXPECT_EQ(self->rank, 3);
  EXPECT_EQ(self->size, 4);
  EXPECT_EQ(self->local_rank, 1);
  EXPECT_EQ(self->address, "gpu03");
  EXPECT_EQ(self->port, 29500);
}

TEST(Rank, TorchrunWithinSlurmWins) {
  const auto self = find_rank({{"SLURM_PROCID", "0"},
                               {"SLURM_NTASKS", "1"},
                               {"RANK", "1"},
                               {"WORLD_SIZE", "2"},
                               {"MASTER_ADDR", "a"},
                               {"MASTER_PORT", "7"}});
  ASSERT_TRUE(self);
  EXPECT_EQ(self->size, 2);
}

TEST(Rank, Refusals) {
  const Environment good = {{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", "7"}};
  const auto with = [&](const char* key, const char* value) {
    Environment e = good;
    e[key] = value;
    return refusal(e);
  };
  EXPECT_EQ(refusal(good), "");
  EXPECT_THAT(with("RANK", "2"), HasSubstr("variable RANK is '2', expected a number from 0 to 1"));
  EXPECT_THAT(with("RANK", "-1"), HasSubstr("RANK is '-1'"));
  EXPECT_THAT(with("RANK", ""), HasSubstr("RANK is missing"));
  EXPECT_THAT(with("WORLD_SIZE", "two"), HasSubstr("WORLD_SIZE is 'two'"));
  EXPECT_THAT(with("WORLD_SIZE", "0"), HasSubstr("WORLD_SIZE is '0'"));
  EXPECT_THAT(with("MASTER_PORT", "70000"), HasSubstr("MASTER_PORT is '70000'"));
  EXPECT_THAT(with("MASTER_PORT", ""), HasSubstr("MASTER_PORT is missing"));
  EXPECT_THAT(with("MASTER_ADDR", ""), HasSubstr("MASTER_ADDR is missing"));
  EXPECT_THAT(with("LOCAL_RANK", "1.5"), HasSubstr("LOCAL_RANK is '1.5'"));
  EXPECT_THAT(refusal({{"RANK", "0"}}), HasSubstr("WORLD_SIZE is missing"));
  EXPECT_THAT(refusal({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}}), HasSubstr("SLURM_JOB_NODELIST"));
  EXPECT_THAT(refusal({{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "2"}, {"SLURM_JOB_NODELIST", "n"}}),
              HasSubstr("SLURM_PROCID is '2'"));
}

TEST(Rank, FirstSlurmNode) {
  EXPECT_EQ(first_slurm_node("gpu[03-05,9]"), "gpu03");
  EXPECT_EQ(first_slurm_node("gpu[7,9]"), "gpu7");
  EXPECT_EQ(first_slurm_node("gpu[7]-ib,b"), "gpu7-ib");
  EXPECT_EQ(first_slurm_node("a,b[1-2]"), "a");
  EXPECT_EQ(first_slurm_node("alone"), "alone");
  EXPECT_EQ(first_slurm_node("rack[1-2]n[3-4]"), "rack1n3");
  EXPECT_EQ(first_slurm_node(""), "");
}

TEST(Group, AloneDoesNothing) {
  const auto group = join_group(Rank{}, Transport::kGloo);
  ASSERT_TRUE(group);
  EXPECT_TRUE((*group)->leads());
  EXPECT_TRUE((*group)->barrier());
}

}  // namespace
}  // namespace preferd::training
