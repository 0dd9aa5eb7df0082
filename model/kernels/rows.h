// Row-local parts of a transformer on the CPU, fp32. Each output row depends only on its input row, summed in
// an order fixed by its width: results never depend on the batch.
//
// Raw pointers, no allocation, any thread; rows may be divided among threads in any way.
#pragma once

#include <cstddef>
#include <cstdint>

namespace preferd::kernels {

// What a norm multiplies by: offset + weight (1 + weight in Gemma's norms). weight [width].
struct NormScale {
  const float* weight;
  float offset = 0;
};

// y = x / sqrt(mean(x^2) + eps) * scale. x, y [rows, width]; y may be x.
void rms_norm(const float* x, NormScale scale, float eps, std::size_t rows, std::size_t width, float* y);

// x = x + z, then y = rms_norm(x), one pass over memory. y may be z, not x.
void add_rms_norm(float* x, const float* z, NormScale scale, float eps, std::size_t rows, std::size_t width,
                  float* y);

// The norm's backward. dx [rows, width] for dy = gradient of y; dx may be dy.
//   dx = f w dy - x f^3 / width * sum(w dy x)      f = 1 / sqrt(mean(x^2) + eps), w the scale
void rms_norm_dx(const float* x, NormScale scale, float eps, const float* dy, std::size_t rows,
                 std::size_t width, float* dx);

// Adds f x dy of every row to sum [width], in the order of the rows.
void rms_norm_dweight(const float* x, float eps, const float* dy, std::size_t rows, std::size_t width,
                      double* sum);

// y = (x - mean(x)) / sqrt(var(x) + eps), without parameters. y may be x.
void layer_norm(const float* x, float eps, std::size_t rows, std::size_t width, float* y);

// The same, then y = y * weight + bias. weight, bias [width].
void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t rows,
                std::size_t width, float* y);

// y = layer_norm(x + z), in one pass over memory. y may be either of them.
void add_layer_norm(const float* x, const float* z, const float* weight, const float* bias, float eps,
                    std::size_t rows, std::size_t width, float* y);

enum class Activation { kGelu, kGeluTanh, kRelu, kTanh };  // kGelu: with the error function

// y = activate(x). All [n]; y may be x. The error function is accurate to 3e-7.
void activate(Activation kind, const float* x, std::size_t n, float* y);

// y = x / max(|x|_2, 1e-12). y may be x.
void l2_normalize(const float* x, std::size_t rows, std::size_t width, float* y);

// The gated linear units of MLPs (Shazeer: GLU variants improve transformer, arXiv 2002.05202).
//   kSwiGlu  silu(gate) * up                          b(g) = g
//   kGeGlu   gelu(gate) * up, gelu in its tanh form   b(g) = sqrt(8 / pi) (g + 0.044715 g^3)
//   kGeGluErf   the same with the error function
// The first two are gate * s * up with s = sigmoid(b(gate)), the last with s = (1 + erf(gate / sqrt(2))) / 2.
enum class Glu { kSwiGlu, kGeGlu, kGeGluErf };

// All [n]; y may be either of them.
void glu(Glu kind, const float* gate, const float* up, std::size_t n, float* y);

// Its backward: dgate = dy up (s + gate s'), dup = dy gate s, with s' = s (1 - s) b'(gate), or the normal density.
// All [n]; nothing aliases.
void glu_backward(Glu kind, const float* gate, const float* up, const float* dy, std::size_t n, float* dgate,
                  float* dup);

// y = x + z. All [n]; y may be either of them.
void add(const float* x, const float* z, std::size_t n, float* y);

// x = x * factor. [n]
void scale(float* x, std::size_t n, float factor);

// Rotary position embedding of the first `dim` values of each head, half-split pairs (i, i + dim / 2), in place.
// x [rows, heads, head_dim]; cosine, sine [positions, dim / 2]; row r is rotated by positions[r]. kInverse rotates in the other
// direction: it is the inverse and the backward.
enum class Direction { kForward, kInverse };
void rotate(float* x, const std::int32_t* positions, const float* cosine, const float* sine, std::size_t rows,
            std::size_t heads, std::size_t head_dim, std::size_t dim,
            Direction direction = Direction::kForward);

}  // namespace preferd::kernels
