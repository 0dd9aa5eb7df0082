// What the programs that check the CUDA attention share: inputs of a case, and the lines that they print.
#pragma once

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "tests/cuda/packed_batch.h"

namespace preferd::kernels::cuda {

inline int failures = 0;
inline std::string wanted;  // a part of the names of the cases to run

inline bool is_wanted(const std::string& name) { return name.find(wanted) != std::string::npos; }

inline void report(bool good, const std::string& what) {
  std::printf("%s %s\n", good ? "ok    " : "FAILED", what.c_str());
  std::fflush(stdout);
  failures += good ? 0 : 1;
}

inline std::string text(const char* format, auto... values) {
  char line[400];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

// q, k, v of a batch as columns of one buffer of rows, and the way to run attend() over them.
struct Inputs {
  AttentionShape shape;
  std::int64_t stride;
  std::vector<__nv_bfloat16> qkv;

  std::int64_t q_columns() const { return static_cast<std::int64_t>(shape.query_heads * shape.head_dim); }
  std::int64_t kv_columns() const { return static_cast<std::int64_t>(shape.kv_heads * shape.head_dim); }
  double q(std::int64_t row, std::size_t head, std::size_t i) const {
    return at(row, static_cast<std::int64_t>(head * shape.head_dim + i));
  }
  double k(std::int64_t row, std::size_t head, std::size_t i) const {
    return at(row, q_columns() + static_cast<std::int64_t>(head * shape.head_dim + i));
  }
  double v(std::int64_t row, std::size_t head, std::size_t i) const {
    return at(row, q_columns() + kv_columns() + static_cast<std::int64_t>(head * shape.head_dim + i));
  }

 private:
  double at(std::int64_t row, std::int64_t column) const {
    return static_cast<double>(__bfloat162float(qkv[static_cast<std::size_t>(row * stride + column)]));
  }
};

inline Inputs random_inputs(const AttentionShape& shape, std::int32_t rows, float spread, std::uint32_t seed,
                            std::int64_t extra_columns = 0) {
  Inputs in{shape, 0, {}};
  in.stride = in.q_columns() + 2 * in.kv_columns() + extra_columns;
  in.qkv = random_rows(static_cast<std::size_t>(rows * in.stride), 1, seed);
  for (std::int32_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < in.q_columns(); ++c) {
      auto& x = in.qkv[static_cast<std::size_t>(r * in.stride + c)];
      x = __float2bfloat16(__bfloat162float(x) * spread);
    }
  return in;
}

inline AttentionShape shape_of(std::size_t query_heads, std::size_t kv_heads, std::size_t dim, float cap,
                               std::int32_t window) {
  return {query_heads, kv_heads, dim, 1.0f / std::sqrt(static_cast<float>(dim)), cap, window};
}

inline std::string name_of(const AttentionShape& s) {
  return text("d %zu, heads %zu/%zu, cap %g, window %d", s.head_dim, s.query_heads, s.kv_heads,
              static_cast<double>(s.softcap), s.window);
}

// Gives the rows of nobody's, and those of one segment where named, values that spoil all they touch.
inline void spoil(Inputs& in, const PackedBatch& batch, std::int32_t segment) {
  std::vector<bool> owned(static_cast<std::size_t>(batch.rows), false);
  for (std::size_t s = 0; s < batch.lines.size(); ++s)
    if (static_cast<std::int32_t>(s) != segment)
      for (const std::int32_t row : batch.lines[s]) owned[static_cast<std::size_t>(row)] = true;
  for (std::int32_t r = 0; r < batch.rows; ++r)
    if (!owned[static_cast<std::size_t>(r)])
      std::fill_n(in.qkv.begin() + r * in.stride, in.stride,
                  __float2bfloat16(std::numeric_limits<float>::quiet_NaN()));
}

}  // namespace preferd::kernels::cuda
