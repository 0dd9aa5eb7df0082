// What every stored form of a matrix has: dense.h, block4.h, int8_row.h.
//
// A new form needs a header and a source file beside these, an alternative in Matrix::form (matrix.h), and
// two overloads, which the compiler asks for: one that reads it from a checkpoint, and one that uploads it to
// a device.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>

namespace preferd::quant {

// Values [first, first + count) of a row. `begin` is where they start in the flattened matrix.
struct RowRun {
  std::size_t row, begin, count;
};

template <class F>
concept StoredForm = requires(const F& form, const RowRun& run, float* out, std::size_t rows,
                              std::size_t cols) {
  form.decode(run, out);                                    // out[i], i < run.count; any thread
  { form.address() } -> std::convertible_to<const void*>;   // of the elements; identifies a weight
  { form.bytes(rows, cols) } -> std::same_as<std::size_t>;  // of elements and scales
  { form.name() } -> std::convertible_to<const char*>;      // for people: "nf4"
  // The form of what begins with a run's row and value, in the same memory; none if no scale begins there.
  { form.from(run) } -> std::same_as<std::optional<F>>;
};

}  // namespace preferd::quant
