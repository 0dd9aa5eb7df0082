#include "training/run/train.h"

#include <filesystem>
#include <thread>

#include "base/atomic_file.h"
#include "base/json.h"
#include "training/config/load.h"
#include "training/events/event_writer.h"
#include "training/model/huggingface.h"
#include "training/run/checkpoint.h"
#include "training/run/facts.h"
#include "training/run/finish.h"
#include "training/run/prepare.h"
#include "training/run/resume.h"

namespace preferd::training {
namespace {

std::string step_line(const StepReport& r, const RunState& state) {
  std::string text;
  JsonWriter json(text);
  json.begin_object()
      .member("step", r.step)
      .member("epoch", r.epoch)
      .member("loss", r.loss)
      .member("lr", r.lr);
  json.member("gradient_norm", r.gradient_norm).member("tokens", state.tokens);
  json.member("tokens_per_second", static_cast<double>(r.tokens) / std::max(r.seconds, 1e-9));
  json.member("seconds", state.seconds).end_object();
  return text;
}

std::string evaluation_line(const ValidationReport& r) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().member("step", r.step).key("validation").begin_object().member("log_loss", r.log_loss);
  json.member("accuracy", r.accuracy).member("rows", r.rows).key("best").boolean(r.best);
  json.end_object().end_object();
  return text;
}

// What process 0 writes while the loop runs.
class Recorder {
 public:
  Recorder(const RunDirectory& run, const Prepared& prepared, TrainableModel& model, AdamW& optimizer,
           RunState& state, const TrainConfig& config, const TrainEvents& events)
      : run_(run),
        prepared_(prepared),
        model_(model),
        optimizer_(optimizer),
        state_(state),
        checkpoints_(run.path("checkpoints"), config.watch.keep),
        events_(events) {}

  Status open() {
    auto metrics = MetricsLog::open(run_.path("metrics.jsonl"), state_.metrics_bytes);
    if (!metrics) return metrics.error();
    metrics_.emplace(std::move(*metrics));
    auto board = EventWriter::create(run_.path("tensorboard"), state_.step == 0 ? 0 : state_.step + 1);
    if (!board) return board.error();
    board_.emplace(std::move(*board));
    return Ok{};
  }

  LoopEvents hooks() {
    return {.stepping = events_.stepping,
            .step = [this](const StepReport& r) { on_step(r); },
            .evaluation = [this](const ValidationReport& r) { return on_evaluation(r); },
            .checkpoint = [this](const RunState&) { return save(); },
            .evaluating =
                [this](double share) {
                  if (events_.progress) events_.progress("evaluating on the validation rows", share);
                }};
  }

  Status save() {
    if (failure_) return *failure_;
    if (const Status s = metrics_->sync(); !s) return s;
    state_.metrics_bytes = metrics_->bytes();
    return checkpoints_.save(state_, optimizer_);
  }

  // Without validation: what the run ends with.
  Status write_last() {
    const Averaged averaged(optimizer_.average());
    return write_best();
  }

 private:
  Status write_best() { return write_package(run_.path("best"), prepared_.form, model_.tensors()); }

  void keep(const Status& s) {
    if (!s && !failure_) failure_ = s.error();
  }

  void on_step(const StepReport& r) {
    keep(metrics_->line(step_line(r, state_)));
    keep(board_->scalar("train/loss", r.step, r.loss));
    keep(board_->scalar("train/lr", r.step, r.lr));
    keep(board_->scalar("train/gradient_norm", r.step, r.gradient_norm));
    keep(board_->scalar("train/tokens_per_second", r.step,
                        static_cast<double>(r.tokens) / std::max(r.seconds, 1e-9)));
    if (events_.step) events_.step(r);
  }

  Status on_evaluation(const ValidationReport& r) {
    keep(metrics_->line(evaluation_line(r)));
    keep(board_->scalar("validation/log_loss", r.step, r.log_loss));
    keep(board_->scalar("validation/accuracy", r.step, r.accuracy));
    if (events_.evaluation) events_.evaluation(r);
    if (failure_) return *failure_;
    return r.best ? write_best() : Status(Ok{});
  }

