// `preferd serve` from start to exit.
//
//   ServeOptions options;
//   load_settings(usage, [&](Schema& s) { describe(s, options); }, ...);  // server/options.h
//   return serve(options, [&] { return load_package(path); });
//
// The port is open, and /healthz answers, before `load` is called (on a thread of its own); /readyz follows
// it. SIGHUP calls `load` again and swaps the model when it succeeds. Once the scorer is no longer intact(),
// /readyz says so and work is refused, until a load succeeds. SIGTERM and SIGINT drain: /readyz says
// so at once, accepted work is finished within the drain limit; a second one ends the process there and then.
//
// Under systemd it says when it is ready, alive and stopping, and takes a socket that systemd opened (systemd.h).
//
// Call once, from main. Logs to standard error. Exit codes: 0 stopped as told, 1 the port cannot be had, the
// first load failed, or accepted work went unanswered; 2 options that contradict each other.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "model/scorer/scorer.h"
#include "server/options.h"

namespace preferd::server {

using Load = std::function<Result<std::shared_ptr<scorer::Scorer>>()>;

int serve(const ServeOptions& options, const Load& load);

}  // namespace preferd::server
