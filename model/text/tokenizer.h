// Text to token ids, as the model's own tokenizer files say: tokenizer.json (byte-level BPE; BPE with byte
// fallback; Unigram; WordPiece) or a SentencePiece .model. Ids are those of Hugging Face tokenizers with
// encode_special_tokens=True (text never yields control tokens; other added tokens are recognised), or of
// sentencepiece.
//
// Time is O(n log n) in the length of the text, whatever it contains.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/text/post_processor.h"

namespace preferd::text {

struct Token {
  std::int32_t id;
  std::uint32_t
      begin;  // byte offset, in the encoded text, of the code point that holds the token's first byte
  bool lead;  // false: the token starts inside that code point, so no cut may come before it
};

// A control token: an added token marked special, or a CONTROL piece.
struct ControlToken {
  std::string text;
  std::int32_t id;
  bool lstrip = false, rstrip = false;  // it takes the white space before or behind it
};

// A token that the model directory's configuration names. `id` is absent if the name is not a control token.
struct NamedToken {
  std::string text;  // empty: not named
  std::optional<std::int32_t> id;
};

// The texts of tokens by the keys that name them: "bos_token", "eos_token", "pad_token" and the like.
using SpecialNames = std::map<std::string, std::string>;

// What comes before a text; this decides about SentencePiece's dummy prefix and Metaspace's `first`.
enum class Before { kNothing, kTokens };

struct EndNames;

// Immutable; any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the tokens of `text`, in order. Requires valid UTF-8 that clean() leaves unchanged, below 2 GiB.
  virtual void encode(std::string_view text, Before before, std::vector<Token>& out) const = 0;

  // Whether texts are converted to normalization form C, and the conversion. Positions and counts of
  // characters are those of the cleaned text.
  virtual bool cleans() const = 0;
  std::string clean(std::string_view text) const;

  // Longest first.
  const std::vector<ControlToken>& controls() const { return controls_; }
  std::optional<std::int32_t> control(std::string_view name) const;
  const NamedToken& bos() const { return bos_; }
  const NamedToken& eos() const { return eos_; }

  // All that the configuration names, whether or not they are control tokens: for chat templates.
  const SpecialNames& special_names() const { return special_names_; }

  // What Hugging Face's tokenizer puts around texts by itself. An error: its kind is not supported.
  const Result<PostProcessor>& post_processor() const { return post_processor_; }

  // The largest id that exists, including added tokens.
  std::int32_t top_id() const { return top_id_; }

  // The one id of a text that is a single token (head.tokens of token_pair), otherwise nothing.
  std::optional<std::int32_t> single(std::string_view text) const;

 protected:
  // Sets the control tokens, BOS and EOS by their texts (empty: none), and the post-processor.
  void set_controls(std::vector<ControlToken> controls, const EndNames& ends);

  std::vector<ControlToken> controls_;  // longest first
  NamedToken bos_, eos_;
  SpecialNames special_names_;
  Result<PostProcessor> post_processor_ = PostProcessor{};
  std::int32_t top_id_ = -1;
};

// Reads tokenizer.json, or else the first *.model, with the names of BOS and EOS from tokenizer_config.json
// and special_tokens_map.json. Errors name the file and the component that is malformed or not supported.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const Files& model_directory);

}  // namespace preferd::text