  const RunDirectory& run_;
  const Prepared& prepared_;
  TrainableModel& model_;
  AdamW& optimizer_;
  RunState& state_;
  Checkpoints checkpoints_;
  const TrainEvents& events_;
  std::optional<MetricsLog> metrics_;
  std::optional<EventWriter> board_;
  std::optional<Error> failure_;
};

Status resume(const RunDirectory& run, const TrainConfig& config, const Prepared& prepared, AdamW& optimizer,
              RunState& state, const TrainEvents& events) {
  const auto folder = Checkpoints(run.path("checkpoints"), 1).newest();
  PREFERD_CHECK(folder.has_value());
  auto found = Checkpoints::load(*folder, optimizer);
  if (!found) return found.error();
  if (found->identity != prepared.identity) return other_rows(run, config, *prepared.data);
  state = *found;
  if (events.note) events.note("continues from " + *folder);
  return Ok{};
}

// An error after the run has started is not the configuration's fault.
Error while_running(Error error) {
  if (error.code == Code::kInvalid && error.param != kDataFault) error.code = Code::kUnavailable;
  return error;
}

class Training {
 public:
  explicit Training(const TrainInputs& in) : in_(in) {}

  Result<TrainResult> run() {
    auto group =
        join_group(in_.rank, in_.config.device == Device::kCuda ? Transport::kNccl : Transport::kGloo);
    if (!group) return group.error();
    auto opened = open_run(**group);
    if (!opened) return opened.error();
    const RunDirectory& run = *opened;
    const bool anew = !Checkpoints(run.path("checkpoints"), 1).newest();
    if (!anew)
      if (const Status s = check_configuration(run, in_.config); !s) return s.error();
    const auto cores = static_cast<std::int64_t>(std::max(1u, std::thread::hardware_concurrency()));
    const int threads = static_cast<int>(in_.config.threads > 0 ? in_.config.threads : cores);
    auto prepared = prepare_rows(run, anew, **group, threads);
    if (!prepared) return prepared.error();
    auto model = TrainableModel::load(prepared->encoder, {.method = in_.config.method,
                                                          .device = in_.config.device,
                                                          .precision = in_.config.precision,
                                                          .threads = threads,
                                                          .device_index = in_.rank.local_rank});
    if (!model) return model.error();
    AdamW optimizer((*model)->parameters(), in_.config.optimizer.adam);
    RunState state;
    if (const Status s = begin(run, anew, *prepared, optimizer, state); !s) return s.error();
    const std::uint64_t space =
        Checkpoints::size_of(optimizer) * static_cast<std::uint64_t>(in_.config.watch.keep + 2);
    if ((*group)->leads())
      if (const Status s = run.need(space); !s) return s.error();

    auto sampler = Sampler::create(prepared->train->tokens(), orders_of(**model), sampler_options(**group));
    if (!sampler) return sampler.error();
    Recorder recorder(run, *prepared, **model, optimizer, state, in_.config, in_.events);
    LoopEvents hooks;
    if ((*group)->leads()) {
      if (const Status s = recorder.open(); !s) return s.error();
      if (anew)
        if (const Status s = recorder.save(); !s) return while_running(s.error());
      hooks = recorder.hooks();
    }
    const LoopInputs inputs{in_.config, **model,          optimizer,
                            *sampler,   *prepared->train, prepared->valid.get(),
                            **group,    in_.interrupted};
    const std::int64_t before = state.step;
    if (const Status s = check_loop(inputs); !s) return s.error();
    const auto ending = run_loop(inputs, state, hooks);
    if (!ending) return while_running(ending.error());
    TrainResult result{*ending, state, {}, {}, std::nullopt, true};
    if (!anew && state.step == before && in_.events.note && (*group)->leads())
      in_.events.note("had finished at step " + std::to_string(before) +
                      ": there is nothing left to train, only the end of the run is repeated");
    if ((*group)->leads())
      if (const Status s = end(run, *prepared, recorder, threads, result); !s) return s.error();
    if (const Status s = (*group)->barrier(); !s) return s.error();
    return result;
  }

