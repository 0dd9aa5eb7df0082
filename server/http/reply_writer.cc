#include "server/http/reply_writer.h"

#include <httplib.h>

namespace preferd::server {
namespace {

// Gives httplib a head to read and passes its bytes on.
class SinkStream : public httplib::Stream {
 public:
  SinkStream(std::string head, ByteSink& sink) : head_(std::move(head)), sink_(sink) {}

  bool is_readable() const override { return at_ < head_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, std::size_t size) override {
    const std::size_t n = head_.copy(to, size, at_);
    at_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* from, std::size_t size) override {
    sink_.write({from, size});
    return static_cast<ssize_t>(size);
  }
  using Stream::write;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return 0; }

 private:
  const std::string head_;
  std::size_t at_ = 0;
  ByteSink& sink_;
};

}  // namespace

class ReplyWriter::Engine : public httplib::Server {
 public:
  Engine() {
    svr_sock_ = 0;  // any socket: httplib stops streaming when it believes its listener closed
    keep_alive_timeout_sec_ = 75;
    keep_alive_max_count_ = 1'000'000;
    set_pre_routing_handler([this](const httplib::Request&, httplib::Response& out) {
      fill(out);
      return HandlerResponse::Handled;
    });
    set_post_routing_handler(
        [](const httplib::Request&, httplib::Response& out) { out.headers.erase("Accept-Ranges"); });
    set_exception_handler(
        [](const httplib::Request&, httplib::Response& out, std::exception_ptr) { out.status = 500; });
  }

  bool write(const Request& request, const Reply& reply, Persistence persistence, ByteSink& sink) {
    request_ = &request;
    reply_ = &reply;
    sink_ = &sink;
    gone_ = false;
    const bool close = persistence == Persistence::kClose || (reply.stream && request.head.minor == 0);
    const std::string method = request.head.method == "HEAD" ? "HEAD" : "GET";
    SinkStream stream(method + " / HTTP/1.1\r\n\r\n", sink);
    bool closed = false;
    const bool written = process_request(stream, close, closed, nullptr);
    return written && !close && !gone_;
  }

 private:
  void fill(httplib::Response& out) {
    out.status = reply_->status;
    out.set_header("X-Request-Id", request_->id);
    for (const auto& h : reply_->headers) out.set_header(h.name, h.value);
    if (!reply_->stream) {
      if (!reply_->type.empty()) out.set_content(reply_->body, reply_->type);
      return;
    }
    auto provider = [this](std::size_t, httplib::DataSink& sink) {
      reply_->stream([&](std::string_view piece) {
        gone_ = gone_ || !sink.write(piece.data(), piece.size()) || !sink_->push();
        return !gone_;
      });
      sink.done();
      return !gone_;
    };
    if (request_->head.minor == 0)
      out.set_content_provider(reply_->type, provider);
    else
      out.set_chunked_content_provider(reply_->type, provider);
  }

  const Request* request_ = nullptr;
  const Reply* reply_ = nullptr;
  ByteSink* sink_ = nullptr;
  bool gone_ = false;
};

ReplyWriter::ReplyWriter() : engine_(std::make_unique<Engine>()) {}
ReplyWriter::~ReplyWriter() = default;

bool ReplyWriter::write(const Request& request, const Reply& reply, Persistence persistence, ByteSink& sink) {
  return engine_->write(request, reply, persistence, sink);
}

}  // namespace preferd::server
