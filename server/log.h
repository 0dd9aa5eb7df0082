// Log lines on standard error: key=value pairs, one event a line, through spdlog. Texts of requests never get
// here; values are quoted and control characters escaped, so that no value can forge a line. Unbuffered, and
// never waits for a reader: lines that find no room are dropped and counted. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/options.h"

namespace spdlog {
class logger;
}

namespace preferd::server {

struct LogField {
  std::string_view key;
  std::variant<std::int64_t, double, std::string_view> value;
};

class Log {
 public:
  explicit Log(LogLevel level);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // 2024-01-31T12:00:00.000Z level=info event=request id="a1" status=200
  void write(LogLevel level, std::string_view event, const std::vector<LogField>& fields = {});
  bool wants(LogLevel level) const { return level >= level_ && level_ != LogLevel::kOff; }

 private:
  const LogLevel level_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace preferd::server
