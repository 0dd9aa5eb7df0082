#include "training/data/labels.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/numbers.h"
#include "base/utf8.h"

namespace preferd::training {
namespace {

constexpr std::array<const char*, 3> kOneHotNames = {"winner_model_a", "winner_model_b", "winner_tie"};
constexpr std::array<const char*, 4> kTies = {"tie", "tie (bothbad)", "both_bad", "bothbad"};
constexpr double kSlack = 1e-6;
constexpr std::size_t kShown = 40;

const Json* present(const Json& fields, const char* name) {
  const auto it = fields.find(name);
  return it == fields.end() || it->is_null() ? nullptr : &*it;
}

std::string shown(const Json& value) {
  if (value.is_array() || value.is_object()) return value.type_name();
  std::string text = value.is_string() ? utf8::repaired(value.get_ref<const std::string&>()) : value.dump();
  if (text.size() > kShown) text = utf8::repaired(text.substr(0, kShown)) + "...";
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return value.is_string() ? '"' + text + '"' : text;
}

std::optional<double> number_of(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return parse_number<double>(value.get_ref<const std::string&>());
  return std::nullopt;
}

Result<double> probability(const Json& value, const char* name) {
  const auto p = number_of(value);
  if (!p || !(*p >= 0 && *p <= 1))
    return invalid(std::string(name) + " is " + shown(value) + ", expected a number from 0 to 1", name);
  return *p;
}

Result<Target> winner(const Json& value) {
  if (value == "model_a") return Target{1, 0, 0};
  if (value == "model_b") return Target{0, 1, 0};
  for (const char* tie : kTies)
    if (value == tie) return Target{0, 0, 1};
  return invalid("winner is " + shown(value) +
                     ", expected model_a, model_b, tie or tie (bothbad), which may be both_bad or bothbad",
                 "winner");
}

Result<Target> one_hot(const Json& fields) {
  Target target{};
  for (std::size_t i = 0; i < target.size(); ++i) {
    const Json* value = present(fields, kOneHotNames[i]);
    if (value == nullptr && i == 2) continue;
    if (value == nullptr) return invalid(std::string(kOneHotNames[i]) + " is missing", kOneHotNames[i]);
    const auto bit = number_of(*value);
    if (!bit || (*bit != 0 && *bit != 1))
      return invalid(std::string(kOneHotNames[i]) + " is " + shown(*value) + ", expected 0 or 1",
                     kOneHotNames[i]);
    target[i] = *bit;
  }
  const double sum = target[0] + target[1] + target[2];
  if (sum != 1)
    return invalid(std::to_string(static_cast<int>(sum)) +
                       " of winner_model_a, winner_model_b, winner_tie are 1, expected exactly one",
                   kOneHotNames[0]);
  return target;
}

Result<Target> soft(const Json& fields) {
  const Json* b = present(fields, "p_b");
  if (b == nullptr) return invalid("p_b is missing", "p_b");
  const auto p_b = probability(*b, "p_b");
  if (!p_b) return p_b.error();
  double p_tie = 0;
  if (const Json* tie = present(fields, "p_tie")) {
    const auto p = probability(*tie, "p_tie");
    if (!p) return p.error();
    p_tie = *p;
  }
  if (*p_b + p_tie > 1 + kSlack)
    return invalid(
        "p_b and p_tie are " + shown(*b) + " and " + shown(fields["p_tie"]) + ", expected a sum of at most 1",
        "p_b");
  const double p_a = std::max(0.0, 1 - *p_b - p_tie), sum = p_a + *p_b + p_tie;
  return Target{p_a / sum, *p_b / sum, p_tie / sum};
}

}  // namespace

Result<Target> label_of(const Json& fields, Labels labels) {
  PREFERD_CHECK(labels != Labels::kTeacher);
  const Json* named = present(fields, "winner");
  if (labels == Labels::kAuto) {
    const bool has_one_hot = std::any_of(kOneHotNames.begin(), kOneHotNames.end(),
                                         [&](const char* n) { return present(fields, n) != nullptr; });
    const bool has_soft = present(fields, "p_b") != nullptr || present(fields, "p_tie") != nullptr;
    const int kinds = (named != nullptr) + has_one_hot + has_soft;
    if (kinds == 0)
      return invalid("no label, expected winner, winner_model_a and winner_model_b, or p_b", "winner");
    if (kinds > 1)
      return invalid(
          "labels of several kinds in one row, expected one of winner, winner_model_a..., p_b, or a source "
          "that says which to read",
          "winner");
    labels = named != nullptr ? Labels::kWinner : has_one_hot ? Labels::kOneHot : Labels::kSoft;
  }
  if (labels == Labels::kOneHot) return one_hot(fields);
  if (labels == Labels::kSoft) return soft(fields);
  if (named == nullptr) return invalid("winner is missing", "winner");
  return winner(*named);
}

}  // namespace preferd::training
