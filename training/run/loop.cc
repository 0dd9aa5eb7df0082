#include "training/run/loop.h"

#include <chrono>
#include <cmath>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "training/model/random.h"
#include "training/run/time_left.h"

namespace preferd::training {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

at::Tensor rows_on(const std::vector<double>& values, std::int64_t rows, const at::TensorOptions& options) {
  return at::tensor(values, at::kDouble).view({rows, -1}).to(options);
}

// The examples of one forward, encoded, with their targets.
struct Loaded {
  std::vector<scorer::Encoded> items;
  std::vector<const scorer::Encoded*> views;
  Targets targets;
  std::int64_t tokens = 0;
};

Result<Loaded> load(const ExampleSet& set, const MicroBatch& samples, const TrainConfig& config,
                    const TrainableModel& model) {
  Loaded out;
  std::vector<double> probability, teacher, weight;
  std::vector<float> embedding;
  const int classes = model.classes();
  for (const Sample& sample : samples) {
    auto item = set.encoded(sample);
    if (!item) return item.error();
    for (const auto& sequence : item->orders.front().sequences)
      out.tokens += static_cast<std::int64_t>(sequence.size());
    out.items.push_back(std::move(*item));
    const Target target = set.target(sample);
    probability.insert(probability.end(), target.begin(), target.begin() + classes);
    weight.push_back(set.weight(sample.example));
    if (config.objective.cosine > 0) {
      const auto states = set.teacher_embedding(sample);
      if (!states) return states.error();
      embedding.insert(embedding.end(), states->begin(), states->end());
    }
    if (!config.objective.needs_teacher_logits()) continue;
    const auto said = set.teacher_logits(sample);
    if (!said)
      return invalid("objective requires a teacher and " + set.place(sample.example) +
                     " has no teacher label, expected one in data.teachers");
    teacher.insert(teacher.end(), said->begin(), said->begin() + classes);
  }
  for (const scorer::Encoded& item : out.items) out.views.push_back(&item);
  const auto rows = static_cast<std::int64_t>(samples.size());
  out.targets.probability = rows_on(probability, rows, model.options());
  out.targets.weight = rows_on(weight, rows, model.options()).view({rows});
  if (!teacher.empty()) out.targets.teacher = rows_on(teacher, rows, model.options());
  if (!embedding.empty())
    out.targets.teacher_embedding =
        at::tensor(embedding, at::kFloat).view({-1, model.width()}).to(model.options());
  return out;
}

// A different number for each forward of a run.
std::uint64_t forward_key(std::int64_t seed, std::int64_t step, int rank, std::size_t forward) {
  return named_stream(
             static_cast<std::uint64_t>(seed),
             "dropout/" + std::to_string(step) + "/" + std::to_string(rank) + "/" + std::to_string(forward))
      .next();
}

class Loop {
 public:
  Loop(const LoopInputs& in, RunState& state, const LoopEvents& events)
      : in_(in), state_(state), events_(events), time_(in.valid == nullptr ? 0 : in.valid->all_tokens()) {
    steps_ = static_cast<std::int64_t>(in.sampler.steps()) * in.config.loop.epochs;
    if (in.config.loop.max_steps > 0) steps_ = std::min(steps_, in.config.loop.max_steps);
  }

  Result<Ending> run() {
    if (in_.config.loop.checkpointing) in_.model.set_checkpointing(ops::TrainingStep::Blocks::kRecomputed);
    if (out_of_patience()) return Ending::kEarly;
    bool stop = false;
    for (;;) {
      if (is_due(state_.step) && state_.evaluated_step != state_.step) {
        const auto done = evaluate();
        if (!done) return done.error();
        if (!*done) return interrupted();
      }
      const bool early = out_of_patience(), last = state_.step >= steps_;
      if (unsaved_ && (stop || early || last || state_.step % in_.config.watch.checkpoint_every == 0))
        if (const Status s = checkpoint(); !s) return s.error();
      if (early) return Ending::kEarly;
      if (last) return Ending::kFinished;
      if (stop) return interrupted();
      const auto asked = step();
      if (!asked) return asked.error();
      stop = *asked;
    }
  }

 private:
  bool out_of_patience() const {
    return in_.config.watch.patience > 0 && state_.evaluations_without_gain >= in_.config.watch.patience;
  }

  Result<Ending> interrupted() {
    if (unsaved_)
      if (const Status s = checkpoint(); !s) return s.error();
    return Ending::kInterrupted;
  }

