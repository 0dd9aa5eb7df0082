#include "server/serve.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

#include "server/api/service.h"
#include "server/http/event_loop.h"
#include "server/signals.h"
#include "server/systemd.h"
#include "server/version.h"

namespace preferd::server {
namespace {

using std::chrono::milliseconds;

// Requests that were sent before the signal may still be in sockets: this long after it work is taken as
// before.
constexpr milliseconds kGrace{300};
constexpr milliseconds kTick{20};
constexpr milliseconds kPackageCheck{250};  // of the files; /readyz must report a change within a second
constexpr milliseconds kSecond{1000};
constexpr milliseconds kLastReplies{1000};

void print_error(const Error& error) { std::fprintf(stderr, "preferd serve: %s\n", error.what.c_str()); }

EventLoopOptions event_loop_options(const ServeOptions& o, Fd passed) {
  constexpr std::size_t kOwnFiles = 256;  // the packages' among them
  const std::size_t files = raise_file_limit();
  const auto most = std::max<std::size_t>(files, kOwnFiles + 64) - kOwnFiles;
  return {.host = o.host,
          .port = o.port,
          .passed = passed.release(),
          .max_connections = std::min(static_cast<std::size_t>(o.max_connections), most),
          .max_workers = static_cast<std::size_t>(o.max_workers),
          .max_held_bytes = static_cast<std::size_t>(o.max_held_bytes),
          .head_timeout = milliseconds(o.head_timeout_ms),
          .body_timeout = milliseconds(o.body_timeout_ms),
          .idle_timeout = milliseconds(o.idle_timeout_ms),
          .write_timeout = milliseconds(o.write_timeout_ms)};
}

// glibc keeps what threads freed: few arenas, blocks of 8 MiB and above from the system and back to it, and a
// trim after loading, and after large bodies or long texts in the next quiet second or else within some seconds,
// keep the resident size near what is in use.
void limit_arenas() {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 8);
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
#endif
}

void trim() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

class Trimmer {
 public:
  void tick(EventLoop& loop, Service& service) {
    constexpr std::size_t kLarge = 16 << 20;
    constexpr int kBusyTicks = 5;
    const bool large = std::max(loop.take_peak_bytes(), service.take_encoding_peak()) > kLarge;
    if (large && left_ == 0) left_ = kBusyTicks;
    if (left_ == 0 || (loop.active() > 0 && --left_ > 0)) return;
    left_ = 0;
    trim();
  }

 private:
  int left_ = 0;  // ticks after which memory is trimmed even if requests are being answered; 0: it is not
};

// Loads on a thread of its own, one load at a time.
class Loader {
 public:
  Loader(const Load& load, Service& service, Signals& signals, Log& log)
      : load_(load), service_(service), signals_(signals), log_(log) {}
  ~Loader() { join(); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // How the load ends; nothing where one is under way.
  std::optional<std::future<Status>> start() {
    if (busy_.exchange(true)) return std::nullopt;
    const std::lock_guard lock(starting_);  // a load may have ended before its thread has its place
    join();
    std::promise<Status> ended;
    auto outcome = ended.get_future();
    thread_ = std::thread([this, done = std::move(ended)]() mutable { done.set_value(run()); });
    return outcome;
  }
  bool busy() const { return busy_; }
  const Error& error() const { return error_; }  // of the last load, once kLoadFailed arrived

 private:
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  Result<std::shared_ptr<scorer::Scorer>> guarded_load() const {
    try {
      return load_();
    } catch (const std::exception& e) {
      return Error{Code::kInternal, std::string("loading failed: ") + e.what(), {}};
    }
  }

  Status run() {
    auto scorer = guarded_load();
    const Status outcome = scorer ? Status(Ok{}) : Status(scorer.error());
    if (scorer) {
      const scorer::ScorerInfo& info = (*scorer)->info();
      log_.write(LogLevel::kInfo, "loaded",
                 {{"model", std::string_view(info.name)},
                  {"revision", std::string_view(info.revision)},
                  {"device", std::string_view(info.device)},
                  {"compute", std::string_view(info.compute)},
                  {"residency", std::string_view(info.residency)}});
      if (!info.compute_note.empty())
        log_.write(LogLevel::kWarning, "slower_compute", {{"why", std::string_view(info.compute_note)}});
      service_.publish(*std::move(scorer));
      trim();
    } else {
      error_ = scorer.error();
      service_.metrics().reload("failed");
      log_.write(LogLevel::kError, "load_failed", {{"what", std::string_view(error_.what)}});
    }
    busy_ = false;
    signals_.notify(outcome ? Event::kLoaded : Event::kLoadFailed);
    return outcome;
  }

  const Load& load_;
  Service& service_;
  Signals& signals_;
  Log& log_;
  std::mutex starting_;
  std::thread thread_;  // guarded by starting_
  std::atomic<bool> busy_{false};
  Error error_;
};

// Logs devices that were lost or came back, became slower, or lack memory.
class DeviceWatch {
 public:
  void tick(const Service& service, Log& log) {
    const scorer::Capacity now = service.capacity();
    if (now.all != all_) working_ = -1;  // another model, or the first
    if (now.working < working_ || (!now.lost.empty() && now.lost != lost_))
      log.write(LogLevel::kError, "device_lost",
                {{"working", std::int64_t{now.working}},
                 {"of", std::int64_t{now.all}},
                 {"what", std::string_view(now.lost)}});
    else if (now.working > working_ && working_ >= 0)
      log.write(LogLevel::kWarning, "device_back",
                {{"working", std::int64_t{now.working}}, {"of", std::int64_t{now.all}}});
    working_ = now.working, all_ = now.all;
    lost_ = now.lost;
    if (now.halved > halved_)
      log.write(LogLevel::kWarning, "batch_halved",
                {{"batches", now.halved - halved_}, {"why", "a device has no memory for all of it"}});
    halved_ = now.halved;
    if (!now.note.empty() && now.note != note_)
      log.write(LogLevel::kWarning, "device_slower", {{"what", std::string_view(now.note)}});
    note_ = now.note;
  }