 private:
  Result<RunDirectory> open_run(Group& group) {
    if (!group.leads()) {
      if (const Status s = group.barrier(); !s) return s.error();
      return RunDirectory::view(in_.config.output);
    }
    auto run = RunDirectory::open(in_.config.output, in_.begin);
    if (!run) return run.error();
    if (!Checkpoints(run->path("checkpoints"), 1).newest())
      if (const Status s = write_file_atomically(run->path("config.toml"), to_toml(in_.config)); !s)
        return s.error();
    if (const Status s = group.barrier(); !s) return s.error();
    return run;
  }

  Result<Prepared> prepare_rows(const RunDirectory& run, bool anew, Group& group, int threads) const {
    ThreadPool pool(threads);
    auto prepared =
        prepare(in_.config, run, anew ? Begin::kFresh : Begin::kResume, group, pool, prepare_events(group));
    if (!prepared || !group.leads()) return prepared;
    note_data(*prepared);
    if (anew)
      if (const Status s =
              write_file_atomically(run.path("rows.json"), rows_text(in_.config, *prepared->data));
          !s)
        return s.error();
    if (in_.events.progress) in_.events.progress("loading the model", 0);
    return prepared;
  }

  // Where the run stands: at step 0, or at its last checkpoint.
  Status begin(const RunDirectory& run, bool anew, const Prepared& prepared, AdamW& optimizer,
               RunState& state) const {
    state.identity = prepared.identity;
    if (!anew) return resume(run, in_.config, prepared, optimizer, state, in_.events);
    if (in_.begin == Begin::kResume && in_.events.note)
      in_.events.note("no checkpoint yet: starting at step 0");
    return Ok{};
  }

  // Rank 0: writes best/ where nothing was validated, calibrates and reports where something was.
  Status end(const RunDirectory& run, const Prepared& prepared, Recorder& recorder, int threads,
             TrainResult& result) const {
    const bool has_best = std::filesystem::exists(run.path("best/package.json"));
    const bool interrupted = result.ending == Ending::kInterrupted;
    if (!interrupted && !prepared.valid)
      if (const Status s = recorder.write_last(); !s) return while_running(s.error());
    if (has_best || !interrupted) result.best = run.path("best");
    if (in_.config.huggingface && !result.best.empty()) {
      result.huggingface = run.path("huggingface");
      const Status s = write_huggingface(result.best, prepared.form, result.huggingface);
      if (!s) return while_running(s.error());
    }
    if (interrupted || !prepared.valid || !in_.config.watch.finish) return Ok{};
    auto summary = finish(in_, run, prepared, threads);
    if (!summary && summary.error().code != Code::kCancelled) return while_running(summary.error());
    if (summary)
      result.summary = std::move(*summary);
    else
      result.ending = Ending::kInterrupted;
    return Ok{};
  }

  PrepareEvents prepare_events(const Group& group) const {
    PrepareEvents events;
    events.cancelled = [this] { return in_.interrupted.load(); };
    if (!group.leads()) return events;
    events.progress = in_.events.progress;
    events.note = in_.events.note;
    return events;
  }

  void note_data(const Prepared& p) const {
    if (!in_.events.note) return;
    in_.events.note(counts_text(p.data->counts()) + "; " + std::to_string(p.train->size()) +
                    " to train on, " + std::to_string(p.valid ? p.valid->size() : 0) + " to validate");
    if (!p.valid)
      in_.events.note(
          "no validation rows (data.valid or data.valid_share): best/ will hold the last weights, without "
          "calibration, golden pairs and a report");
  }

  static Orders orders_of(const TrainableModel& model) {
    return package::traits(model.output()).scores_each_response() ? Orders::kGiven : Orders::kBoth;
  }

  SamplerOptions sampler_options(const Group& group) const {
    return {.seed = static_cast<std::uint64_t>(in_.config.seed),
            .batch_examples = static_cast<std::size_t>(in_.config.loop.batch_examples),
            .max_tokens = static_cast<std::size_t>(in_.config.loop.batch_tokens),
            .swap = in_.config.loop.swap,
            .ranks = group.size()};
  }

  const TrainInputs& in_;
};

}  // namespace

Result<TrainResult> train(const TrainInputs& in) {
  auto result = Training(in).run();
  if (result || result.error().code != Code::kCancelled) return result;
  TrainResult stopped;
  stopped.ending = Ending::kInterrupted;
  return stopped;
}

}  // namespace preferd::training
