// Collects the body of one request from bytes as they arrive, by Content-Length or chunks, under a limit of
// its own and the budget that all bodies share. Not thread-safe; one owner at a time.
//
// Chunks are read strictly: a size of 1 to 8 hexadecimal digits, an extension that is skipped, CRLF; no
// trailers. Memory is claimed as bytes arrive, so that a client which only promises holds nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/http/message.h"
#include "server/scheduling/budget.h"

namespace preferd::server {

class BodyReader {
 public:
  enum class State { kMore, kDone, kFailed };

  // The declared length must be within the limit.
  BodyReader(Framing framing, std::uint64_t length, std::size_t limit, ByteBudget& budget);

  // Takes what belongs to the body off the front of `bytes`. kFailed: see error(); the connection cannot go
  // on.
  State feed(std::string_view& bytes);

  const HttpError& error() const { return error_; }
  std::string take_body() { return std::move(body_); }
  Lease take_lease() { return std::move(lease_); }

 private:
  enum class At { kSize, kData, kAfterData, kEnd };

  State fail(HttpError error);
  State append(std::string_view& bytes);
  State chunk_size_line();
  std::optional<State> line(std::string_view& bytes);

  const Framing framing_;
  const std::size_t limit_;
  std::uint64_t left_ = 0;  // of the length, or of this chunk
  At at_ = At::kSize;
  std::string line_;
  std::string body_;
  Lease lease_;
  HttpError error_;
};

}  // namespace preferd::server
