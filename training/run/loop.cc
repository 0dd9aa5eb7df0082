#include "training/run/loop.h"

#include <chrono>
#include <cmath>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "training/model/random.h"

namespace preferd::training {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

at::Tensor rows_on(const std::vector<double>& values, std::int64_t rows, const at::TensorOptions& options) {
  return at::tensor(values, at::kDouble).view({rows, -1}).to(options);
}

// One forward's examples, encoded, with their targets.
struct Loaded {
  std::vector<Encoded> items;
  std::vector<const Encoded*> views;
  Targets targets;
  std::int64_t tokens = 0;
};

Result<Loaded> load(const ExampleSet& set, const MicroBatch& samples, const TrainConfig& config,
                    const LiveModel& model) {
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
      return invalid("objective asks for a teacher and " + set.place(sample.example) +
                     " has no teacher's label, expected one in data.teachers");
    teacher.insert(teacher.end(), said->begin(), said->begin() + classes);
  }
  for (const Encoded& item : out.items) out.views.push_back(&item);
  const auto rows = static_cast<std::int64_t>(samples.size());
  out.targets.probability = rows_on(probability, rows, model.options());
  out.targets.weight = rows_on(weight, rows, model.options()).view({rows});
  if (!teacher.empty()) out.targets.teacher = rows_on(teacher, rows, model.options());
  if (!embedding.empty())
    out.targets.teacher_embedding =
        at::tensor(embedding, at::kFloat).view({-1, model.width()}).to(model.options());
  return out;
}

// A number of its own for each forward of a run.
std::uint64_t forward_key(std::int64_t seed, std::int64_t step, int rank, std::size_t forward) {
  return named_stream(
             static_cast<std::uint64_t>(seed),
             "dropout/" + std::to_string(step) + "/" + std::to_string(rank) + "/" + std::to_string(forward))
      .next();
}

class Loop {
 public:
  Loop(const LoopInputs& in, RunState& state, const LoopEvents& events)
      : in_(in), state_(state), events_(events) {
    steps_ = static_cast<std::int64_t>(in.sampler.steps()) * in.config.loop.epochs;
    if (in.config.loop.max_steps > 0) steps_ = std::min(steps_, in.config.loop.max_steps);
  }

  Result<Ending> run() {
    if (in_.config.loop.checkpointing) in_.model.set_checkpointing(TrainingStep::Blocks::kRecomputed);
    const std::int64_t per_epoch = static_cast<std::int64_t>(in_.sampler.steps());
    if (out_of_patience()) return Ending::kEarly;
    while (state_.step < steps_) {
      const auto stop = step(state_.step / per_epoch, state_.step % per_epoch);
      if (!stop) return stop.error();
      const bool ends_epoch = state_.step % per_epoch == 0 || state_.step == steps_;
      const std::int64_t every = in_.config.watch.evaluate_every;
      if (in_.valid != nullptr &&
          (every > 0 ? state_.step % every == 0 || state_.step == steps_ : ends_epoch)) {
        if (const Status s = evaluate(); !s) return s.error();
        if (out_of_patience()) {
          if (const Status s = checkpoint(); !s) return s.error();
          return Ending::kEarly;
        }
      }
      if (*stop || state_.step == steps_ || state_.step % in_.config.watch.checkpoint_every == 0)
        if (const Status s = checkpoint(); !s) return s.error();
      if (*stop && state_.step < steps_) return Ending::kInterrupted;
    }
    return Ending::kFinished;
  }

 private:
  bool out_of_patience() const {
    return in_.config.watch.patience > 0 && state_.evaluations_without_gain >= in_.config.watch.patience;
  }