 private:
  int working_ = -1, all_ = 0;
  std::int64_t halved_ = 0;
  std::string lost_, note_;
};

// Logs a batch that is stuck, and its end.
class StuckWatch {
 public:
  // Is one stuck now?
  bool tick(Service& service, Log& log) {
    const auto age = service.queue().stuck_seconds();
    if (age && !stuck_) log.write(LogLevel::kError, "batch_stuck", {{"seconds", *age}});
    if (!age && stuck_) log.write(LogLevel::kWarning, "batch_unstuck");
    stuck_ = age.has_value();
    return stuck_;
  }

 private:
  bool stuck_ = false;
};

// Waits until `done` or the limit; a second stop signal ends the process.
template <class Done>
bool wait_for(Signals& signals, Log& log, milliseconds limit, Done done) {
  const auto end = Clock::now() + limit;
  while (!done()) {
    if (Clock::now() >= end) return false;
    if (signals.wait(kTick) == Event::kStop) {
      log.write(LogLevel::kWarning, "forced");
      std::_Exit(1);
    }
  }
  return true;
}

// Finishes accepted work. False: some was given up, or is stuck in the model.
bool drain(Service& service, EventLoop& loop, Signals& signals, Log& log, milliseconds limit) {
  const auto quiet = [&] { return loop.active() == 0 && service.queue().idle(); };
  service.enter(Phase::kDraining);
  loop.announce_close();
  wait_for(signals, log, std::min(kGrace, limit), [] { return false; });
  service.enter(Phase::kRefusing);
  if (wait_for(signals, log, std::max(limit - kGrace, kTick), quiet)) return true;
  log.write(LogLevel::kWarning, "drain_limit", {{"requests", static_cast<std::int64_t>(loop.active())}});
  service.queue().abandon();
  return wait_for(signals, log, kLastReplies, quiet);
}

}  // namespace

int serve(const ServeOptions& given, const Load& load) {
  ServeOptions options = given;
  auto passed = activated_listener();
  if (!passed) return print_error(passed.error()), 1;
  if (*passed) options.host = address_of(*passed);
  if (const auto fine = check(options); !fine) return print_error(fine.error()), 2;
  const auto keys = Keys::make(options.api_key, options.admin_key);
  if (!keys) return print_error(keys.error()), 2;

  limit_arenas();
  Log log(options.log_level);
  Signals signals;
  Service service(options, std::max(1u, std::thread::hardware_concurrency()));
  const Router router(service.routes(), *keys);
  auto opened =
      EventLoop::open(event_loop_options(options, *std::move(passed)), router, service.metrics(), log);
  if (!opened) return print_error(opened.error()), 1;
  EventLoop& loop = **opened;
  service.set_transport_gauges([&loop](Gauges& gauges) { loop.fill(gauges); });
  log.write(LogLevel::kInfo, "listening",
            {{"host", std::string_view(options.host)},
             {"port", std::int64_t{loop.port()}},
             {"version", std::string_view(kVersion)}});
  if (options.api_key.empty() && options.insecure)
    log.write(LogLevel::kWarning, "open_to_everyone", {{"host", std::string_view(options.host)}});

  Loader loader(load, service, signals, log);
  service.set_reload([&loader] { return loader.start(); });
  std::thread serving([&loop] { loop.run(); });
  const auto finish = [&](int code) {
    loop.stop();
    serving.join();
    log.write(LogLevel::kInfo, "stopped", {{"code", std::int64_t{code}}});
    return code;
  };

  loader.start();
  Trimmer trimmer;
  DeviceWatch devices;
  StuckWatch stuck;
  Watchdog watchdog;
  std::size_t turns = 0;
  auto next_second = Clock::now();
  while (true) {
    const auto event = signals.wait(kPackageCheck);
    if (const auto changed = service.check_package())
      log.write(LogLevel::kError, "package_changed", {{"what", std::string_view(changed->what)}});
    if (event || Clock::now() >= next_second) {
      next_second = Clock::now() + kSecond;
      trimmer.tick(loop, service);
      devices.tick(service, log);
    }
    const bool works = !stuck.tick(service, log);
    if (works && turns != loop.turns()) watchdog.feed();
    turns = loop.turns();
    if (event == Event::kLoaded) notify_supervisor("READY=1");
    if (event == Event::kStop) break;
    if (event == Event::kReload) loader.start();
    if (event == Event::kLoadFailed && service.phase() == Phase::kLoading) {
      if (options.log_level == LogLevel::kOff) print_error(loader.error());
      return finish(1);
    }
  }
  notify_supervisor("STOPPING=1");
  log.write(LogLevel::kInfo, "draining");
  const bool all_answered = drain(service, loop, signals, log, milliseconds(options.drain_ms));
  if (loader.busy() || !all_answered) {
    log.write(LogLevel::kInfo, "stopped", {{"code", std::int64_t{all_answered ? 0 : 1}}});
    std::_Exit(all_answered ? 0 : 1);
  }
  return finish(0);
}

}  // namespace preferd::server
