// preferd adopt: a published reward model, or an adapter with its head, becomes a package.
#include "model/convert/adopt.h"

#include <cstdio>

#include "cli/common.h"
#include "model/convert/adopt_check.h"

namespace preferd::cli {
namespace {

struct Options {
  convert::AdoptOptions adopt;
  std::string output, input_template, check;
  std::vector<std::string> tokens;
  double tolerance = 0.05;
  int threads = 0;
  bool copy = false, normalize = false, quiet = false;
};

void describe(Schema& s, Options& o) {
  s.text("directory", o.adopt.directory, "model directory as on Hugging Face, or a PEFT adapter's",
         {.required = true, .positional = true});
  s.text("output", o.output, "directory to make; must be absent or empty", {.required = true});
  s.text("base", o.adopt.base, "of an adapter: the model that it adapts; without it the one that it names");
  s.text("name", o.adopt.name, "the package's name; without it the directory's last part");
  s.text(
      "template", o.input_template,
      "FILE with a chat template, or with text around {prompt} and {response} or {prompt}, {response_a} and "
      "{response_b}; without it the model's own chat template");
  s.text("date", o.adopt.date, "what the chat template is told that today is; without it 2024-07-26");
  s.integer("max-tokens", o.adopt.max_tokens, 0, 1 << 20,
            "limit of a sequence; 0 is the model's, at most 32768");
  s.texts("token", o.tokens,
          "no head: the reward is the logit of this token behind the text, or of two, as yes,no, their "
          "difference");
  s.toggle("normalize-reward", o.normalize, "apply the mean and std of an OpenRLHF config.json");
  s.text("check", o.check, "rows with reward_a and reward_b, or reward, to compare with");
  s.real("tolerance", o.tolerance, 0.0, 1e6, "of check: largest difference of a reward");
  s.toggle("copy", o.copy, "copy the base into the package instead of referring to it");
  s.integer("threads", o.threads, 0, 1024, "threads that compute for check; 0 is one a core");
  s.toggle("quiet", o.quiet, "print no notes");
}

// Scores the rows with what was adopted. Returns the exit code.
int check(const Options& o, const std::shared_ptr<const Files>& package) {
  const auto done = convert::check_rewards(package, o.check, o.tolerance, thread_count(o.threads));
  if (!done) return report(done.error(), kFailed);
  std::fputs(done->table.c_str(), stdout);
  if (done->off == 0) return kDone;
  return report(invalid(o.check + ": " + std::to_string(done->off) + " of " + std::to_string(done->compared) +
                        " rewards differ by more than the tolerance, so nothing is written"),
                kFailed);
}

int adopt(Options& o, const Loaded&) {
  if (!o.input_template.empty()) {
    auto text = text_of("--template", "@" + o.input_template);
    if (!text) return report(text.error(), kBadUsage);
    if (text->ends_with('\n')) text->pop_back();
    o.adopt.input_template = std::move(*text);
  }
  o.adopt.tokens = words_of(o.tokens);
  if (o.normalize) o.adopt.scale = convert::RewardScale::kNormalized;
  auto folder = AtomicFolder::create_new(o.output);
  if (!folder) return report(folder.error(), kFailed);
  const auto adopted = convert::adopt(o.adopt);
  if (!adopted) return report(adopted.error(), kFailed);
  const auto package = convert::adopted_files(*adopted);
  if (!package) return report(package.error(), kFailed);
  const auto more = convert::check_adopted(*package);
  if (!more) return report(more.error(), kFailed);
  if (!o.quiet)
    for (const auto* notes : {&adopted->notes, &*more})
      for (const std::string& note : *notes) std::printf("note: %s\n", note.c_str());
  if (!o.check.empty())
    if (const int code = check(o, *package); code != kDone) return code;
  const auto base = o.copy ? convert::AdoptedBase::kCopied : convert::AdoptedBase::kReferred;
  if (const Status s = convert::write_adopted(*adopted, base, *folder); !s) return report(s.error(), kFailed);
  if (const Status s = folder->commit(); !s) return report(s.error(), kFailed);
  if (!o.quiet) std::printf("next: preferd serve --package %s\n", o.output.c_str());
  return kDone;
}

}  // namespace

Command adopt_command() {
  return command<Options>(
      {.name = "adopt",
       .summary = "make a package of a published reward model, or of an adapter with its head",
       .about = "Makes a package of a directory as Hugging Face's tools write it: a model with a reward head "
                "among its own\nweights, or a PEFT adapter with its head. The base stays where it is unless "
                "--copy. For each thing that has misled\npeople a line is printed that says how it was "
                "settled:\n\n  preferd adopt Skywork-Reward-V2-Qwen3-0.6B --output my-judge"},
      adopt);
}

}  // namespace preferd::cli