  // True when some process was asked to end.
  Result<bool> step(std::int64_t epoch, std::int64_t index) {
    const auto start = Clock::now();
    if (!epoch_ || epoch_number_ != epoch) {
      epoch_.emplace(in_.sampler.epoch(static_cast<std::uint64_t>(epoch)));
      epoch_number_ = epoch;
    }
    const StepPlan plan = epoch_->step(static_cast<std::size_t>(index), in_.group.rank());
    const auto total_weight = step_weight(plan);
    if (!total_weight) return total_weight.error();
    double loss_sum = 0;
    std::int64_t tokens = 0;
    for (std::size_t i = 0; i < plan.micro_batches.size(); ++i) {
      auto loaded = load(in_.train, plan.micro_batches[i], in_.config, in_.model);
      if (!loaded) return loaded.error();
      in_.model.set_dropout({in_.config.method == Method::kLora ? in_.config.adapter.dropout : 0,
                             forward_key(in_.config.seed, state_.step, in_.group.rank(), i)});
      const Forward f = in_.model.forward(loaded->views);
      const at::Tensor loss =
          objective(in_.config.objective, f.logits, f.states, loaded->targets, *total_weight);
      loss.backward();
      loss_sum += loss.item<double>();
      tokens += loaded->tokens;
    }
    if (const Status s = in_.model.encoder().intact(Look::kQuick); !s) return s.error();
    const auto shared = exchange(loss_sum, tokens);
    if (!shared) return shared.error();
    const double norm = in_.optimizer.gradient_norm();
    if (!std::isfinite(shared->loss) || !std::isfinite(norm))
      return Error{Code::kNonFinite,
                   "step " + std::to_string(state_.step + 1) + ": " +
                       (std::isfinite(shared->loss) ? "a gradient" : "the loss") +
                       " is not finite; a smaller optimizer.lr or a longer warm-up may help",
                   {}};
    if (in_.config.optimizer.clip > 0 && norm > in_.config.optimizer.clip)
      in_.optimizer.scale_gradients(in_.config.optimizer.clip / (norm + 1e-6));
    const double factor = schedule_factor(in_.config.optimizer.schedule, state_.step, steps_);
    in_.optimizer.step([&](ParameterGroup group) { return rate(group, factor); });
    ++state_.step;
    state_.tokens += shared->tokens;
    const double seconds = since(start);
    state_.seconds += seconds;
    if (in_.group.leads())
      events_.step({.step = state_.step,
                    .steps = steps_,
                    .epoch = static_cast<double>(state_.step) /
                             static_cast<double>(static_cast<std::int64_t>(in_.sampler.steps())),
                    .loss = shared->loss,
                    .lr = in_.config.optimizer.lr * factor,
                    .gradient_norm = norm,
                    .tokens = shared->tokens,
                    .seconds = seconds});
    return shared->stop;
  }

  // Of the step's examples, over all processes.
  Result<double> step_weight(const StepPlan& plan) {
    double sum = 0;
    for (const MicroBatch& batch : plan.micro_batches)
      for (const Sample& sample : batch) sum += in_.train.weight(sample.example);
    if (in_.group.size() == 1) return sum;
    at::Tensor shared = at::tensor({sum}, at::kDouble).to(in_.model.options().device());
    if (const Status s = in_.group.sum({&shared, 1}); !s) return s.error();
    return shared.item<double>();
  }

  struct Shared {
    double loss;
    std::int64_t tokens;
    bool stop;
  };

