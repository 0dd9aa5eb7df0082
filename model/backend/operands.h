// What ops and backends pass to each other besides tensors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace preferd::backend {

struct Norm {
  std::vector<float> weight;  // [width]; y = x / rms(x) * (offset + weight)
  float eps = 1e-5f;
  float offset = 0;
};

// y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias
struct LayerNorm {
  std::vector<float> weight, bias;  // [width]
  float eps = 1e-5f;
};

// Rotary tables, borrowed for the life of the backend.
struct Angles {
  std::span<const float> cosine, sine;  // [positions, head_dim / 2]
  std::int64_t head_dim;
};

// Who reads a norm: linears, or a head, whose states are fp32 on every device.
enum class Reader { kLinears, kHead };

}  // namespace preferd::backend