  std::int64_t steps_an_epoch() const { return static_cast<std::int64_t>(in_.sampler.steps()); }

  // Whether the weights after `step` steps are evaluated.
  bool is_due(std::int64_t step) const {
    if (in_.valid == nullptr || step == 0) return false;
    const std::int64_t every = in_.config.watch.evaluate_every;
    return step == steps_ || step % (every > 0 ? every : steps_an_epoch()) == 0;
  }

  // The number of passes over the validation rows that are still to come, including those at the end.
  double passes_left() const {
    if (in_.valid == nullptr) return 0;
    const std::int64_t every =
        in_.config.watch.evaluate_every > 0 ? in_.config.watch.evaluate_every : steps_an_epoch();
    double passes = static_cast<double>(steps_ / every - state_.step / every);
    if (steps_ % every != 0 && state_.step < steps_) ++passes;
    if (is_due(state_.step) && state_.evaluated_step != state_.step) ++passes;
    if (!in_.config.watch.finish) return passes;
    return passes + (package::traits(in_.model.output()).scores_each_response() ? 1 : 2);
  }

  // True if some process was asked to stop; if it did not complete all of its forwards, the step is dropped
  // together with its gradients.
  Result<bool> step() {
    const auto start = Clock::now();
    const std::int64_t epoch = state_.step / steps_an_epoch(), index = state_.step % steps_an_epoch();
    if (!epoch_ || epoch_number_ != epoch) {
      epoch_.emplace(in_.sampler.epoch(static_cast<std::uint64_t>(epoch)));
      epoch_number_ = epoch;
    }
    const StepPlan plan = epoch_->step(static_cast<std::size_t>(index), in_.group.rank());
    const auto total_weight = step_weight(plan);
    if (!total_weight) return total_weight.error();
    const auto own = forwards(plan, *total_weight);
    if (!own) return own.error();
    const auto shared = exchange(*own);
    if (!shared) return shared.error();
    if (shared->cut > 0) return true;
    if (const Status s = move(*shared); !s) return s.error();
    unsaved_ = true;
    const double seconds = since(start);
    state_.tokens += static_cast<std::int64_t>(shared->tokens);
    state_.seconds += seconds;
    time_.stepped(seconds, static_cast<std::int64_t>(shared->tokens));
    if (in_.group.leads())
      events_.step({.step = state_.step,
                    .steps = steps_,
                    .epoch = static_cast<double>(state_.step) / static_cast<double>(steps_an_epoch()),
                    .loss = shared->loss,
                    .lr = in_.config.optimizer.lr * factor_,
                    .gradient_norm = norm_,
                    .tokens = static_cast<std::int64_t>(shared->tokens),
                    .seconds = seconds,
                    .seconds_left = time_.seconds(steps_ - state_.step, passes_left())});
    return shared->asked > 0;
  }

  // Sums over a step's forwards, later over the processes.
  struct Sums {
    double loss = 0, tokens = 0;
    double asked = 0, cut = 0;  // number of processes that were asked to stop; number that did not complete
                                // all of their forwards
  };

  Result<Sums> forwards(const StepPlan& plan, double total_weight) {
    Sums sums;
    StepProgress progress{state_.step + 1, steps_, 0, 0};
    for (const MicroBatch& batch : plan.micro_batches)
      progress.pairs += static_cast<std::int64_t>(batch.size());
    for (std::size_t i = 0; i < plan.micro_batches.size(); ++i) {
      if (in_.interrupted.load()) {
        sums.cut = 1;
        break;
      }
      if (in_.group.leads() && events_.stepping) events_.stepping(progress);
      auto loaded = load(in_.train, plan.micro_batches[i], in_.config, in_.model);
      if (!loaded) return loaded.error();
      in_.model.set_dropout({in_.config.method == Method::kLora ? in_.config.adapter.dropout : 0,
                             forward_key(in_.config.seed, state_.step, in_.group.rank(), i)});
      const Forward f = in_.model.forward(loaded->views);
      const at::Tensor loss =
          objective(in_.config.objective, f.logits, f.states, loaded->targets, total_weight);
      loss.backward();
      sums.loss += loss.item<double>();
      sums.tokens += static_cast<double>(loaded->tokens);
      progress.done += static_cast<std::int64_t>(plan.micro_batches[i].size());
    }
    if (const Status s = in_.model.encoder().intact(Look::kQuick); !s) return s.error();
    sums.asked = in_.interrupted.load() ? 1 : 0;
    return sums;
  }

