// Our reader of SentencePiece models against Google's library.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <string>
#include <vector>

#include "tests/model/text/fixtures.h"

namespace preferd::text {
namespace {

std::vector<std::string> texts() {
  std::vector<std::string> out = {"",
                                  " ",
                                  "a",
                                  "Hello world",
                                  "  two  spaces ",
                                  "tabs\tand\nlines\r\n",
                                  "caf\xC3\xA9 na\xC3\xAFve",
                                  "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x81\xAE\xE6\x96\x87",
                                  "\xF0\x9F\x99\x82\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9",
                                  "<s> </s> <unk> <0x41>",
                                  "\xEF\xBC\xA1\xEF\xBC\xA2\xEF\xBC\xA3 full width",
                                  std::string("nul\0inside", 10),
                                  "x\xE2\x96\x81y",
                                  "don't can't won't",
                                  "1234567890 3.14159",
                                  "e\xCC\x81 combining"};
  std::string mixed;
  for (const std::string& t : out) mixed += t + " ";
  out.push_back(mixed);
  std::string run;
  for (int i = 0; i < 3000; ++i) run += 'q';
  out.push_back(run);
  return out;
}

TEST(SentencePieceBpe, GivesTheLibrarysIds) {
  const auto tokenizer = testing_text::load("llama2");
  ASSERT_TRUE(tokenizer) << tokenizer.error().what;
  const std::string model = testing_text::tokenizer_files("llama2")["tokenizer.model"];
  ASSERT_FALSE(model.empty());
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto({model.data(), model.size()}).ok());
  for (const std::string& text : texts()) {
    std::vector<Token> tokens;
    (*tokenizer)->encode(text, Before::kNothing, tokens);
    std::vector<int> ids;
    for (const Token& t : tokens) ids.push_back(t.id);
    EXPECT_EQ(ids, library.EncodeAsIds({text.data(), text.size()})) << text.substr(0, 60);
  }
}

}  // namespace
}  // namespace preferd::text
