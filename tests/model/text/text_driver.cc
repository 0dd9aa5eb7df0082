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
#include "tests/model/text/spec_json.h"

namespace preferd::text {
namespace {

using Seconds = std::chrono::duration<double>;

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
      builders.emplace(key, InputBuilder::create(read_input_spec(row["input"]), *tokenizer, **files));
    const auto& builder = builders.at(key);
    const Result<Inputs> inputs =
        builder ? (*builder)->build({row["prompt"], row["response_a"], row["response_b"]}) : builder.error();
    std::cout << (inputs ? inputs_json(*inputs) : Json{{"error", inputs.error().what}}).dump() << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace preferd::text

int main(int argc, char** argv) { return preferd::text::run(argc, argv); }
