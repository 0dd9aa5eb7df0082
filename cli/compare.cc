// preferd compare: one pair on the command line, an answer for people.
#include <cstdio>

#include "cli/common.h"
#include "cli/verdict_line.h"

namespace preferd::cli {
namespace {

struct CompareOptions {
  EngineOptions engine;
  std::string prompt, response_a, response_b, adapter;
  bool json = false, swap = false;
};

void print_for_people(const scorer::Verdict& v, const scorer::ScorerInfo& info) {
  const float p = v.probabilities[static_cast<std::size_t>(v.winner)];
  constexpr const char* kSaid[] = {"response A", "response B", "a tie"};
  std::printf("People will probably prefer %s (%.0f %%).\n\n", kSaid[v.winner], 100.0 * p);
  constexpr int kWidth = 40;
  constexpr const char* kRows[] = {"A", "B", "tie"};
  for (std::size_t i = 0; i < v.probabilities.size(); ++i) {
    std::printf("  %-3s %5.1f %%  ", kRows[i], 100.0 * v.probabilities[i]);
    const int full = static_cast<int>(v.probabilities[i] * kWidth + 0.5f);
    for (int j = 0; j < kWidth; ++j) std::fputs(j < full ? "#" : ".", stdout);
    std::fputs("\n", stdout);
  }
  for (const scorer::MemberSaid& said : v.path)
    std::printf("%s%s says A %.1f %%, B %.1f %%\n", &said == &v.path.front() ? "\n" : "", said.member.c_str(),
                100.0 * said.probabilities[0], 100.0 * said.probabilities[1]);
  std::printf("\n%lld tokens (prompt %lld, A %lld, B %lld); judged by %s\n",
              static_cast<long long>(v.tokens.total), static_cast<long long>(v.tokens.prompt),
              static_cast<long long>(v.tokens.response_a), static_cast<long long>(v.tokens.response_b),
              title(info).c_str());
  for (std::size_t part = 0; part < v.truncated.size(); ++part)
    if (v.truncated[part].any())
      std::printf("too long for the model: %lld tokens of %s were not read\n",
                  static_cast<long long>(v.truncated[part].tokens), text::kPartNames[part]);
}

void describe(Schema& s, CompareOptions& o) {
  s.text("prompt", o.prompt, "what was asked; @FILE reads a file", {.required = true});
  s.text("response-a", o.response_a, "first response; @FILE reads a file", {.required = true});
  s.text("response-b", o.response_b, "second response; @FILE reads a file", {.required = true});
  s.toggle("json", o.json, "one JSON object, as preferd score writes it");
  s.toggle("swap", o.swap, "average both orders of the responses");
  s.text("adapter", o.adapter, "adapter of the package; without it the default");
  cli::describe(s, o.engine);
}

int compare(const CompareOptions& o, const Loaded&) {
  if (const auto code = check_device(o.engine)) return *code;
  scorer::Ask ask;
  ask.adapter = o.adapter;
  ask.swap = o.swap ? scorer::Swap::kAverage : scorer::Swap::kNone;
  for (auto [flag, given, into] : {std::tuple{"--prompt", &o.prompt, &ask.pair.prompt},
                                   std::tuple{"--response-a", &o.response_a, &ask.pair.response_a},
                                   std::tuple{"--response-b", &o.response_b, &ask.pair.response_b}}) {
    auto text = text_of(flag, *given);
    if (!text) return report(text.error(), kBadUsage);
    *into = std::move(*text);
  }
  auto scorer = open_scorer(o.engine, scorer::Golden::kSkip);
  if (!scorer) return report(scorer.error(), kFailed);
  const auto encoded = (*scorer)->encode(ask);
  if (!encoded)
    return report(encoded.error(), encoded.error().code == Code::kNotFound ? kBadUsage : kBadRows);
  const scorer::Encoded* item = &*encoded;
  const auto verdict = std::move((*scorer)->score({&item, 1})[0]);
  if (!verdict) return report(verdict.error(), verdict.error().code == Code::kChanged ? kFailed : kBadRows);
  if (!o.json) {
    print_for_people(*verdict, (*scorer)->info());
    return kDone;
  }
  std::string line;
  JsonWriter json(line);
  json.begin_object().member("model", (*scorer)->info().name).member("revision", (*scorer)->info().revision);
  append_verdict(json, *verdict);
  json.end_object();
  std::printf("%s\n", line.c_str());
  return kDone;
}

}  // namespace

Command compare_command() {
  return command<CompareOptions>(
      {.name = "compare",
       .summary = "judge one pair, for people",
       .about = "Judges one pair: which response will people prefer, and how sure are we?"},
      compare);
}

}  // namespace preferd::cli