  // Sums gradients, loss and tokens over the processes; one asked to end ends all.
  Result<Shared> exchange(double loss, std::int64_t tokens) {
    const bool asked = in_.interrupted.load();
    if (in_.group.size() == 1) return Shared{loss, tokens, asked};
    std::vector<at::Tensor> all;
    for (const Parameter& p : in_.optimizer.parameters()) {
      at::Tensor t = p.tensor;
      if (!t.grad().defined()) t.mutable_grad() = at::zeros(t.sizes(), t.options());
      all.push_back(t.mutable_grad());
    }
    at::Tensor numbers = at::tensor({loss, static_cast<double>(tokens), asked ? 1.0 : 0.0}, at::kDouble)
                             .to(in_.model.options().device());
    all.push_back(numbers);
    if (const Status s = in_.group.sum(all); !s) return s.error();
    const at::Tensor host = numbers.cpu();
    const double* n = host.data_ptr<double>();
    return Shared{n[0], static_cast<std::int64_t>(n[1]), n[2] > 0};
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

  Status evaluate() {
    const auto found = live_probabilities(in_.model, *in_.valid, in_.config.loop.batch_tokens, in_.group,
                                          events_.evaluating);
    if (!found) return found.error();
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
    return in_.group.leads() ? events_.evaluation(report) : Status(Ok{});
  }

  Status checkpoint() { return in_.group.leads() ? events_.checkpoint(state_) : Status(Ok{}); }

  const LoopInputs& in_;
  RunState& state_;
  const LoopEvents& events_;
  std::int64_t steps_ = 0;
  std::optional<Epoch> epoch_;
  std::int64_t epoch_number_ = 0;
};

}  // namespace

Status check_loop(const LoopInputs& in) {
  if (in.config.objective.cosine <= 0) return Ok{};
  const auto found = static_cast<std::int64_t>(in.train.embedding_numbers());
  if (found == 0)
    return invalid(
        "objective.cosine is set and data.teachers is empty, expected files of trainer label --embeddings");
  const bool is_pair = in.model.encoder().manifest().input.layout == Layout::kPair;
  if (is_pair && in.config.loop.swap != SwapAugmentation::kNone)
    return invalid(
        "loop.swap is set beside objective.cosine with layout pair: a teacher's embedding is of the given "
        "order "
        "alone, expected loop.swap none");
  const std::int64_t sequences = is_pair ? 1 : 2;
  if (found == sequences * in.model.width()) return Ok{};
  return invalid("objective.cosine: the teacher's embeddings have " + std::to_string(found) +
                 " numbers a pair, the student's states " + std::to_string(sequences) + " x " +
                 std::to_string(in.model.width()) + "; expected a teacher of the same width and layout");
}

Result<Ending> run_loop(const LoopInputs& in, RunState& state, const LoopEvents& events) {
  return Loop(in, state, events).run();
}

Result<std::vector<std::vector<double>>> live_probabilities(LiveModel& model, const ExampleSet& set,
                                                            std::int64_t batch_tokens, Group& group,
                                                            const std::function<void(double)>& progress) {
  const at::NoGradGuard no_grad;
  const auto classes = static_cast<std::int64_t>(model.classes());
  at::Tensor all = at::zeros({static_cast<std::int64_t>(set.size()), classes}, at::kDouble);
  const auto batches = evaluation_batches(set.tokens(), static_cast<std::size_t>(batch_tokens));
  for (auto i = static_cast<std::size_t>(group.rank()); i < batches.size();
       i += static_cast<std::size_t>(group.size())) {
    std::vector<Encoded> items;
    std::vector<const Encoded*> views;
    for (const Sample& sample : batches[i]) {
      auto item = set.encoded(sample);
      if (!item) return item.error();
      items.push_back(std::move(*item));
    }
    for (const Encoded& item : items) views.push_back(&item);
    const at::Tensor found = at::softmax(model.forward(views).logits.to(at::kDouble), 1).cpu();
    for (std::size_t j = 0; j < batches[i].size(); ++j)
      all[static_cast<std::int64_t>(batches[i][j].example)].copy_(found[static_cast<std::int64_t>(j)]);
    if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(batches.size()));
  }
  if (const Status s = model.encoder().intact(Look::kQuick); !s) return s.error();
  at::Tensor shared = all.to(model.options().device());
  if (const Status s = group.sum({&shared, 1}); !s) return s.error();
  all = shared.cpu().contiguous();
  std::vector<std::vector<double>> out;
  for (std::int64_t row = 0; row < all.size(0); ++row) {
    const double* p = all.data_ptr<double>() + row * classes;
    out.emplace_back(p, p + classes);
  }
  return out;
}

}  // namespace preferd::training
