// How bitsandbytes puts a quantized weight X.weight [out, in] of n values into a checkpoint:
//
//   4 bits  X.weight              uint8 [ceil(n / 2), 1]
//           X.weight.absmax       fp32 [blocks]; with double quantization uint8
//           X.weight.quant_map    fp32 [16]
//           X.weight.nested_absmax, X.weight.nested_quant_map
//                                 fp32, the latter [256]; with double quantization alone
//           X.weight.quant_state.bitsandbytes__nf4|fp4
//                                 a JSON text as Python's json.dumps writes it
//   int8    X.weight              int8 [out, in]
//           X.SCB                 fp32 [out]
//           X.weight_format       uint8 0 (row), of a linear alone
//
// Sources: bitsandbytes 0.50 functional.py (QuantState.as_dict), nn/modules.py (_save_to_state_dict).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/checkpoint/checkpoint_writer.h"
#include "model/checkpoint/weights.h"

namespace preferd::checkpoint {

// What `form` makes of a dense weight, before there are bytes. `form.scheme` is not kNone; of an embedding
// kInt8 means int8_row.
std::vector<PlannedTensor> planned_parts(const Declared& weight, const std::string& name,
                                         const Quantization& form);

struct WeightPart {
  std::string name;
  std::string bytes;                  // a text made here
  std::span<const std::byte> view{};  // or memory of the matrix

  std::span<const std::byte> data() const { return view.empty() ? std::as_bytes(std::span(bytes)) : view; }
};

// The parts of an encoded matrix, in no order; the matrix outlives them.
std::vector<WeightPart> weight_parts(const Declared& weight, const std::string& name,
                                     const quant::Matrix& encoded);

// A double as Python's repr prints it: "0.53125", "1e-05", "12.0".
std::string python_repr(double value);

}  // namespace preferd::checkpoint
