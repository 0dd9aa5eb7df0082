// The `input` section of a package, and what it makes of a pair: template, chat wrapper, tokens, truncation,
// reports.
//
//   Result<std::shared_ptr<const InputBuilder>> builder = InputBuilder::create(spec, tokenizer, files);
//   Result<Inputs> inputs = (*builder)->build(pair);
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "base/words.h"
#include "model/text/pair.h"
#include "model/text/tokenizer.h"

namespace preferd::text {

enum class Layout { kPair, kPerResponse, kConversation };
enum class Joining { kJoined, kSegments };
enum class Cut { kRight, kLeft, kRatio, kProportional };

constexpr auto words(Layout) {
  return word_list<Layout>({{"pair", Layout::kPair},
                            {"per_response", Layout::kPerResponse},
                            {"conversation", Layout::kConversation}});
}
constexpr auto words(Joining) {
  return word_list<Joining>({{"joined", Joining::kJoined}, {"segments", Joining::kSegments}});
}
constexpr auto words(Cut) {
  return word_list<Cut>({{"right", Cut::kRight},
                         {"left", Cut::kLeft},
                         {"ratio", Cut::kRatio},
                         {"proportional", Cut::kProportional}});
}

// Either a field ("prompt", "response_a", "response_b"; per_response: "prompt", "response") or fixed text.
struct Segment {
  std::string field;  // empty: this is fixed text
  std::string text;
  bool special = false;  // fixed text is parsed for control tokens
};

struct Truncation {
  Cut mode = Cut::kRight;
  double prompt = 0.2, response = 0.4;  // ratio: shares of the room
  std::optional<double> head;  // the part of a share that is kept at the front; ratio 0.75, proportional 0.5
  std::string marker = "......";
};

struct ChatSpec {
  std::optional<std::string>
      system;  // absent: what the published template does without one; "": an empty turn
  bool generation_prompt = false;
  std::string suffix;
};

// Of layout conversation.
struct ConversationSpec {
  std::string file;                 // in the package
  std::string source;               // its contents, in Jinja
  std::string date = "2024-07-26";  // that it may write: a day of the calendar
};

struct InputSpec {
  Layout layout = Layout::kPair;
  std::vector<Segment> segments;  // the manifest's `template`
  Joining joining = Joining::kJoined;
  bool add_bos = false, add_eos = false;
  int max_tokens = 0;  // per sequence, including everything
  Truncation truncation;
  std::optional<ChatSpec> chat;
  std::optional<ConversationSpec> conversation;  // exactly if layout is kConversation
};

struct Inputs {
  std::vector<std::vector<std::int32_t>> sequences;  // one (pair) or two: response_a's, response_b's
  TokenCounts tokens;
  Truncated truncated{};
};

// Immutable; any thread.
class InputBuilder {
 public:
  virtual ~InputBuilder() = default;

  // Refuses what would fail for every row: a field that the layout lacks, a BOS or EOS to add when none is
  // named, a chat template that is missing or not supported, a max_tokens below what the template alone
  // takes.
  static Result<std::shared_ptr<const InputBuilder>> create(InputSpec spec,
                                                            std::shared_ptr<const Tokenizer> tokenizer,
                                                            const Files& model_directory);

  // Every sequence has at most max_tokens ids, and no cut is inside a code point; otherwise kInvalid
  // (kTooLarge for texts of hundreds of megabytes). Requires valid UTF-8.
  virtual Result<Inputs> build(const Pair& pair) const = 0;

  // The sequence of one response, the same ids as in a pair. Requires a layout with a sequence for each response.
  virtual Result<Inputs> build_single(const Single& single) const = 0;
};

}  // namespace preferd::text
