// adapter_config.json of a LoRA adapter, as PEFT reads it. What changes the computation and is not supported is
// refused by name; what only says how the adapter was trained is passed over.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace preferd::checkpoint {

// Modules that PEFT saves as a head, in whatever list they stand, and a tensor of one: "score.weight".
inline constexpr std::array kPeftHeads = {"score", "classifier", "pooler"};
bool is_of_peft_head(std::string_view name);

// What PEFT puts before every name in an adapter's file.
inline constexpr std::string_view kPeftPrefix = "base_model.model.";

// What may be a list of names, one regular expression, or absent.
struct PeftNames {
  std::vector<std::string> list;
  std::optional<std::string> pattern;
  bool empty() const { return list.empty() && !pattern; }
};

struct PeftConfig {
  std::int64_t r = 8;
  double alpha = 8;
  bool rslora = false, dora = false, all_linear = false;
  PeftNames target, exclude;
  std::vector<std::string> modules_to_save, layers_pattern;
  std::vector<std::int64_t> layers;
  std::vector<std::pair<std::string, double>> rank_pattern, alpha_pattern;  // in the file's order
};

Result<PeftConfig> read_peft_config(const Files& folder);

}  // namespace preferd::checkpoint
