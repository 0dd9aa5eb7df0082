// trainer explore: what is in files of labelled pairs, before anything is trained on them.
#include <cstdio>

#include "base/atomic_file.h"
#include "model/scorer/pair_encoder.h"
#include "training/commands/commands.h"
#include "training/commands/terminal.h"
#include "training/data/explore.h"
#include "training/report/explore.h"
#include "training/run/facts.h"

namespace preferd::training {
namespace {

struct Options {
  std::vector<std::string> train, valid;
  std::string output, json, tokenizer_of;
  std::optional<Labels> labels = Labels::kAuto;  // absent: none is read
  bool quiet = false;
};

std::string share(std::uint64_t part, std::uint64_t all) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%",
                all > 0 ? 100 * static_cast<double>(part) / static_cast<double>(all) : 0);
  return text;
}

void print(const char* name, const SplitFacts& f) {
  if (f.rows + f.bad == 0) return;
  const auto n = [](std::uint64_t x) { return std::to_string(x); };
  std::printf("%s: %s rows of %s prompts, %s duplicates (%s contradict), %s bad\n", name, n(f.rows).c_str(),
              n(f.prompts).c_str(), n(f.repeated + f.contradictory).c_str(), n(f.contradictory).c_str(),
              n(f.bad).c_str());
  std::printf("  model_a won %s, model_b %s, ties %s; the longer response won %s\n",
              share(f.outcomes.model_a, f.outcomes.total()).c_str(),
              share(f.outcomes.model_b, f.outcomes.total()).c_str(),
              share(f.outcomes.tie, f.outcomes.total()).c_str(),
              share(f.longer_won, f.different_length).c_str());
  const auto lengths = [&](const char* what, const Lengths& l) {
    if (l.count() > 0)
      std::printf("  %s: median %s, 95 %% up to %s, longest %s\n", what, n(l.quantile(.5)).c_str(),
                  n(l.quantile(.95)).c_str(), n(l.max()).c_str());
  };
  lengths("characters of a prompt", f.prompt_chars);
  lengths("characters of a response", f.response_chars);
  lengths("tokens of prompt and both responses", f.pair_tokens);
}

void describe(Schema& s, Options& o) {
  s.texts("input", o.train, "files of pairs with labels: .jsonl, .csv, with or without .gz",
          {.required = true});
  s.texts("valid", o.valid, "validation files: what they share with --input is counted");
  s.text("output", o.output, "the page", {.required = true});
  s.text("json", o.json, "the same facts for programs");
  s.text("tokenizer-of", o.tokenizer_of, "package whose tokens are counted");
  s.choice("labels", o.labels, "none", "which label is read where a row could have several",
           {Labels::kAuto, Labels::kWinner, Labels::kOneHot, Labels::kSoft});
  s.toggle("quiet", o.quiet, "errors only");
}

int run(const Options& options, const Loaded&) {
  ExploreOptions explored{
      .train = options.train,
      .valid = options.valid,
      .rule = [&](const std::string&) { return options.labels.value_or(Labels::kTeacher); },
      .count_tokens = {}};
  std::shared_ptr<const scorer::PairEncoder> encoder;
  if (!options.tokenizer_of.empty()) {
    const auto files = open_directory(options.tokenizer_of);
    if (!files) return report(files.error(), kFailed);
    auto opened = scorer::PairEncoder::open(*files);
    if (!opened) return report(opened.error(), kFailed);
    encoder = *opened;
    explored.count_tokens = [&](std::string_view text) {
      std::vector<text::Token> tokens;
      encoder->tokenizer().encode(encoder->tokenizer().clean(text), text::Before::kTokens, tokens);
      return tokens.size();
    };
  }
  Terminal terminal(options.quiet ? Verbosity::kQuiet : Verbosity::kNormal);
  const auto facts = explore(
      explored, {.progress = [&](double s) { terminal.progress("reading", s); },
                 .bad_row = [&](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }});
  if (!facts) return report(facts.error(), kFailed);
  if (!options.quiet) {
    terminal.clear();
    print("input", facts->train);
    print("validation", facts->valid);
    if (!options.valid.empty())
      std::printf("on both sides: %llu prompts, %llu pairs\n",
                  static_cast<unsigned long long>(facts->shared_prompts),
                  static_cast<unsigned long long>(facts->shared_pairs));
  }
  ExploreReport page{.name = "Preference data", .subtitle = "", .facts = {}, .data = *facts};
  page.facts.emplace_back("files", files_text(options.train));
  if (!options.valid.empty()) page.facts.emplace_back("validation files", files_text(options.valid));
  if (encoder) page.facts.emplace_back("tokens of", encoder->manifest().name);
  if (const Status s = write_file_atomically(options.output, explore_html(page)); !s)
    return report(s.error(), kFailed);
  if (!options.json.empty())
    if (const Status s = write_file_atomically(options.json, facts_json(*facts)); !s)
      return report(s.error(), kFailed);
  const std::uint64_t bad = facts->train.bad + facts->valid.bad;
  return bad == 0 ? kDone : report(invalid(std::to_string(bad) + " rows are bad"), kBadData);
}

}  // namespace

Command explore_command() {
  return command<Options>(
      {.name = "explore",
       .summary = "what is in files of labelled pairs",
       .about =
           "Draws a page about files of labelled pairs: winners, languages, lengths, models, duplicates."},
      run);
}

}  // namespace preferd::training
