// Rows of a matrix as a matrix of its own.
#include "model/quant/matrix.h"

#include <gtest/gtest.h>

#include <vector>

namespace preferd::quant {
namespace {

constexpr std::int64_t kRows = 40;

std::vector<float> values(std::int64_t cols) {
  std::vector<float> x(static_cast<std::size_t>(kRows * cols));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  return x;
}

Matrix dense(const std::vector<float>& x, std::int64_t cols) {
  return {kRows, cols, Dense{reinterpret_cast<const std::byte*>(x.data()), DType::kF32}, nullptr};
}

void expect_rows(const Matrix& part, const Matrix& whole, std::int64_t first) {
  std::vector<float> got(static_cast<std::size_t>(whole.cols)), want = got;
  ASSERT_EQ(part.cols, whole.cols);
  for (std::int64_t row = 0; row < part.rows; ++row) {
    decode(part, row, 0, whole.cols, got.data());
    decode(whole, first + row, 0, whole.cols, want.data());
    EXPECT_EQ(got, want) << row;
  }
}

// `viewed`: whether the rows stay in the whole's memory and form.
void expect_range(const Matrix& whole, std::int64_t first, bool viewed) {
  const Matrix part = row_range(whole, first, 7);
  EXPECT_EQ(part.rows, 7);
  EXPECT_EQ(part.form.index(), viewed ? whole.form.index() : 0);
  EXPECT_EQ(viewed, part.owner == whole.owner);
  expect_rows(part, whole, first);
}

TEST(RowRange, SharesTheMemoryOfDenseAndInt8Rows) {
  const auto x = values(24);
  const Matrix whole = dense(x, 24);
  for (const std::int64_t first : {0, 5, 33}) {
    expect_range(whole, first, true);
    expect_range(encode_int8_row(whole, Int8Source::kAsStored), first, true);
  }
  EXPECT_EQ(stored_address(row_range(whole, 5, 7)), x.data() + std::size_t{5} * 24);
}

TEST(RowRange, SharesBlocksThatBeginWithARow) {
  const auto x = values(32);
  const Matrix whole = encode_block4(dense(x, 32), Code4::kNf4, 64, ScaleForm::kFloat);
  expect_range(whole, 0, true);
  expect_range(whole, 10, true);
  expect_range(whole, 11, false);
}

TEST(RowRange, SharesDoublyQuantizedBlocksOnlyWhereTheirScalesBeginToo) {
  const auto x = values(2048);
  const Matrix whole = encode_block4(dense(x, 2048), Code4::kFp4, 64, ScaleForm::kDouble);
  expect_range(whole, 8, true);
  expect_range(whole, 16, true);
  expect_range(whole, 17, false);
}

}  // namespace
}  // namespace preferd::quant
