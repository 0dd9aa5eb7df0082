// What `preferd serve` can be told, and its declaration. The cli room adds its own (--package).
#pragma once

#include <cstdint>
#include <string>

#include "base/schema.h"
#include "base/words.h"

namespace preferd::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
constexpr auto words(LogLevel) {
  return word_list<LogLevel>({{"debug", LogLevel::kDebug},
                              {"info", LogLevel::kInfo},
                              {"warning", LogLevel::kWarning},
                              {"error", LogLevel::kError},
                              {"off", LogLevel::kOff}});
}

struct ServeOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                 // 0: any free one, written to the log
  std::string api_key, admin_key;  // a value, @FILE, or empty for none
  bool insecure = false;           // may bind beyond loopback without a key

  std::int64_t max_body_bytes = 4 << 20;         // POST /predict, after inflation
  std::int64_t max_batch_body_bytes = 16 << 20;  // POST /batch, after inflation
  std::int64_t max_held_bytes = 256 << 20;       // bodies held at one time
  std::int64_t max_encoding_bytes = 256 << 20;   // claimed at one time to encode long texts
  std::int64_t max_items = 1024;                 // in one /batch
  std::int64_t max_connections = 8192;           // lowered to what the file descriptor limit allows
  std::int64_t max_workers = 1024;               // threads that answer POSTs; made when needed

  std::int64_t head_timeout_ms = 15'000;   // from the first byte of a head to its last
  std::int64_t body_timeout_ms = 20'000;   // from the end of the head to the last byte of the body
  std::int64_t idle_timeout_ms = 75'000;   // between requests
  std::int64_t write_timeout_ms = 20'000;  // of a reply, without progress

  std::int64_t batch_tokens = 8192;            // packed into one forward
  std::int64_t batch_ms = 240;                 // that a forward takes, as measured; 0: as long as it takes
  std::int64_t linger_us = 1000;               // how long a busy model waits for a fuller batch
  std::int64_t queue_tokens = 262'144;         // waiting from /predict
  std::int64_t bulk_queue_tokens = 1'048'576;  // waiting from /batch
  std::int64_t max_wait_ms = 10'000;           // until the turn of a pair of /predict
  std::int64_t bulk_max_wait_ms = 60'000;      // of a /batch
  std::int64_t rank_pairs = 256;               // of a /rank, where both responses are read at once
  std::int64_t timeout_ms = 60'000;            // for requests that name none
  std::int64_t stuck_ms = 60'000;              // the least age of a batch that counts as stuck
  std::int64_t drain_ms = 30'000;              // after SIGTERM
  LogLevel log_level = LogLevel::kInfo;
};

void describe(Schema& schema, ServeOptions& options);

// What no single field shows: a port open to others without a key. For exit code 2.
Status check(const ServeOptions& options);

}  // namespace preferd::server
