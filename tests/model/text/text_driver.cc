// Runs the text room over JSON Lines, for comparisons with other implementations:
//
//   text_driver encode DIRECTORY < {"text", "first"}...          > [[id, begin, lead]...] a line
//   text_driver inputs DIRECTORY < {"input", "prompt", "response_a", "response_b"}...
//                                > {"sequences", "tokens", "truncated"} or {"error"} a line
//   text_driver bench  DIRECTORY FILE      load time, then bytes a second over the whole file
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "base/json.h"
#include "model/text/input.h"
#include "model/text/tokenizer.h"

namespace preferd {
namespace {

using Seconds = std::chrono::duration<double>;

InputSpec read_spec(const Json& j) {
  InputSpec s;
  s.layout = j.at("layout") == "pair" ? Layout::kPair : Layout::kPerResponse;
  for (const Json& t : j.at("template"))
    s.segments.push_back({t.value("field", ""), t.value("text", ""), t.value("special", false)});
  s.joining = j.value("tokenize", "joined") == "joined" ? Joining::kJoined : Joining::kSegments;
  s.add_bos = j.value("add_bos", false);
  s.add_eos = j.value("add_eos", false);
  s.max_tokens = j.at("max_tokens");
  if (j.contains("truncation")) {
    const Json& t = j["truncation"];
    static const std::map<std::string, Cut> kModes = {{"right", Cut::kRight},
                                                      {"left", Cut::kLeft},
                                                      {"ratio", Cut::kRatio},
                                                      {"proportional", Cut::kProportional}};
    s.truncation.mode = kModes.at(t.at("mode"));
    s.truncation.prompt = t.value("prompt", 0.2);
    s.truncation.response = t.value("response", 0.4);
    if (t.contains("head")) s.truncation.head = t["head"].get<double>();
    s.truncation.marker = t.value("marker", "......");
  }
  if (j.contains("chat")) {
    const Json& c = j["chat"];
    s.chat.emplace();
    if (c.contains("system")) s.chat->system = c["system"].get<std::string>();
    s.chat->generation_prompt = c.value("generation_prompt", false);
    s.chat->suffix = c.value("suffix", "");
  }
  return s;
}

void print_inputs(const Result<Inputs>& inputs) {
  std::string out;
  JsonWriter w(out);
  w.begin_object();
  if (!inputs) {
    w.member("error", inputs.error().what).end_object();
    std::cout << out << '\n';
    return;
  }
  w.key("sequences").begin_array();
  for (const auto& sequence : inputs->sequences) {
    w.begin_array();
    for (const std::int32_t id : sequence) w.value(id);
    w.end_array();
  }
  w.end_array().key("tokens").begin_object();
  w.member("prompt", inputs->tokens.prompt).member("response_a", inputs->tokens.response_a);
  w.member("response_b", inputs->tokens.response_b).member("total", inputs->tokens.total).end_object();
  w.key("truncated").begin_object();
  for (std::size_t part = 0; part < 4; ++part) {
    if (!inputs->truncated[part].any()) continue;
    w.key(kPartNames[part]).begin_object().member("tokens", inputs->truncated[part].tokens);
    w.member("chars", inputs->truncated[part].chars).end_object();
  }
  w.end_object().end_object();
  std::cout << out << '\n';
}

void encode_line(const Tokenizer& tokenizer, const Json& row) {
  std::vector<Token> tokens;
  const Before before = row.value("first", true) ? Before::kNothing : Before::kTokens;
  tokenizer.encode(tokenizer.clean(row.at("text").get<std::string>()), before, tokens);
  std::string out;
  JsonWriter w(out);
  w.begin_array();
  for (const Token& t : tokens)
    w.begin_array().value(t.id).value(std::uint64_t{t.begin}).value(t.lead ? 1 : 0).end_array();
  w.end_array();
  std::cout << out << '\n';
}

void bench(const Tokenizer& tokenizer, const char* path) {
  std::stringstream file;
  file << std::ifstream(path).rdbuf();
  const std::string text = tokenizer.clean(file.str());
  for (int round = 0; round < 3; ++round) {
    std::vector<Token> tokens;
    const auto start = std::chrono::steady_clock::now();
    tokenizer.encode(text, Before::kNothing, tokens);
    const double s = Seconds(std::chrono::steady_clock::now() - start).count();
    std::cout << tokens.size() << " tokens, " << static_cast<double>(text.size()) / s / 1e6 << " MB/s, " << s
              << " s\n";
  }
}

int run(int argc, char** argv) {
  const auto files =
      argc < 3 ? Result<std::shared_ptr<const Files>>(invalid("usage")) : open_directory(argv[2]);
  if (!files) return std::cerr << files.error().what << '\n', 2;
  const auto start = std::chrono::steady_clock::now();
  const auto tokenizer = load_tokenizer(**files);
  if (!tokenizer) return std::cerr << tokenizer.error().what << '\n', 1;
  std::cerr << "load " << Seconds(std::chrono::steady_clock::now() - start).count() << " s\n";
  const std::string mode = argv[1];
  if (mode == "bench") return bench(**tokenizer, argv[3]), 0;
  std::map<std::string, Result<std::shared_ptr<const InputBuilder>>> builders;
  for (std::string line; std::getline(std::cin, line);) {
    const Json row = *parse_json(line);
    if (mode == "encode") {
      encode_line(**tokenizer, row);
      continue;
    }
    const std::string key = row.at("input").dump();
    if (!builders.contains(key))
      builders.emplace(key, InputBuilder::create(read_spec(row["input"]), *tokenizer, **files));
    const auto& builder = builders.at(key);
    if (!builder)
      print_inputs(builder.error());
    else
      print_inputs((*builder)->build({row["prompt"], row["response_a"], row["response_b"]}));
  }
  return 0;
}

}  // namespace
}  // namespace preferd

int main(int argc, char** argv) { return preferd::run(argc, argv); }
