#include "server/http/reply_writer.h"

#include <charconv>

#include "server/http/http_error.h"

namespace preferd::server {
namespace {

enum class Body { kLength, kChunks, kUntilClose };

std::string head_of(const Request& request, const Reply& reply, Body body,
                    std::chrono::milliseconds keep_for) {
  std::string out = "HTTP/1.1 " + std::to_string(reply.status) + ' ';
  out.append(reason_phrase(reply.status)).append("\r\n");
  const auto line = [&](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  if (!reply.type.empty()) line("Content-Type", reply.type);
  if (body == Body::kLength) line("Content-Length", std::to_string(reply.body.size()));
  if (body == Body::kChunks) line("Transfer-Encoding", "chunked");
  line("X-Request-Id", request.id);
  for (const Header& header : reply.headers) line(header.name, header.value);
  if (keep_for.count() == 0)
    line("Connection", "close");
  else
    line("Keep-Alive", "timeout=" + std::to_string(keep_for.count() / 1000));
  return out += "\r\n";
}

void write_chunk(std::string_view piece, ByteSink& sink) {
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, piece.size(), 16).ptr;
  sink.write({size, static_cast<std::size_t>(end - size)});
  sink.write("\r\n");
  sink.write(piece);
  sink.write("\r\n");
}

// False: the client is gone, or the stream broke off.
bool write_stream(const Reply& reply, Body body, ByteSink& sink) {
  bool here = true;
  try {
    reply.stream([&](std::string_view piece) {
      if (piece.empty()) return here;  // as a chunk it would be the end
      if (body == Body::kChunks)
        write_chunk(piece, sink);
      else
        sink.write(piece);
      return here = here && sink.push();
    });
  } catch (...) {
    return false;
  }
  if (here && body == Body::kChunks) sink.write("0\r\n\r\n");
  return here;
}

}  // namespace

bool write_reply(const Request& request, const Reply& reply, std::chrono::milliseconds keep_for,
                 ByteSink& sink) {
  Body body = Body::kLength;
  if (reply.stream) body = request.head.minor == 0 ? Body::kUntilClose : Body::kChunks;
  if (body == Body::kUntilClose) keep_for = {};
  sink.write(head_of(request, reply, body, keep_for));
  if (reply.stream && !write_stream(reply, body, sink)) return false;
  if (!reply.stream && request.head.method != "HEAD") sink.write(reply.body);
  return keep_for.count() > 0;
}

}  // namespace preferd::server
