// The table of routes, and what is decided about a request before its body is read. Immutable; any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/http/auth.h"
#include "server/http/message.h"

namespace preferd::server {

enum class Runs {
  kAtOnce,    // on the thread that holds all connections: must not wait for anything
  kOnWorker,  // may wait
};

// The one declaration of a route: what it takes, what it is called, and what answers.
struct Route {
  std::string method;  // "GET" (then HEAD too) or "POST"
  std::string path;    // matched whole and exactly
  std::string label;   // its name in metrics and logs
  bool quiet = false;  // good replies are logged at level debug only
  Access access = Access::kClient;
  Runs runs = Runs::kAtOnce;
  std::size_t max_body = 0;  // 0: takes no body
  std::function<Reply(Request&)> handle;
  // Asked before the body is read; an error ends the request: limit 1 of scheduling/admission.h.
  std::function<std::optional<HttpError>()> refuse = nullptr;
};

class Router {
 public:
  Router(std::vector<Route> routes, Keys keys);

  struct Decision {
    const Route* route = nullptr;    // null: unknown path
    std::optional<HttpError> error;  // answer this instead of reading on
    std::optional<Reply> reply;      // or this: OPTIONS
  };
  Decision decide(const RequestHead& head) const;

  // Position among routes(); routes().size() for null.
  std::size_t index(const Route* route) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::string allowed(std::string_view path) const;

  std::vector<Route> routes_;
  Keys keys_;
};

}  // namespace preferd::server
