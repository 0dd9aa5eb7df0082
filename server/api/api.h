// Bodies of POST /predict, POST /batch and POST /rank as typed requests. Pure; any thread.
//
// Schemas are closed: an unknown key, a null option or a wrong type is kInvalid with `param`, the path of
// what is wrong ("prompt[0].role", "items[2].swap"). Messages never quote the request.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/scorer/scorer.h"
#include "rows/turns.h"

namespace preferd::server {

// What a reply carries beyond the usual.
struct Wanted {
  bool logits = false, features = false, timing = false;
};

struct PairRequest {
  scorer::Ask ask;  // in a batch, without the prompt when that is the batch's own
  std::optional<std::string> id;
  std::optional<std::chrono::milliseconds> timeout;
  Wanted wanted;
  bool shared_prompt = false;  // the prompt is BatchRequest::prompt
};

struct ItemError {
  std::optional<std::string> id;
  Error error;
};

struct BatchRequest {
  rows::Prompt prompt;                                      // the default one, kept once
  std::vector<std::variant<PairRequest, ItemError>> items;  // in order; a bad item never fails the call
};

// Of the three texts.
std::size_t bytes_of(const text::Pair& pair);

Result<PairRequest> parse_pair(const Json& body);

inline constexpr std::size_t kMostResponses = 64;  // of a /rank

struct RankRequest {
  rows::Prompt prompt;
  std::vector<std::string> responses;          // 2 to kMostResponses
  std::string adapter;                         // empty: the package's default
  scorer::Swap swap = scorer::Swap::kAverage;  // of packages that judge pairs
  scorer::Overflow overflow = scorer::Overflow::kPackage;
  std::optional<std::string> id;
  std::optional<std::chrono::milliseconds> timeout;
  bool wants_matrix = false, wants_timing = false;
};
Result<RankRequest> parse_rank(const Json& body);

struct BatchLimits {
  std::size_t max_items = 1024;
  std::size_t max_text_bytes = std::size_t{64} << 20;  // of all items, the default prompt counted in each
};
// kTooLarge over a limit.
Result<BatchRequest> parse_batch(const Json& body, const BatchLimits& limits);

}  // namespace preferd::server
