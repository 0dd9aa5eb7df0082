// What zlib makes of a text.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace preferd::testing_support {

// zlib's window bits say which wrapper is around it.
enum class Wrapper { kGzip = MAX_WBITS + 16, kZlib = MAX_WBITS, kNone = -MAX_WBITS };

inline std::string deflated(const std::string& text, Wrapper wrapper) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, static_cast<int>(wrapper), 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace preferd::testing_support
