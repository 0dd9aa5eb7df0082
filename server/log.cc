#include "server/log.h"

#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

namespace preferd::server {
namespace {

constexpr std::size_t kLongestValue = 2000;  // a line must fit into PIPE_BUF

// Standard error, but never waiting for its reader: a pipe that nobody empties must not stop the service.
// poll() promises room for PIPE_BUF bytes, and lines are shorter. What finds no room is dropped and counted.
class PatientSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) {
      ++dropped_;
      return;
    }
    spdlog::memory_buf_t line;
    if (dropped_ > 0)
      fmt::format_to(std::back_inserter(line), "level=warning event=dropped lines={}\n", dropped_);
    dropped_ = 0;
    formatter_->format(message, line);
    [[maybe_unused]] const ssize_t n =
        ::write(STDERR_FILENO, line.data(), std::min<std::size_t>(line.size(), 4096));
  }
  void flush_() override {}

 private:
  std::size_t dropped_ = 0;
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: return spdlog::level::off;
  }
  return spdlog::level::off;
}

void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text.substr(0, kLongestValue)) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append(1, '\\').append(1, c);
    } else if (u < 0x20 || u == 0x7f) {
      out.append("\\x").append(1, kHex[u >> 4]).append(1, kHex[u & 15]);
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

Log::Log(LogLevel level) : level_(level) {
  logger_ = std::make_shared<spdlog::logger>("preferd", std::make_shared<PatientSink>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ level=%l %v",
                                                               spdlog::pattern_time_type::utc);
  logger_->set_formatter(std::move(formatter));
  logger_->set_level(spdlog_level(level));
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view event, const std::vector<LogField>& fields) {
  if (!wants(level)) return;
  std::string line = "event=" + std::string(event);
  for (const auto& field : fields) {
    line.append(1, ' ').append(field.key).append(1, '=');
    if (const auto* text = std::get_if<std::string_view>(&field.value))
      append_quoted(line, *text);
    else if (const auto* whole = std::get_if<std::int64_t>(&field.value))
      line += std::to_string(*whole);
    else
      line += fmt::format("{:.3f}", std::get<double>(field.value));
  }
  logger_->log(spdlog_level(level), "{}", line);
}

}  // namespace preferd::server