  // The optimizer's step, from the gradients of all processes.
  Status move(const Sums& shared) {
    norm_ = in_.optimizer.gradient_norm();
    if (!std::isfinite(shared.loss) || !std::isfinite(norm_))
      return Error{Code::kNonFinite,
                   "step " + std::to_string(state_.step + 1) + ": " +
                       (std::isfinite(shared.loss) ? "a gradient" : "the loss") +
                       " is not finite; a smaller optimizer.lr or a longer warm-up may help",
                   {}};
    if (in_.config.optimizer.clip > 0 && norm_ > in_.config.optimizer.clip)
      in_.optimizer.scale_gradients(in_.config.optimizer.clip / (norm_ + 1e-6));
    factor_ = schedule_factor(in_.config.optimizer.schedule, state_.step, steps_);
    in_.optimizer.step([&](ParameterGroup group) { return rate(group, factor_); });
    ++state_.step;
    return Ok{};
  }

  // The weight of the step's examples, over all processes.
  Result<double> step_weight(const StepPlan& plan) {
    double sum = 0;
    for (const MicroBatch& batch : plan.micro_batches)
      for (const Sample& sample : batch) sum += in_.train.weight(sample.example);
    if (in_.group.size() == 1) return sum;
    at::Tensor shared = at::tensor({sum}, at::kDouble).to(in_.model.options().device());
    if (const Status s = in_.group.sum({&shared, 1}); !s) return s.error();
    return shared.item<double>();
  }

  // Sums over the processes, gradients included.
  Result<Sums> exchange(const Sums& own) {
    if (in_.group.size() == 1) return own;
    std::vector<at::Tensor> all;
    for (const Parameter& p : in_.optimizer.parameters()) {
      at::Tensor t = p.tensor;
      if (!t.grad().defined()) t.mutable_grad() = at::zeros(t.sizes(), t.options());
      all.push_back(t.mutable_grad());
    }
    at::Tensor numbers =
        at::tensor({own.loss, own.tokens, own.asked, own.cut}, at::kDouble).to(in_.model.options().device());
    all.push_back(numbers);
    if (const Status s = in_.group.sum(all); !s) return s.error();
    const at::Tensor host = numbers.cpu();
    const double* n = host.data_ptr<double>();
    return Sums{n[0], n[1], n[2], n[3]};
  }

  Rate rate(ParameterGroup group, double factor) const {
    const OptimizerConfig& o = in_.config.optimizer;
    switch (group) {
      case ParameterGroup::kAdapterA:
      case ParameterGroup::kBase: return {o.lr * factor, o.weight_decay};
      case ParameterGroup::kAdapterB: return {o.lr * o.b_multiplier * factor, o.weight_decay};
      case ParameterGroup::kFeatures: return {o.features_lr * factor, o.weight_decay};
      case ParameterGroup::kHead: return {o.head_lr * factor, o.weight_decay};
    }
    return {};
  }

  // False: asked to stop before all rows were seen.
  Result<bool> evaluate() {
    const auto start = Clock::now();
    const Averaged averaged(in_.optimizer.average());
    const auto found = probabilities_of(in_.model, *in_.valid, in_.config.loop.batch_tokens, in_.group,
                                        in_.interrupted, events_.evaluating);
    if (!found && found.error().code == Code::kCancelled) return false;
    if (!found) return found.error();
    time_.evaluated(since(start));
    unsaved_ = true;
    ValidationReport report{.step = state_.step, .rows = static_cast<std::int64_t>(found->size())};
    double loss = 0, right = 0, decided = 0, weights = 0;
    for (std::size_t i = 0; i < found->size(); ++i) {
      const Target target = in_.valid->target({static_cast<std::uint32_t>(i), false});
      const std::vector<double>& p = (*found)[i];
      const double weight = in_.valid->weight(static_cast<std::uint32_t>(i));
      weights += weight;
      for (std::size_t c = 0; c < p.size(); ++c) loss -= weight * target[c] * std::log(std::max(p[c], 1e-12));
      const auto best = std::max_element(target.begin(), target.end());
      if (std::count(target.begin(), target.end(), *best) > 1) continue;
      ++decided;
      right += std::max_element(p.begin(), p.end()) - p.begin() == best - target.begin() ? 1 : 0;
    }
    report.log_loss = loss / weights;
    report.accuracy = decided > 0 ? right / decided : 0;
    report.best = report.log_loss < state_.best_log_loss;
    state_.evaluations_without_gain = report.best ? 0 : state_.evaluations_without_gain + 1;
    if (report.best) {
      state_.best_log_loss = report.log_loss;
      state_.best_step = state_.step;
    }
    state_.evaluated_step = state_.step;
    if (!in_.group.leads()) return true;
    if (const Status s = events_.evaluation(report); !s) return s.error();
    return true;
  }

