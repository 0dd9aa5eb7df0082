// trainer train: a run from its configuration to a package.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string_view>

#include "training/commands/commands.h"
#include "training/commands/terminal.h"
#include "training/config/load.h"
#include "training/run/train.h"

namespace preferd::training {
namespace {

struct Options {
  std::string config, run;
  std::vector<std::string> overrides;
  bool resume = false, print_config = false, quiet = false;
};

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

// As a shell takes it for one word.
std::string word(const std::string& path) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/._-+,=:@").find(c) != std::string_view::npos;
  };
  if (!path.empty() && std::all_of(path.begin(), path.end(), plain)) return path;
  std::string out = "'";
  for (const char c : path) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

void say_interrupted(const TrainResult& result, Terminal& terminal) {
  if (!result.is_saved)
    terminal.note("interrupted before step 1; --resume goes on, or the same command begins again");
  else
    terminal.note("interrupted: saved at step " + std::to_string(result.state.step) + "; --resume goes on");
}

void say_end(const TrainConfig& config, const TrainResult& result, Terminal& terminal) {
  if (result.ending == Ending::kEarly) terminal.note("stopped early: no better log-loss");
  if (const auto& s = result.summary) {
    terminal.note("best/ on " + std::to_string(s->rows) + " validation rows: accuracy " +
                  figure(s->accuracy) + " (the longer response wins: " + figure(s->longer_wins) +
                  "), log-loss " + figure(s->log_loss));
    terminal.note("report: " + s->report);
  } else if (!config.watch.finish) {
    terminal.note(
        "watch.finish is false: best/ is not calibrated, has no golden pairs and no report; "
        "--resume watch.finish=true makes up for it");
  }
  if (result.best.empty()) return;
  const std::string package = word(result.best);
  terminal.note("package: " + result.best);
  if (!result.huggingface.empty()) terminal.note("for transformers and PEFT: " + result.huggingface);
  terminal.note("next: preferd inspect --package " + package + " --verify");
  terminal.note("      trainer evaluate --package " + package + " --input ROWS.jsonl");
  terminal.note("      preferd serve --package " + package);
}

int train_as_told(const TrainConfig& config, const Options& options) {
  const auto self = find_rank(environment());
  if (!self) return report(self.error(), kBadUsage);
  Terminal terminal(options.quiet || self->rank > 0 ? Verbosity::kQuiet : Verbosity::kNormal);
  terminal.progress("preparing", 0);
  const TrainInputs inputs{
      .config = config,
      .begin = options.resume ? Begin::kResume : Begin::kFresh,
      .rank = *self,
      .interrupted = watch_for_interrupts(self->rank > 0 ? Answer::kSilent : Answer::kSaid),
      .events = {.note = [&](const std::string& line) { terminal.note(line); },
                 .progress = [&](const std::string& phase, double share) { terminal.progress(phase, share); },
                 .stepping = [&](const StepProgress& p) { terminal.stepping(p); },
                 .step = [&](const StepReport& r) { terminal.step(r); },
                 .evaluation =
                     [&](const ValidationReport& r) {
                       terminal.note("step " + std::to_string(r.step) + ": validation log-loss " +
                                     figure(r.log_loss) + ", accuracy " + figure(r.accuracy) +
                                     (r.best ? ", the best so far" : ""));
                     }}};
  const auto result = train(inputs);
  terminal.clear();
  if (!result) return report(result.error(), result.error().code == Code::kInvalid ? kBadUsage : kFailed);
  if (result->ending == Ending::kInterrupted) {
    say_interrupted(*result, terminal);
    return kStopped;
  }
  say_end(config, *result, terminal);
  return kDone;
}

void describe(Schema& s, Options& o) {
  s.text("config", o.config,
         "TOML file: [defaults], [runs.NAME]; not needed where base=DIR and data=FILE say enough",
         {.flag_only = true});
  s.text("run", o.run, "which of the file's runs");
  s.toggle("resume", o.resume, "go on with the run in the output folder, from its last checkpoint");
  s.toggle("print-config", o.print_config, "print every value and where it came from, then exit",
           {.flag_only = true});
  s.toggle("quiet", o.quiet, "errors only");
  s.texts("KEY=VALUE", o.overrides, "keys set from here: optimizer.lr=1e-4", {.positional = true});
}

int run(const Options& options, const Loaded&) {
  if (options.config.empty() && options.overrides.empty())
    return report(invalid("there is nothing to train, expected --config FILE, or base=DIR data=FILE"),
                  kBadUsage);
  if (options.print_config) {
    const auto text = config_with_origins(options.config, options.run, options.overrides);
    if (!text) return report(text.error(), kBadUsage);
    std::fputs(text->c_str(), stdout);
    return kDone;
  }
  const auto config = load_config(options.config, options.run, options.overrides);
  if (!config) return report(config.error(), kBadUsage);
  return train_as_told(*config, options);
}

}  // namespace

Command train_command() {
  return command<Options>(
      {.name = "train",
       .summary = "from human votes to a package",
       .about =
           "Trains an adapter and a head on human votes and writes a package that preferd serves. Without a "
           "configuration,\na reward model in a model's own chat template:\n\n"
           "  trainer train base=Qwen2.5-0.5B-Instruct data=votes.jsonl",
       .config = Usage::ConfigFile::kOwn,
       .footer = [] { return "Keys of the configuration, with their defaults:\n\n" + config_help(); }},
      run);
}

}  // namespace preferd::training
