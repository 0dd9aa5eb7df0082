#include "server/options.h"

namespace preferd::server {
namespace {
constexpr std::int64_t kMillion = 1'000'000, kHour = 3'600'000;
constexpr std::int64_t kGiB = std::int64_t{1} << 30;
}  // namespace

void describe(Schema& s, ServeOptions& o) {
  s.text("host", o.host, "address to listen on; beyond loopback a key is needed");
  s.integer("port", o.port, 0, 65535, "TCP port to listen on; 0 takes any free one");
  s.text("api-key", o.api_key, "key that clients send as 'Authorization: Bearer KEY', or @FILE",
         {.secret = true});
  s.text("admin-key", o.admin_key, "key for POST /admin/reload, good for all other routes too, or @FILE",
         {.secret = true});
  s.toggle("insecure", o.insecure, "listen beyond loopback without a key");

  s.integer("max-body-bytes", o.max_body_bytes, 1, kGiB, "largest body of /predict, inflated");
  s.integer("max-batch-body-bytes", o.max_batch_body_bytes, 1, kGiB, "largest body of /batch, inflated");
  s.integer("max-held-bytes", o.max_held_bytes, 1 << 16, 64 * kGiB, "bytes of bodies held at one time");
  s.integer("max-encoding-bytes", o.max_encoding_bytes, 1 << 16, 64 * kGiB,
            "bytes of memory that the encoding of long texts takes at one time");
  s.integer("max-items", o.max_items, 1, kMillion, "most items in one /batch");
  s.integer("max-connections", o.max_connections, 1, kMillion, "most connections at one time");
  s.integer("max-workers", o.max_workers, 1, 65536, "most threads that answer POST requests");

  s.integer("head-timeout-ms", o.head_timeout_ms, 1, kHour, "milliseconds for a request's head to arrive");
  s.integer("body-timeout-ms", o.body_timeout_ms, 1, kHour, "milliseconds for a request's body to arrive");
  s.integer("idle-timeout-ms", o.idle_timeout_ms, 1, kHour, "milliseconds that an idle connection is kept");
  s.integer("write-timeout-ms", o.write_timeout_ms, 1, kHour,
            "milliseconds that a reply waits for a client that does not read");

  s.integer("batch-tokens", o.batch_tokens, 1, 16 * kMillion, "most tokens packed into one forward pass");
  s.integer("batch-ms", o.batch_ms, 0, kHour,
            "milliseconds that a forward pass may take; 0 packs --batch-tokens whatever time they take");
  s.integer("linger-us", o.linger_us, 0, kMillion, "microseconds that a busy model waits for a fuller batch");
  s.integer("queue-tokens", o.queue_tokens, 1, 1000 * kMillion, "most tokens waiting from /predict");
  s.integer("bulk-queue-tokens", o.bulk_queue_tokens, 1, 1000 * kMillion, "most tokens waiting from /batch");
  s.integer("max-wait-ms", o.max_wait_ms, 1, kHour,
            "milliseconds that a new pair of /predict may have to wait for its turn");
  s.integer("bulk-max-wait-ms", o.bulk_max_wait_ms, 1, kHour,
            "milliseconds that a new /batch may have to wait for its turn");
  s.integer("rank-pairs", o.rank_pairs, 1, 2016,
            "most pairs of one /rank, for packages that read both responses of a pair at once");
  s.integer("timeout-ms", o.timeout_ms, 1, kHour, "deadline of requests that name none");
  s.integer(
      "stuck-ms", o.stuck_ms, 1, kHour,
      "milliseconds after which a batch that takes 20 times its expected time is stuck: /readyz says so");
  s.integer("drain-ms", o.drain_ms, 0, kHour, "milliseconds after SIGTERM to finish accepted work");
  s.choice("log-level", o.log_level, "least important lines that are logged");
}

Status check(const ServeOptions& o) {
  const bool loopback = o.host.starts_with("127.") || o.host == "localhost" || o.host == "::1";
  if (!loopback && o.api_key.empty() && !o.insecure)
    return invalid(
        "flag --host: found '" + o.host +
        "', which others can reach, without --api-key; give a key, or --insecure to serve everyone");
  return Ok{};
}

}  // namespace preferd::server