  Status checkpoint() {
    unsaved_ = false;
    return in_.group.leads() ? events_.checkpoint(state_) : Status(Ok{});
  }

  const LoopInputs& in_;
  RunState& state_;
  const LoopEvents& events_;
  std::int64_t steps_ = 0;
  std::optional<Epoch> epoch_;
  std::int64_t epoch_number_ = 0;
  TimeLeft time_;
  double norm_ = 0, factor_ = 0;  // of the last step: gradient norm, factor of the rates
  bool unsaved_ = false;          // whether something has changed since the last checkpoint
};

}  // namespace

Status check_loop(const LoopInputs& in) {
  if (in.config.objective.cosine <= 0) return Ok{};
  const auto found = static_cast<std::int64_t>(in.train.embedding_numbers());
  if (found == 0)
    return invalid(
        "objective.cosine is set and data.teachers is empty, expected files of trainer label --embeddings");
  const bool is_pair = in.model.encoder().manifest().input.layout == text::Layout::kPair;
  if (is_pair && in.config.loop.swap != SwapAugmentation::kNone)
    return invalid(
        "loop.swap is set beside objective.cosine with layout pair: a teacher's embedding belongs only to "
        "the "
        "given order, expected loop.swap none");
  const std::int64_t sequences = is_pair ? 1 : 2;
  if (found == sequences * in.model.width()) return Ok{};
  return invalid("objective.cosine: the teacher's embeddings have " + std::to_string(found) +
                 " numbers per pair, the student's states " + std::to_string(sequences) + " x " +
                 std::to_string(in.model.width()) + "; expected a teacher of the same width and layout");
}

Result<Ending> run_loop(const LoopInputs& in, RunState& state, const LoopEvents& events) {
  return Loop(in, state, events).run();
}

Result<std::vector<std::vector<double>>> probabilities_of(TrainableModel& model, const ExampleSet& set,
                                                          std::int64_t batch_tokens, Group& group,
                                                          const std::atomic<bool>& interrupted,
                                                          const std::function<void(double)>& progress) {
  const at::NoGradGuard no_grad;
  const auto classes = static_cast<std::int64_t>(model.classes());
  at::Tensor all = at::zeros({static_cast<std::int64_t>(set.size()), classes}, at::kDouble);
  const auto batches = evaluation_batches(set.tokens(), static_cast<std::size_t>(batch_tokens));
  for (auto i = static_cast<std::size_t>(group.rank()); i < batches.size();
       i += static_cast<std::size_t>(group.size())) {
    if (interrupted.load()) break;
    std::vector<scorer::Encoded> items;
    std::vector<const scorer::Encoded*> views;
    for (const Sample& sample : batches[i]) {
      auto item = set.encoded(sample);
      if (!item) return item.error();
      items.push_back(std::move(*item));
    }
    for (const scorer::Encoded& item : items) views.push_back(&item);
    const at::Tensor found = at::softmax(model.forward(views).logits.to(at::kDouble), 1).cpu();
    for (std::size_t j = 0; j < batches[i].size(); ++j)
      all[static_cast<std::int64_t>(batches[i][j].example)].copy_(found[static_cast<std::int64_t>(j)]);
    if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(batches.size()));
  }
  if (const Status s = model.encoder().intact(Look::kQuick); !s) return s.error();
  at::Tensor shared[2] = {
      all.to(model.options().device()),
      at::tensor({interrupted.load() ? 1.0 : 0.0}, at::kDouble).to(model.options().device())};
  if (const Status s = group.sum(shared); !s) return s.error();
  if (shared[1].item<double>() > 0) return Error{Code::kCancelled, "evaluation: interrupted", {}};
  all = shared[0].cpu().contiguous();
  std::vector<std::vector<double>> out;
  for (std::int64_t row = 0; row < all.size(0); ++row) {
    const double* p = all.data_ptr<double>() + row * classes;
    out.emplace_back(p, p + classes);
  }
  return out;
}

}  // namespace preferd::training
