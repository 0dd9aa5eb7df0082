#include "server/http/event_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "server/http/http_error.h"
#include "server/ids.h"
#include "server/scheduling/admission.h"

namespace preferd::server {
namespace {

using State = Connection::State;

constexpr std::uint64_t kListener = 0, kWaker = 1;
constexpr std::string_view kNoRoute = "other";  // label of requests that no route takes
constexpr std::size_t kScratch = 64 * 1024;
constexpr std::uint64_t kMostDropped =
    16 * 1024;  // of a body that nobody reads: a longer one ends the connection
constexpr std::size_t kMostEmptyLineBytes = 16;  // before a request line
constexpr std::size_t kOvershoot = 256;          // connections over the limit that still get their 503
constexpr std::chrono::hours kNoDeadline{24};    // expire() leaves connections of workers alone
constexpr std::chrono::milliseconds kExpiryInterval{100}, kLinger{3000};

void watch(const Fd& poller, int operation, int fd, std::uint32_t mask, std::uint64_t id) {
  epoll_event event{};
  event.events = mask;
  event.data.u64 = id;
  epoll_ctl(poller.get(), operation, fd, &event);
}

Fd spare_descriptor() { return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// Handlers report errors as replies; what other rooms or a lack of memory throw ends here.
Reply run_handler(const Route& route, Request& request) {
  try {
    return route.handle(request);
  } catch (...) {
    return reply_of(http_error(500, "the request failed inside the service"), request.id);
  }
}

Persistence persistence_of(const RequestHead& head) {
  return head.keep_alive ? Persistence::kKeepAlive : Persistence::kClose;
}

// A body that nobody reads would be taken for the next request: a short one is dropped. Who waits for leave to
// send it may send it after another reply, or may not.
Persistence pass_over_body(Connection& c) {
  const RequestHead& h = c.request.head;
  const bool drops = h.framing == Framing::kLength && h.length <= kMostDropped && !h.expects_continue;
  if (h.has_body() && !drops) return Persistence::kClose;
  if (h.has_body()) c.pass_over(h.length);
  return persistence_of(h);
}

bool counts_as_active(State state) {
  return state == State::kBody || state == State::kWork || state == State::kFlush;
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::open(const EventLoopOptions& options, const Router& router,
                                                   Metrics& metrics, Log& log) {
  auto listener =
      options.passed >= 0 ? Result<Fd>(Fd(options.passed)) : listen_on(options.host, options.port);
  if (!listener) return listener.error();
  Fd poller(epoll_create1(EPOLL_CLOEXEC));
  Fd waker(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!poller || !waker) return Error{Code::kInternal, "no descriptors for epoll and eventfd", {}};
  return std::unique_ptr<EventLoop>(new EventLoop(options, *std::move(listener), std::move(poller),
                                                  std::move(waker), router, metrics, log));
}

EventLoop::EventLoop(const EventLoopOptions& options, Fd listener, Fd poller, Fd waker, const Router& router,
                     Metrics& metrics, Log& log)
    : options_(options),
      router_(router),
      metrics_(metrics),
      log_(log),
      listener_(std::move(listener)),
      poller_(std::move(poller)),
      waker_(std::move(waker)),
      spare_(spare_descriptor()),
      budget_(options.max_held_bytes),
      scratch_(kScratch, '\0'),
      workers_(options.max_workers) {
  for (const Route& route : router_.routes()) series_.push_back(&metrics_.route(route.label));
  series_.push_back(&metrics_.route(std::string(kNoRoute)));
  watch(poller_, EPOLL_CTL_ADD, listener_.get(), EPOLLIN, kListener);
  watch(poller_, EPOLL_CTL_ADD, waker_.get(), EPOLLIN, kWaker);
}

EventLoop::~EventLoop() = default;

int EventLoop::port() const { return port_of(listener_); }

void EventLoop::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(waker_.get(), &one, sizeof one);
}

void EventLoop::stop() {
  stop_ = true;
  wake();
}

void EventLoop::fill(Gauges& gauges) const {
  gauges.connections = open_.load();
  gauges.held_bytes = budget_.held();
  gauges.workers = workers_.threads();
}

std::vector<EventLoop::Event> EventLoop::poll_events() {
  std::array<epoll_event, 256> events;
  const int timeout = pipelined_.empty() ? static_cast<int>(kExpiryInterval.count()) : 0;
  const int n = epoll_wait(poller_.get(), events.data(), static_cast<int>(events.size()), timeout);
  std::vector<Event> out;
  for (int i = 0; i < n; ++i)
    out.push_back({events[static_cast<std::size_t>(i)].data.u64, events[static_cast<std::size_t>(i)].events});
  return out;
}

void EventLoop::run() {
  while (!stop_) {
    for (const auto& event : poll_events()) {
      if (event.id == kListener)
        accept_all();
      else if (event.id != kWaker)
        handle(event.id, event.mask);
    }
    collect_returned();
    resume_pipelined();
    expire();
    ++turns_;
  }
  for (auto& [id, c] : connections_) c->hangup.request_stop();
}

void EventLoop::accept_all() {
  for (int i = 0; i < 64; ++i) {
    bool exhausted = false;
    Fd fd = accept_on(listener_, exhausted);
    if (exhausted) return reject_one();
    if (!fd) return;
    if (connections_.size() >= options_.max_connections + kOvershoot) {
      metrics_.bad_http(BadHttp::kConnections);
      continue;
    }
    const auto c = std::make_shared<Connection>(next_id_++, std::move(fd), options_.write_timeout);
    connections_.emplace(c->id, c);
    open_ = connections_.size();
    watch(poller_, EPOLL_CTL_ADD, c->fd.get(), EPOLLIN | EPOLLRDHUP, c->id);
    c->deadline = Clock::now() + options_.head_timeout;
    if (connections_.size() <= options_.max_connections) continue;
    metrics_.bad_http(BadHttp::kConnections);
    refuse(c, http_error(503, "too many connections"), Persistence::kClose);
  }
}

// Out of descriptors: gives up the spare one to close the connection that waits, or poll would spin on it.
void EventLoop::reject_one() {
  spare_.reset();
  bool exhausted = false;
  accept_on(listener_, exhausted).reset();
  spare_ = spare_descriptor();
  metrics_.bad_http(BadHttp::kConnections);
}

void EventLoop::handle(std::uint64_t id, std::uint32_t mask) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Shared c = found->second;
  if (c->state == State::kWork) {
    c->hangup.request_stop();
    return;
  }
  if ((mask & (EPOLLHUP | EPOLLERR)) != 0) return close(c);
  if (c->state == State::kFlush) return flush(c);
  read(c);
}

void EventLoop::read(const Shared& c) {
  const ssize_t n = recv(c->fd.get(), scratch_.data(), scratch_.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return close(c);
  if (c->state == State::kLinger) return;
  std::string_view bytes(scratch_.data(), static_cast<std::size_t>(n));
  if (c->state == State::kBody) {
    const bool more = advance_body(c, bytes);
    c->in.append(bytes);
    if (!more) return;
  } else {
    c->drop_unwanted(bytes);
    if (bytes.empty() && c->unwanted > 0) return;
    if (c->in.empty())
      c->deadline = Clock::now() + (bytes.empty() ? options_.idle_timeout : options_.head_timeout);
    c->in.append(bytes);
  }
  advance(c);
}

// Goes on with what was read, up to one request.
void EventLoop::advance(const Shared& c) {
  if (c->state == State::kHead && !advance_head(c)) return;
  if (c->state != State::kBody || c->in.empty()) return;
  std::string_view bytes = c->in;
  advance_body(c, bytes);
  if (c->in.size() == bytes.size()) return;
  c->in.erase(0, c->in.size() - bytes.size());
}

// True when a head was taken and its body is to be read.
bool EventLoop::advance_head(const Shared& c) {
  const auto state = c->scanner.scan(c->in);
  const HeadLimits limits;
  if (state == HeadScanner::State::kBad || c->scanner.begin() > kMostEmptyLineBytes) {
    metrics_.bad_http(BadHttp::kMalformed);
    refuse(c, http_error(400, "a line of the head does not end with CRLF"), Persistence::kClose);
    return false;
  }
  if (state == HeadScanner::State::kMore && c->in.size() <= limits.max_bytes) return false;
  const auto end = state == HeadScanner::State::kDone ? c->scanner.end() : c->in.size();
  auto head = parse_request_head(std::string_view(c->in).substr(c->scanner.begin(), end - c->scanner.begin()),
                                 limits);
  c->in.erase(0, end);
  c->scanner = {};
  c->request = {};
  c->route = nullptr;
  if (const auto* error = std::get_if<HttpError>(&head)) {
    metrics_.bad_http(error->status == 431 ? BadHttp::kHeadersTooLarge : BadHttp::kMalformed);
    refuse(c, *error, Persistence::kClose);
    return false;
  }
  start_request(c, std::get<RequestHead>(std::move(head)));
  return c->state == State::kBody;
}

void EventLoop::start_request(const Shared& c, RequestHead head) {
  c->request.arrived = Clock::now();
  const auto given = usable_request_id(head.header("x-request-id"));
  c->request.id = given ? std::string(*given) : fresh_id();
  c->request.head = std::move(head);
  const RequestHead& h = c->request.head;
  const auto decision = router_.decide(h);
  c->route = decision.route;
  if (!decision.error && !decision.reply && c->route->runs == Runs::kOnWorker) return start_body(c);
  const Persistence persistence = pass_over_body(*c);
  if (decision.error) {
    if (decision.error->status == 413) metrics_.bad_http(BadHttp::kTooLarge);
    return refuse(c, *decision.error, persistence);
  }
  answer(c, decision.reply ? *decision.reply : run_handler(*c->route, c->request), persistence);
}

void EventLoop::start_body(const Shared& c) {
  const RequestHead& h = c->request.head;
  c->body = std::make_unique<BodyReader>(h.framing, h.length, c->route->max_body, budget_);
  set_state(*c, State::kBody, options_.body_timeout);
  if (h.expects_continue && c->in.empty()) {
    c->write("HTTP/1.1 100 Continue\r\n\r\n");
    c->send_now();
  }
  std::string_view nothing;
  if (h.framing == Framing::kLength && h.length == 0) advance_body(c, nothing);
}

// True while more is needed.
bool EventLoop::advance_body(const Shared& c, std::string_view& bytes) {
  const auto state = c->body->feed(bytes);
  if (state == BodyReader::State::kMore) return true;
  if (state == BodyReader::State::kFailed) {
    const HttpError error = c->body->error();
    if (error.status == 429)
      metrics_.rejection(kTooManyBytes.counted_as);
    else
      metrics_.bad_http(error.status == 413 ? BadHttp::kTooLarge : BadHttp::kMalformed);
    refuse(c, error, Persistence::kClose);
    return false;
  }
  c->request.body = c->body->take_body();
  c->request.lease = c->body->take_lease();
  c->body.reset();
  dispatch(c);
  return false;
}

void EventLoop::refuse(const Shared& c, const HttpError& error, Persistence persistence) {
  if (c->request.id.empty()) c->request.id = fresh_id();
  if (c->request.arrived == Clock::time_point()) c->request.arrived = Clock::now();
  answer(c, reply_of(error, c->request.id), persistence);
}

void EventLoop::answer(const Shared& c, const Reply& reply, Persistence persistence) {
  c->body.reset();
  c->keep = write_reply(c->request, reply, keep_for(persistence), *c);
  record(*c, reply);
  flush(c);
}

std::chrono::milliseconds EventLoop::keep_for(Persistence persistence) const {
  return persistence == Persistence::kKeepAlive && !closing_ ? options_.idle_timeout
                                                             : options_.idle_timeout.zero();
}

void EventLoop::dispatch(const Shared& c) {
  c->hangup = std::stop_source();
  c->request.hangup = c->hangup.get_token();
  set_state(*c, State::kWork, kNoDeadline);
  // Who announced the connection's end may shut the sending side and read on; all others have hung up.
  const bool may_end = persistence_of(c->request.head) == Persistence::kClose;
  listen_for(*c, may_end ? EPOLLONESHOT : EPOLLRDHUP | EPOLLONESHOT);
  if (workers_.submit([this, c] { work(c); })) return;
  refuse(c, http_error(server::refuse(kTooManyRequests, metrics_)), persistence_of(c->request.head));
}

void EventLoop::work(const Shared& c) {
  const Reply reply = run_handler(*c->route, c->request);
  if (reply.status == 499) {
    c->keep = false;
    metrics_.disconnect();
  } else {
    c->keep = write_reply(c->request, reply, keep_for(persistence_of(c->request.head)), *c);
    if (c->hangup.stop_requested() && reply.stream) metrics_.disconnect();
    c->send_now();
  }
  record(*c, reply);
  c->request = {};
  return_to_loop(c);
}

void EventLoop::return_to_loop(const Shared& c) {
  {
    const std::lock_guard lock(returned_mutex_);
    returned_.push_back(c);
  }
  wake();
}

void EventLoop::collect_returned() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(waker_.get(), &count, sizeof count);
  std::vector<Shared> back;
  {
    const std::lock_guard lock(returned_mutex_);
    back.swap(returned_);
  }
  for (const auto& c : back) flush(c);
}

void EventLoop::resume_pipelined() {
  std::vector<Shared> now;
  now.swap(pipelined_);
  for (const auto& c : now)
    if (c->fd && c->state == State::kHead) advance(c);
}

void EventLoop::record(Connection& c, const Reply& reply) {
  const double took = std::chrono::duration<double>(Clock::now() - c.request.arrived).count();
  metrics_.request(*series_[router_.index(c.route)], reply.status, took);
  const bool quiet = c.route != nullptr && c.route->quiet && reply.status < 400;
  if (!log_.wants(quiet ? LogLevel::kDebug : LogLevel::kInfo)) return;
  log_.write(LogLevel::kInfo, "request",
             {{"id", c.request.id},
              {"method", std::string_view(c.request.head.method)},
              {"route", c.route == nullptr ? kNoRoute : std::string_view(c.route->label)},
              {"status", std::int64_t{reply.status}},
              {"ms", took * 1e3},
              {"items", reply.items},
              {"tokens", reply.tokens}});
}

// Sends what is left of a reply, then goes on to the next request or closes.
void EventLoop::flush(const Shared& c) {
  switch (c->send_now()) {
    case Sent::kGone: return close(c);
    case Sent::kSome: set_state(*c, State::kFlush, options_.write_timeout); return listen_for(*c, EPOLLOUT);
    case Sent::kAll: return finish(c);
  }
}

void EventLoop::finish(const Shared& c) {
  const bool was_listening = c->state == State::kHead || c->state == State::kBody;
  c->request = {};
  c->hangup = std::stop_source(std::nostopstate);
  if (!c->keep) {
    shutdown(c->fd.get(), SHUT_WR);
    set_state(*c, State::kLinger, kLinger);
    c->in = {};
  } else {
    const auto next = c->in.empty() ? options_.idle_timeout : options_.head_timeout;
    set_state(*c, State::kHead, c->unwanted > 0 ? options_.body_timeout : next);
    if (!c->in.empty()) pipelined_.push_back(c);
    if (c->in.empty() && c->in.capacity() > 4096) c->in = {};
  }
  if (c->out.capacity() > 4096) c->out = {};
  if (!was_listening) listen_for(*c, EPOLLIN | EPOLLRDHUP);
}

void EventLoop::set_state(Connection& c, State state, std::chrono::milliseconds time) {
  const int change = static_cast<int>(counts_as_active(state)) - static_cast<int>(counts_as_active(c.state));
  if (change > 0) ++active_;
  if (change < 0) --active_;
  c.state = state;
  c.deadline = Clock::now() + time;
}

void EventLoop::listen_for(Connection& c, std::uint32_t mask) {
  watch(poller_, EPOLL_CTL_MOD, c.fd.get(), mask, c.id);
}

void EventLoop::close(const Shared& c) {
  set_state(*c, State::kLinger, {});
  c->body.reset();
  c->fd.reset();
  connections_.erase(c->id);
  open_ = connections_.size();
}

void EventLoop::expire() {
  const auto now = Clock::now();
  if (now < next_expiry_) return;
  next_expiry_ = now + kExpiryInterval;
  std::vector<Shared> late;
  for (const auto& [id, c] : connections_)
    if (c->deadline <= now && c->state != State::kWork) late.push_back(c);
  for (const auto& c : late) {
    const bool slow_head = c->state == State::kHead && !c->in.empty();
    if (!slow_head && c->state != State::kBody) {
      close(c);
      continue;
    }
    metrics_.bad_http(slow_head ? BadHttp::kSlowHead : BadHttp::kSlowBody);
    if (slow_head) {
      c->request = {};
      c->route = nullptr;
    }
    refuse(c, http_error(408, slow_head ? "the head took too long" : "the body took too long"),
           Persistence::kClose);
  }
}

}  // namespace preferd::server
