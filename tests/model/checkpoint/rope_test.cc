// Rotary positions in config.json: what is refused.
#include "tests/support/refusal.h"

namespace preferd::checkpoint {
namespace {

using namespace testing_support;

class BadRope : public RefusalTest {};
TEST_P(BadRope, IsRefused) { check(); }

template <class F>
void config(const PackageCopy& c, F change) {
  c.edit("base/config.json", change);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRope,
    testing::Values(
        Refusal{"rope_type",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_scaling"] = {{"rope_type", "axial"}, {"factor", 2}}; });
                },
                {"rope_scaling", "rope_type 'axial' is not supported"}},
        Refusal{"rope_type_old_spelling",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_scaling"] = {{"type", "su"}, {"factor", 2}}; });
                },
                {"rope_scaling", "rope_type 'su' is not supported"}},
        Refusal{"rope_parameters_type",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_parameters"] = {{"rope_type", "longrope"}}; });
                },
                {"rope_parameters: short_factor is missing"}},
        Refusal{"longrope_of_another_width",
                "phi3",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_scaling"]["long_factor"].erase(0); });
                },
                {"long_factor of longrope has 2 numbers, expected half of the 6 rotated values of a head"}},
        Refusal{"longrope_factor_zero",
                "phi3",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_scaling"]["short_factor"][1] = 0; });
                },
                {"rope_scaling: short_factor has 0, expected an array of numbers above 0"}},
        Refusal{"phi3_linear",
                "phi3",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_scaling"] = {{"type", "linear"}, {"factor", 2}}; });
                },
                {"rope_type is not supported in phi3, expected 'default' or 'longrope'"}},
        Refusal{"partial_rotary_beside",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["partial_rotary_factor"] = 0.5; }); },
                {"config.json: partial_rotary_factor is not supported, expected 1"}},
        Refusal{"gemma3_longrope",
                "gemma3",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j["rope_scaling"] = {{"rope_type", "longrope"},
                                         {"short_factor", {1, 1, 1, 1}},
                                         {"long_factor", {2, 2, 2, 2}}};
                  });
                },
                {"full_attention: rope_type 'longrope' is not supported"}},
        Refusal{"rope_dynamic_beyond_its_length",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2}};
                    j["max_position_embeddings"] = 95;
                  });
                },
                {"config.json", "max_position_embeddings is 95", "input.max_tokens of package.json, 96",
                 "dynamic"}},
        Refusal{"rope_yarn_without_a_length",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j["rope_scaling"] = {{"type", "yarn"}, {"factor", 2}};
                    j.erase("max_position_embeddings");
                  });
                },
                {"config.json: max_position_embeddings is missing"}},
        Refusal{"rope_yarn_attention_factor",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j["rope_scaling"] = {{"type", "yarn"}, {"factor", 2}, {"attention_factor", 0}};
                  });
                },
                {"rope_scaling: attention_factor is 0, expected a number above 0"}},
        Refusal{"gemma3_yarn_truncate",
                "gemma3",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 2}, {"truncate", false}};
                  });
                },
                {"full_attention: truncate is false, expected true"}},
        Refusal{"rope_factor_missing",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_scaling"] = {{"rope_type", "linear"}}; });
                },
                {"rope_scaling", "factor is missing"}},
        Refusal{"rope_theta_zero",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["rope_theta"] = 0; }); },
                {"rope_theta is not above 0"}},
        Refusal{"partial_rotary",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j["rope_parameters"] = {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}};
                  });
                },
                {"partial_rotary_factor"}},
        Refusal{"gemma3_rope_of_one_type",
                "gemma3",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_parameters"]["full_attention"] = Json::object(); });
                },
                {"rope_parameters has no sliding_attention"}}),
    by_case);

}  // namespace
}  // namespace preferd::checkpoint
