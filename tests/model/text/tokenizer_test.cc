#include "model/text/tokenizer.h"

#include "base/utf8.h"
#include "tests/model/text/fixtures.h"

namespace preferd::text {
namespace {

using namespace testing_text;

class EveryTokenizer : public testing::TestWithParam<std::string> {};

TEST_P(EveryTokenizer, GivesTheReferencesTokens) {
  const auto tokenizer = load(GetParam());
  ASSERT_TRUE(tokenizer) << tokenizer.error().what;
  const std::vector<Json> cases = lines(GetParam(), "encode.jsonl.gz");
  ASSERT_GT(cases.size(), 200u);
  for (const Json& c : cases) {
    std::vector<Token> tokens;
    const Before before = c["first"].get<bool>() ? Before::kNothing : Before::kTokens;
    (*tokenizer)->encode((*tokenizer)->clean(c["text"].get<std::string>()), before, tokens);
    Json got = Json::array();
    for (const Token& t : tokens) got.push_back({t.id, t.begin, t.lead ? 1 : 0});
    EXPECT_EQ(got, c["tokens"]) << c["text"].dump();
  }
}

TEST_P(EveryTokenizer, TakesLongWordsInItsStride) {
  const auto tokenizer = load(GetParam());
  ASSERT_TRUE(tokenizer);
  std::string marks = "e", mixed;
  for (int i = 0; i < 50000; ++i) marks += "\xCC\x81\xCC\xA7";
  for (std::uint32_t i = 0, x = 1; i < 200000; ++i)
    mixed += static_cast<char>('a' + ((x = x * 69069 + 1) >> 24) % 26);
  for (const std::string& text : {std::string(200000, 'a'), std::string(200000, ' '), marks, mixed}) {
    std::vector<Token> tokens;
    (*tokenizer)->encode((*tokenizer)->clean(text), Before::kNothing, tokens);
    EXPECT_TRUE(std::is_sorted(tokens.begin(), tokens.end(),
                               [](const Token& a, const Token& b) { return a.begin < b.begin; }));
  }
}

TEST_P(EveryTokenizer, NeverMakesControlTokensFromText) {
  const auto tokenizer = load(GetParam());
  ASSERT_TRUE(tokenizer);
  ASSERT_FALSE((*tokenizer)->controls().empty());
  for (const ControlToken& control : (*tokenizer)->controls()) {
    std::vector<Token> tokens;
    (*tokenizer)->encode("a" + control.text + control.text + " b", Before::kNothing, tokens);
    for (const Token& t : tokens) EXPECT_NE(t.id, control.id) << control.text;
    EXPECT_EQ((*tokenizer)->control(control.text), control.id);
    EXPECT_LE(control.id, (*tokenizer)->top_id());
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryTokenizer, testing::ValuesIn(kDirectories),
                         [](const auto& directory) { return directory.param; });

TEST(Tokenizer, NamesBosAndEos) {
  const auto gemma = load("gemma2"), qwen = load("qwen2"), llama = load("llama2");
  ASSERT_TRUE(gemma && qwen && llama);
  EXPECT_EQ((*gemma)->bos().text, "<bos>");
  EXPECT_EQ((*gemma)->bos().id, 2);
  EXPECT_FALSE((*qwen)->bos().id);
  EXPECT_EQ((*qwen)->eos().text, "<|im_end|>");
  EXPECT_EQ((*llama)->bos().id, 1);
  EXPECT_EQ((*llama)->eos().text, "</s>");
}

TEST(Tokenizer, PrefersTheConfigurationToTheMapEvenWhenItSaysNull) {
  auto files = tokenizer_files("llama3");
  files["special_tokens_map.json"] = R"({"bos_token": {"content": "<|eot_id|>"}, "eos_token": "<|eot_id|>"})";
  files["tokenizer_config.json"] = R"({"bos_token": null})";
  const auto tokenizer = load_tokenizer(MemoryFiles(files));
  ASSERT_TRUE(tokenizer);
  EXPECT_FALSE((*tokenizer)->bos().id);
  EXPECT_EQ((*tokenizer)->eos().id, (*tokenizer)->control("<|eot_id|>"));
}

TEST(Tokenizer, SaysWhichTextIsOneToken) {
  const auto tokenizer = load("smollm2");
  ASSERT_TRUE(tokenizer);
  EXPECT_TRUE((*tokenizer)->single("A"));
  EXPECT_FALSE((*tokenizer)->single(""));
  EXPECT_FALSE((*tokenizer)->single("12"));
}

struct Edit {
  const char* name;
  const char* directory;
  const char* pointer;  // into tokenizer.json
  const char* value;
  const char* names;  // part of the message
};
class UnsupportedTokenizer : public testing::TestWithParam<Edit> {};

TEST_P(UnsupportedTokenizer, IsRefusedByName) {
  const Edit& edit = GetParam();
  auto files = tokenizer_files(edit.directory);
  Json spec = Json::parse(files["tokenizer.json"]);
  spec[Json::json_pointer(edit.pointer)] = Json::parse(edit.value);
  files["tokenizer.json"] = spec.dump();
  const auto tokenizer = load_tokenizer(MemoryFiles(files));
  ASSERT_FALSE(tokenizer);
  EXPECT_NE(tokenizer.error().what.find(edit.names), std::string::npos) << tokenizer.error().what;
}

INSTANTIATE_TEST_SUITE_P(
    All, UnsupportedTokenizer,
    testing::Values(
        Edit{"model_type", "smollm2", "/model/type", R"("WordPiece")", "WordPiece"},
        Edit{"dropout", "smollm2", "/model/dropout", "0.1", "dropout"},
        Edit{"prefix", "smollm2", "/model/continuing_subword_prefix", R"("##")", "continuing_subword_prefix"},
        Edit{"suffix", "smollm2", "/model/end_of_word_suffix", R"("</w>")", "end_of_word_suffix"},
        Edit{"normalizer", "qwen2", "/normalizer", R"({"type": "NFKC"})", "NFKC"},
        Edit{"prefix_space", "smollm2", "/pre_tokenizer/pretokenizers/1/add_prefix_space", "true",
             "add_prefix_space"},
        Edit{"regex", "llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", R"("\\w+")", "\\w+"},
        Edit{"behavior", "llama3", "/pre_tokenizer/pretokenizers/0/behavior", R"("Sideways")", "Sideways"},
        Edit{"pre_tokenizer", "smollm2", "/pre_tokenizer", R"({"type": "Metaspace"})", "Metaspace"},
        Edit{"single_word", "gemma2", "/added_tokens/0/single_word", "true", "single_word"},
        Edit{"merge", "llama3", "/model/merges/0", R"("zz qqq")", "entry 0"},
        Edit{"merge_shape", "llama3", "/model/merges/3", R"("one")", "entry 3"},
        Edit{"id", "llama3", "/model/vocab/!", "-1", "model.vocab"},
        Edit{"added_id", "gemma2", "/added_tokens/0/id", "5", "has id 5"},
        Edit{"bytes", "gemma2", "/model/byte_fallback", "false", "Replace"},
        Edit{"replacement", "gemma2", "/normalizer/content", R"("_")", "Replace"},
        Edit{"unigram_lower", "deberta", "/normalizer/normalizers/0", R"({"type": "Lowercase"})",
             "Lowercase"},
        Edit{"unigram_rules", "deberta", "/normalizer/normalizers/1/precompiled_charsmap", R"("AAAA")",
             "Precompiled"},
        Edit{"unigram_base64", "deberta", "/normalizer/normalizers/1/precompiled_charsmap", R"("?")",
             "base64"},
        Edit{"unigram_late_nfc", "deberta", "/normalizer/normalizers/2", R"({"type": "NFC"})",
             "NFC after Precompiled"},
        Edit{"unigram_pattern", "deberta_5", "/normalizer/normalizers/0/pattern/Regex", R"("x+")", "Replace"},
        Edit{"unigram_bytes", "deberta_5", "/model/byte_fallback", "true", "byte_fallback"},
        Edit{"unigram_unknown", "deberta_5", "/model/unk_id", "null", "unk_id"},
        Edit{"unigram_unknown_above", "deberta_5", "/model/unk_id", "99999", "unk_id"},
        Edit{"unigram_score", "deberta_5", "/model/vocab/7", R"(["x", "y"])", "entry 7"},
        Edit{"unigram_twice", "deberta_5", "/model/vocab/8/0", R"("[CLS]")", "entry 8"},
        Edit{"unigram_empty", "deberta_5", "/model/vocab", "[]", "model.vocab"},
        Edit{"unigram_added", "deberta_5", "/added_tokens/4",
             R"({"id": 9000, "content": " ", "normalized": true})", "empty text"},
        Edit{"unigram_splitter", "deberta_5", "/pre_tokenizer/pretokenizers/0", R"({"type": "Punctuation"})",
             "pre_tokenizer"}),
    [](const auto& edit) { return edit.param.name; });

TEST(Tokenizer, RefusesWhatIsCutShort) {
  auto files = tokenizer_files("smollm2");
  const std::string whole = files["tokenizer.json"];
  for (std::size_t size = 0; size < whole.size(); size += 997) {
    files["tokenizer.json"] = whole.substr(0, size);
    EXPECT_FALSE(load_tokenizer(MemoryFiles(files)));
  }
}

class DamagedModel : public testing::TestWithParam<std::string> {};

TEST_P(DamagedModel, IsRefusedOrStillEncodes) {
  auto files = tokenizer_files(GetParam());
  std::string& proto = files.begin()->second;
  const std::string whole = proto;
  std::uint32_t random = 5;
  for (int round = 0; round < 300; ++round) {
    proto = whole.substr(0, round % 3 == 0 ? (random = random * 69069 + 1) % whole.size() : whole.size());
    for (int i = 0; i < round % 5; ++i) {
      random = random * 69069 + 1;
      if (!proto.empty()) proto[(random >> 8) % proto.size()] = static_cast<char>(random >> 24);
    }
    const auto tokenizer = load_tokenizer(MemoryFiles(files));
    std::vector<Token> tokens;
    if (tokenizer) (*tokenizer)->encode("Any text, \xE4\xBD\xA0 too ... <table>", Before::kNothing, tokens);
  }
}

INSTANTIATE_TEST_SUITE_P(All, DamagedModel, testing::Values("llama2_mixed", "unigram_mixed", "unigram"),
                         [](const auto& directory) { return directory.param; });

TEST(Tokenizer, ReadsMergesInBothSpellings) {
  auto files = tokenizer_files("llama3");
  Json spec = Json::parse(files["tokenizer.json"]);
  for (Json& merge : spec["model"]["merges"]) {
    const std::string text = merge.get<std::string>();
    const std::size_t gap = text.find(' ');
    merge = {text.substr(0, gap), text.substr(gap + 1)};
  }
  files["tokenizer.json"] = spec.dump();
  const auto pairs = load_tokenizer(MemoryFiles(files)), strings = load("llama3");
  ASSERT_TRUE(pairs && strings);
  std::vector<Token> a, b;
  (*pairs)->encode("merges in both spellings", Before::kNothing, a);
  (*strings)->encode("merges in both spellings", Before::kNothing, b);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].id, b[i].id);
}

TEST(Tokenizer, NeedsAFile) {
  std::map<std::string, std::string> files;
  files["config.json"] = "{}";
  EXPECT_EQ(load_tokenizer(MemoryFiles(files)).error().code, Code::kNotFound);
  files["a.model"] = "not a model";
  EXPECT_FALSE(load_tokenizer(MemoryFiles(files)));
}

}  // namespace
}  // namespace preferd::text
