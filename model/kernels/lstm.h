// The recurrence of an LSTM (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000) over one
// sequence in one direction on the CPU, fp32:
//
//     a = x_t + W h + b       i, f, o = sigmoid(a_i, a_f, a_o)    g = tanh(a_g)
//     c = f c + i g           h = o tanh(c)
//
// The caller provides x_t, the share of the inputs. Gates are in the order i, f, g, o, as in torch. Each sum
// is one chain of multiply-adds from the first element of h on; sequences do not influence each other.
//
// Several sequences of one direction may be processed side by side, so that a step reads W once for all of
// them.
//
// Raw pointers, no allocation; the caller provides scratch memory, one piece per thread.
#pragma once

#include <cstddef>
#include <span>

#include "model/kernels/attention.h"

namespace preferd::kernels {

enum class Walk { kForward, kBackward };  // from the first row or from the last

// W as operands of the register tile, with zeros after the last column.
struct LstmWeights {
  std::size_t hidden = 0;
  const float* forth = nullptr;  // panels of panel_width() rows of W (gemm.h), one after the other
  const float* back = nullptr;   // [4 hidden, lstm_columns(hidden)]; only the backward reads it
  const float* bias = nullptr;   // [4 hidden]
};
std::size_t lstm_columns(std::size_t columns);  // rounded up to whole panels

// Rows of one sequence; row 0 is its first token.
struct LstmForward {
  HeadRows<const float> x;  // [length, 4 hidden]
  HeadRows<float> h;        // [length, hidden]: written
  HeadRows<float> gates;    // [length, 4 hidden], or no data: i, f, g, o for the backward
  HeadRows<float> cells;    // [length, hidden], or no data: c for the backward
  std::size_t length = 0;
  Walk walk = Walk::kForward;
};

struct LstmBackward {
  HeadRows<const float> dh, gates, cells;
  HeadRows<float> dx;  // [length, 4 hidden]: written; also the gradient of a
  std::size_t length = 0;
  Walk walk = Walk::kForward;
};

inline constexpr std::size_t kLstmSequences = 8;  // most sequences that are processed side by side

// The number of floats of scratch that either function needs.
std::size_t lstm_scratch(std::size_t hidden);

// The sequences: at most kLstmSequences, the longest first.
void lstm_forward(const LstmWeights& weights, std::span<const LstmForward> sequences, float* scratch);
void lstm_backward(const LstmWeights& weights, const LstmBackward& sequence, float* scratch);

}  // namespace preferd::kernels
