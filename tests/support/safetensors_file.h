// Safetensors files for tests: read, changed, written back. The header is not padded, so tensors land on odd
// offsets, as the format allows.
#pragma once

#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/checkpoint/safetensors.h"

namespace preferd::testing_support {

struct TestTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};
using TestTensors = std::map<std::string, TestTensor>;

inline TestTensors tensors_of(const checkpoint::TensorMap& map) {
  TestTensors out;
  for (const auto& [name, t] : map)
    out[name] = {quant::name_of(t.dtype), t.shape,
                 std::string(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size())};
  return out;
}

inline std::string with_header(const std::string& header, const std::string& data) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i) & 255);
  return out + header + data;
}

inline std::string safetensors_bytes(const TestTensors& tensors) {
  Json header = Json::object();
  std::string data;
  for (const auto& [name, t] : tensors) {
    header[name] = {{"dtype", t.dtype},
                    {"shape", t.shape},
                    {"data_offsets", {data.size(), data.size() + t.bytes.size()}}};
    data += t.bytes;
  }
  return with_header(header.dump(), data);
}

inline TestTensor floats(std::vector<std::int64_t> shape, const std::vector<float>& values) {
  TestTensor t{"F32", std::move(shape), std::string(values.size() * sizeof(float), '\0')};
  std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
  return t;
}

inline TestTensor filled(std::vector<std::int64_t> shape, float value = 0.5f) {
  std::size_t n = 1;
  for (const std::int64_t d : shape) n *= static_cast<std::size_t>(d);
  return floats(std::move(shape), std::vector<float>(n, value));
}

// The values of a floating tensor, and the same tensor in another floating type.
inline std::vector<float> values_of(const TestTensor& t) {
  const auto dtype = quant::parse_dtype(t.dtype);
  std::vector<float> out(t.bytes.size() / quant::size_of(*dtype));
  quant::widen(*dtype, reinterpret_cast<const std::byte*>(t.bytes.data()), out.size(), out.data());
  return out;
}

inline TestTensor as_f32(const TestTensor& t) { return floats(t.shape, values_of(t)); }

// Element 5 becomes `bits` of the tensor's own width: 0x7fc00000 is NaN in fp32, 0x7f80 infinity in bf16.
inline void set_bits(TestTensor& t, std::uint64_t bits) {
  const std::size_t size = quant::size_of(*quant::parse_dtype(t.dtype));
  std::memcpy(t.bytes.data() + 5 * size, &bits, size);
}

}  // namespace preferd::testing_support
