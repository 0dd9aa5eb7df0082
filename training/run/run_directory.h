// A run's folder:
//
//   config.toml        the configuration, every key resolved
//   start/             the package that it began with
//   metrics.jsonl      one line for each step and each evaluation
//   tensorboard/       the same for TensorBoard
//   checkpoints/       step-NNNNNNNN, the newest few
//   best/              the package to serve
//   huggingface/       the same for transformers and PEFT, if asked for
//   evaluation.json, predictions.jsonl, report.html
//   work/              rows and tokens, can be deleted
//
// One run at a time: a lock is held while the object lives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace preferd::training {

enum class Begin { kFresh, kResume };

class RunDirectory {
 public:
  // Errors: the folder cannot be made or written; another process works in it; kFresh if a run has left
  // checkpoints or a package (one that ended before either has nothing to lose); kResume if there is no run.
  static Result<RunDirectory> open(const std::string& path, Begin begin);
  // For processes other than the first: takes no lock.
  static RunDirectory view(const std::string& path) { return RunDirectory(path, -1); }
  ~RunDirectory();
  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(RunDirectory&&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }

  // Errors: fewer than `bytes` bytes are free on its disk.
  Status need(std::uint64_t bytes) const;

 private:
  RunDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_ = -1;
};

// metrics.jsonl: complete lines, each of which is in the file when the call returns.
class MetricsLog {
 public:
  // Everything beyond `keep` bytes is cut off: a resumed run writes these lines again.
  static Result<MetricsLog> open(const std::string& path, std::uint64_t keep);
  ~MetricsLog();
  MetricsLog(MetricsLog&& other) noexcept;
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(MetricsLog&&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  Status line(std::string_view json);
  // Makes what was written durable on the disk.
  Status sync();
  std::uint64_t bytes() const { return bytes_; }

 private:
  MetricsLog(std::string path, int file, std::uint64_t bytes)
      : path_(std::move(path)), file_(file), bytes_(bytes) {}

  std::string path_;
  int file_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace preferd::training
