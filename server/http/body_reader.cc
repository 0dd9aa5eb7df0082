#include "server/http/body_reader.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "server/http/http_error.h"
#include "server/scheduling/admission.h"

namespace preferd::server {
namespace {
constexpr std::size_t kLongestLine = 256;
}

BodyReader::BodyReader(Framing framing, std::uint64_t length, std::size_t limit, ByteBudget& budget)
    : framing_(framing), limit_(limit), left_(length), lease_(budget) {
  PREFERD_CHECK(framing != Framing::kLength || length <= limit);
}

BodyReader::State BodyReader::fail(HttpError error) {
  error_ = std::move(error);
  body_ = {};
  lease_.release();
  return State::kFailed;
}

// Moves up to left_ bytes into the body.
BodyReader::State BodyReader::append(std::string_view& bytes) {
  const auto part = bytes.substr(0, left_);
  if (part.size() > limit_ - body_.size())
    return fail(http_error(413, "the body is larger than " + std::to_string(limit_) + " bytes"));
  if (!lease_.grow_to(body_.size() + part.size())) return fail(http_error(error_of(kTooManyBytes)));
  body_ += part;
  left_ -= part.size();
  bytes.remove_prefix(part.size());
  return left_ == 0 ? State::kDone : State::kMore;
}

// Gathers line_ up to CRLF; empty when it is whole (without CRLF in line_).
std::optional<BodyReader::State> BodyReader::line(std::string_view& bytes) {
  const auto end = bytes.find('\n');
  const auto part = bytes.substr(0, end == bytes.npos ? bytes.size() : end + 1);
  if (line_.size() + part.size() > kLongestLine)
    return fail(http_error(400, "a chunk's size line is too long"));
  line_ += part;
  bytes.remove_prefix(part.size());
  if (end == bytes.npos && !line_.ends_with('\n')) return State::kMore;
  if (!line_.ends_with("\r\n")) return fail(http_error(400, "a chunk's line does not end with CRLF"));
  line_.resize(line_.size() - 2);
  return std::nullopt;
}

BodyReader::State BodyReader::chunk_size_line() {
  const auto digits = std::min(line_.find_first_not_of("0123456789abcdefABCDEF"), line_.size());
  const std::string_view after = std::string_view(line_).substr(digits);
  const bool control = std::any_of(after.begin(), after.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (digits == 0 || digits > 8 || control || !(after.empty() || after[0] == ';'))
    return fail(http_error(400, "a chunk's size is not 1 to 8 hexadecimal digits"));
  std::from_chars(line_.data(), line_.data() + digits, left_, 16);
  if (left_ > limit_ - body_.size())
    return fail(http_error(413, "the body is larger than " + std::to_string(limit_) + " bytes"));
  at_ = left_ == 0 ? At::kEnd : At::kData;
  return State::kMore;
}

BodyReader::State BodyReader::feed(std::string_view& bytes) {
  if (framing_ == Framing::kNone) return State::kDone;
  if (framing_ == Framing::kLength) return append(bytes);
  while (!bytes.empty()) {
    if (at_ == At::kData) {
      const State state = append(bytes);
      if (state == State::kFailed) return state;
      if (state == State::kDone) at_ = At::kAfterData;
      continue;
    }
    if (const auto state = line(bytes)) {
      if (*state == State::kFailed) return *state;
      continue;
    }
    const bool at_size = at_ == At::kSize;
    if (!at_size && !line_.empty())
      return fail(
          http_error(400, at_ == At::kEnd ? "trailers are not accepted" : "a chunk is longer than its size"));
    if (at_ == At::kEnd) return State::kDone;
    const State state = at_size ? chunk_size_line() : State::kMore;
    if (state == State::kFailed) return state;
    if (!at_size) at_ = At::kSize;
    line_.clear();
  }
  return State::kMore;
}

}  // namespace preferd::server
