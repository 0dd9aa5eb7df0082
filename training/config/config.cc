#include "training/config/config.h"

namespace preferd::training {
namespace {

void describe(Schema& f, AdapterConfig& a) {
  f.integer("r", a.r, 1, 1024, "rank of LoRA");
  f.real("alpha", a.alpha, 0, 1e6, "scale is alpha / r");
  f.toggle("rslora", a.rslora, "scale is alpha / sqrt(r) instead");
  f.real("dropout", a.dropout, 0, 0.99, "of what enters A");
  f.texts("targets", a.targets, "ends of the names of the adapted modules");
  f.integer("first_layer", a.first_layer, 0, 4095, "first adapted layer");
  f.integer("last_layer", a.last_layer, -1, 4095, "last adapted layer; -1 is the model's last");
  f.choice("dtype", a.dtype, "of the adapter in the package");
}

void describe(Schema& f, SourceRule& r) {
  f.real("weight", r.weight, 1e-9, 1e9, "of the loss of each of its rows");
  f.choice("ties", r.ties,
           "auto keeps them where the package has three classes and drops them where it has two");
  std::size_t limit = r.limit.value_or(0);
  f.integer("limit", limit, 0, std::size_t{1} << 40, "at most so many rows a split; 0 is all");
  r.limit = limit > 0 ? std::optional(limit) : std::nullopt;
  f.choice("labels", r.labels, "which label is read; teacher: the row has none of its own");
}

void describe(Schema& f, DataOptions& d) {
  f.text("folder", d.folder, "where files with a relative name lie");
  f.texts("train", d.train, "files of pairs: .jsonl, .json, .csv or .tsv, plain, .gz or .zst");
  f.texts("valid", d.valid, "files of pairs that choose the best weights and calibrate them");
  f.real("valid_share", d.valid_share, 0, 0.9, "of the prompts of train, where there are no valid files");
  f.integer("split_seed", d.split_seed, 0, std::uint64_t{1} << 53, "of the share and of limits");
  std::vector<std::pair<std::string, SourceRule>> rules = {{"*", d.other_sources}};
  rules.insert(rules.end(), d.sources.begin(), d.sources.end());
  f.tables(
      "sources", "name", "rule of one source; name * is every other", rules.size(),
      [&](std::size_t count) { rules.resize(count); },
      [&](Schema& s, std::size_t i) {
        s.text("name", rules[i].first, "as the rows' source says");
        describe(s, rules[i].second);
      });
  d.sources.clear();
  for (auto& [name, rule] : rules) (name == "*" ? d.other_sources : d.sources[name]) = rule;
  f.choice("overlap", d.overlap, "a prompt in train and valid");
  f.choice("duplicates", d.duplicates, "rows with the same prompt and the same two responses, in any order");
  f.choice("bad_rows", d.bad_rows, "rows that cannot be read");
  f.choice("invalid_text", d.invalid_text,
           "halves of UTF-16 pairs and bytes that are no UTF-8: bad rows, or U+FFFD");
  f.texts("teachers", d.teachers, "files that trainer label wrote");
}

void describe(Schema& f, OptimizerConfig& o) {
  f.real("lr", o.lr, 0, 10, "peak rate of the adapter (method full: of the base)");
  f.real("b_multiplier", o.b_multiplier, 0, 1000, "rate of LoRA's B over that of A (LoRA+)");
  f.real("head_lr", o.head_lr, 0, 10, "peak rate of the head");
  f.real("features_lr", o.features_lr, 0, 10, "peak rate of the feature projection");
  f.real("weight_decay", o.weight_decay, 0, 10, "decoupled, of every group");
  f.real("beta1", o.adam.beta1, 0, 0.999999, "AdamW");
  f.real("beta2", o.adam.beta2, 0, 0.9999999, "AdamW");
  f.real("eps", o.adam.eps, 1e-16, 1, "AdamW");
  f.choice("schedule", o.schedule.shape, "shape of the rates after warm-up");
  f.real("warmup", o.schedule.warmup, 0, 0.99, "share of the steps with a rising rate");
  f.integer("warmup_steps", o.schedule.warmup_steps, 0, std::int64_t{1} << 40,
            "so many steps with a rising rate instead; 0 is the share");
  f.real("floor", o.schedule.floor, 0, 1, "share of the peak at the end of linear and half a cosine");
  f.real("power", o.schedule.power, 0.01, 100, "of linear: what is left to go, to this power");
  f.real("cycles", o.schedule.cycles, 0, 100, "of the cosine");
  f.real("clip", o.clip, 0, 1e9, "largest norm of all gradients; 0 is off");
  f.real("average", o.adam.average, 0, 0.999999,
         "decay of a running average of the weights, which is evaluated and kept; 0 is off");
}

void describe(Schema& f, ObjectiveWeights& o) {
  f.real("cross_entropy", o.cross_entropy, 0, 1e6,
         "weight of the votes' cross-entropy (BCE for two classes)");
  f.real("distillation", o.distillation, 0, 1e6, "weight of T^2 KL to the teacher's logits");
  f.real("probability_cosine", o.probability_cosine, 0, 1e6,
         "weight of the cosine distance of the probabilities to the teacher's");
  f.real("cosine", o.cosine, 0, 1e6, "weight of the cosine distance to the teacher's embedding");
  f.real("temperature", o.temperature, 0.01, 1000,
         "T: of the distillation, and of both probabilities of probability_cosine");
  f.real("label_smoothing", o.label_smoothing, 0, 0.99, "share of the votes' target spread over all classes");
  f.real("center", o.center, 0, 1e6,
         "weight of (s_a + s_b)^2, of heads that score each response: what both scores share means nothing");
}

void describe(Schema& f, LoopConfig& l) {
  f.integer("epochs", l.epochs, 1, 100000, "passes over the training rows");
  f.integer("max_steps", l.max_steps, 0, std::int64_t{1} << 40, "end after so many steps; 0 is off");
  f.integer("batch_examples", l.batch_examples, 1, 1 << 24, "pairs of one step, over all processes");
  f.integer("batch_tokens", l.batch_tokens, 1, 1 << 26, "tokens of one forward");
  f.choice("swap", l.swap, "which copies of a pair exchange their responses");
  f.toggle("checkpointing", l.checkpointing, "compute blocks twice instead of keeping what backward needs");
}

void describe(Schema& f, WatchConfig& w) {
  f.integer("evaluate_every", w.evaluate_every, 0, std::int64_t{1} << 40, "steps; 0 is after each epoch");
  f.integer("patience", w.patience, 0, 1 << 20, "evaluations without a better log-loss; 0 never stops early");
  f.integer("checkpoint_every", w.checkpoint_every, 1, std::int64_t{1} << 40, "steps");
  f.integer("keep", w.keep, 1, 1 << 20, "checkpoints");
  f.integer("golden", w.golden, 16, 64, "validation pairs recorded in the package to check it at load");
  f.toggle("finish", w.finish,
           "score, calibrate and report at the end; --resume makes up for it, on the same kind of device");
}

}  // namespace

void describe(Schema& f, TrainConfig& c) {
  f.text("output", c.output, "run directory");
  f.text("start", c.start,
         "default (the embedded package), a package or a PEFT directory: its tensors, and what [package] and "
         "[adapter] leave out");
  f.text("base", c.base,
         "model directory: a reward model in its own chat template; what is left out is made for it");
  f.choice("method", c.method, "what is trained: adapter and head, base and head, head alone");
  f.choice("device", c.device, "where training computes");
  f.choice("precision", c.precision, "of the base's arithmetic; bf16 with device cuda only");
  f.integer("threads", c.threads, 0, 1024, "0 is all cores");
  f.integer("seed", c.seed, 0, std::int64_t{1} << 53, "of initial weights, order and dropout");
  f.toggle("copy_base", c.copy_base, "put the base's files into the package");
  f.toggle("huggingface", c.huggingface,
           "write what transformers and PEFT load, too: a sequence classifier with one label");
  f.object("package", c.package,
           "package.json, key for key, without adapter, head.file, golden, calibration");
  f.section("adapter", "LoRA", [&](Schema& s) { describe(s, c.adapter); });
  f.section("data", "rows", [&](Schema& s) { describe(s, c.data); });
  f.section("optimizer", "AdamW", [&](Schema& s) { describe(s, c.optimizer); });
  f.section("objective", "what is minimised", [&](Schema& s) { describe(s, c.objective); });
  f.section("loop", "steps", [&](Schema& s) { describe(s, c.loop); });
  f.section("watch", "evaluation and checkpoints", [&](Schema& s) { describe(s, c.watch); });
}

}  // namespace preferd::training
