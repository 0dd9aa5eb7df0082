// Names of tensors: which of them are a head's, and how messages list them.
#pragma once

#include <array>

#include <string>
#include <vector>

namespace preferd::checkpoint {

// Modules of published checkpoints that hold a head beside the body, by the first part of their tensors' names.
inline constexpr std::array kHeads = {"score",           "classifier",
                                      "pooler",          "v_head",
                                      "value_head",      "reward_head",
                                      "rm_head",         "score_head",
                                      "regression_head", "critic_head",
                                      "out_proj",        "regression_layer",
                                      "gating",          "reward_transform_matrix",
                                      "gating_layer",    "head_layer"};
bool is_of_head(const std::string& name);  // without the prefix of the body's names: "score.weight"

// "a, b": the first eight, and how many more there are.
std::string list_of(const std::vector<std::string>& names);

}  // namespace preferd::checkpoint
