// Checks the CUDA attention against three loops in double precision, and its promise of the same bits in any
// batch. Prints a line for each case; exits nonzero if one failed. With an argument, such as "d 256", only cases
// whose names contain it run.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <thread>

#include "tests/cuda/attention_case.h"

namespace preferd::kernels::cuda {
namespace {

struct Outputs {
  std::vector<__nv_bfloat16> out;  // [queries, query_heads * head_dim]
  std::vector<float> log_sum_exp;  // [queries, query_heads]
};

Outputs run(const Inputs& in, const PackedBatch& batch, std::int64_t offset = 0) {
  std::vector<__nv_bfloat16> shifted(static_cast<std::size_t>(offset));
  shifted.insert(shifted.end(), in.qkv.begin(), in.qkv.end());
  const DeviceArray<__nv_bfloat16> qkv(shifted);
  const DeviceArray<AttentionTile> tiles(batch.tiles);
  const DeviceArray<KeyRun> runs(batch.runs);
  const auto queries = static_cast<std::size_t>(batch.queries);
  const std::size_t columns = in.shape.query_heads * in.shape.head_dim;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const DeviceArray<__nv_bfloat16> out(std::vector<__nv_bfloat16>(queries * columns, __float2bfloat16(nan)));
  const DeviceArray<float> lse(std::vector<float>(queries * in.shape.query_heads, nan));
  const __nv_bfloat16* base = qkv.data() + offset;
  must(attend(nullptr, in.shape, tiles.data(), static_cast<std::int32_t>(batch.tiles.size()), runs.data(),
              {base, in.stride}, {base + in.q_columns(), in.stride},
              {base + in.q_columns() + in.kv_columns(), in.stride},
              {out.data(), static_cast<std::int64_t>(columns)}, lse.data()),
       "attend");
  must(cudaDeviceSynchronize(), "attend");
  return {out.get(), lse.get()};
}

double to_bf16(double x) {
  return static_cast<double>(__bfloat162float(__float2bfloat16(static_cast<float>(x))));
}

// The query in row `query` of q, at `position` of a line of rows: what it gets, in double precision, or
// (kEager) as bf16 tensors with an fp32 softmax between them give it.
enum class Way { kExact, kEager };
double attend_one(const Inputs& in, const std::vector<std::int32_t>& line, std::int32_t query,
                  std::int32_t position, std::size_t head, Way way, std::vector<double>& out) {
  const AttentionShape& s = in.shape;
  const std::size_t kv = head / (s.query_heads / s.kv_heads);
  const auto round = [&](double x) { return way == Way::kEager ? to_bf16(x) : x; };
  const std::int32_t oldest = s.window > 0 ? std::max(0, position - s.window + 1) : 0;
  std::vector<double> scores;
  double top = -std::numeric_limits<double>::infinity(), total = 0;
  for (std::int32_t p = oldest; p <= position; ++p) {
    double score = 0;
    for (std::size_t i = 0; i < s.head_dim; ++i)
      score += in.q(query, head, i) * in.k(line[static_cast<std::size_t>(p)], kv, i);
    score = round(round(score) * static_cast<double>(s.scale));
    if (s.softcap > 0)
      score = round(round(std::tanh(round(score / static_cast<double>(s.softcap)))) *
                    static_cast<double>(s.softcap));
    scores.push_back(score);
    top = std::max(top, score);
  }
  for (const double score : scores) total += std::exp(score - top);
  out.assign(s.head_dim, 0);
  for (std::int32_t p = oldest; p <= position; ++p) {
    const double weight = round(std::exp(scores[static_cast<std::size_t>(p - oldest)] - top) / total);
    for (std::size_t i = 0; i < s.head_dim; ++i)
      out[i] += weight * in.v(line[static_cast<std::size_t>(p)], kv, i);
  }
  for (double& x : out) x = round(x);
  return top + std::log(total);
}

// Every `step`-th query of the batch against the reference.
void check_values(const std::string& name, const Inputs& in, const PackedBatch& batch, std::int32_t step) {
  if (!is_wanted(name)) return;
  const Outputs got = run(in, batch);
  const AttentionShape& s = in.shape;
  struct Sum {
    double difference = 0, eager = 0, whole = 0, lse = 0;
  };
  const std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Sum> sums(workers);
  std::vector<std::thread> threads;
  for (std::size_t w = 0; w < workers; ++w)
    threads.emplace_back([&, w] {
      std::vector<double> exact, eager;
      std::size_t number = 0;
      for (std::size_t t = 0; t < batch.tiles.size(); ++t)
        for (std::int32_t i = 0; i < batch.tiles[t].queries; ++i, ++number) {
          if (number % static_cast<std::size_t>(step) != 0 ||
              number / static_cast<std::size_t>(step) % workers != w)
            continue;
          const AttentionTile& tile = batch.tiles[t];
          const auto& line = batch.lines[static_cast<std::size_t>(batch.tile_segment[t])];
          const std::int32_t query = tile.first_query + i, position = tile.first_position + i;
          for (std::size_t h = 0; h < s.query_heads; ++h) {
            const double lse = attend_one(in, line, query, position, h, Way::kExact, exact);
            attend_one(in, line, query, position, h, Way::kEager, eager);
            const auto row = static_cast<std::size_t>(query);
            for (std::size_t d = 0; d < s.head_dim; ++d) {
              const auto mine =
                  static_cast<double>(__bfloat162float(got.out[(row * s.query_heads + h) * s.head_dim + d]));
              sums[w].difference += (mine - exact[d]) * (mine - exact[d]);
              sums[w].eager += (eager[d] - exact[d]) * (eager[d] - exact[d]);
              sums[w].whole += exact[d] * exact[d];
            }
            const double off = std::abs(static_cast<double>(got.log_sum_exp[row * s.query_heads + h]) - lse);
            if (!(off <= sums[w].lse)) sums[w].lse = off;
          }
        }
    });
  for (auto& t : threads) t.join();
  Sum all;
  for (const Sum& sum : sums) {
    all.difference += sum.difference;
    all.eager += sum.eager;
    all.whole += sum.whole;
    if (!(sum.lse <= all.lse)) all.lse = sum.lse;
  }
  const double error = std::sqrt(all.difference / all.whole), eager = std::sqrt(all.eager / all.whole);
  report(error <= 4e-3 && all.lse <= 2e-3,
         text("%-44s error %.2e (eager bf16 %.2e), log-sum-exp off by %.1e at most", name.c_str(), error,
              eager, all.lse));
}

// Copies the rows of one line to another of the same length.
void copy_line(const Inputs& from, const std::vector<std::int32_t>& source, Inputs& to,
               const std::vector<std::int32_t>& target) {
  for (std::size_t i = 0; i < source.size(); ++i)
    std::copy_n(from.qkv.begin() + source[i] * from.stride, from.stride,
                to.qkv.begin() + target[i] * to.stride);
}

bool same_bits(const Outputs& a, std::int32_t a_row, const Outputs& b, std::int32_t b_row,
               const AttentionShape& s) {
  const std::size_t columns = s.query_heads * s.head_dim;
  const auto i = static_cast<std::size_t>(a_row), j = static_cast<std::size_t>(b_row);
  return std::memcmp(&a.out[i * columns], &b.out[j * columns], columns * 2) == 0 &&
         std::memcmp(&a.log_sum_exp[i * s.query_heads], &b.log_sum_exp[j * s.query_heads],
                     s.query_heads * 4) == 0;
}

// One sequence alone; in a batch, in tiles of another size; behind a shared prefix; and its last query asked
// alone: all the same bits, whatever stands around.
void check_bits(const AttentionShape& s) {
  if (!is_wanted(name_of(s))) return;
  const std::int32_t length = 337, prefix = 171, tile = cuda::query_tile(s);
  const PackedBatch alone = packed_batch({{length}}, tile, Asking::kAllRows, 0);
  const Inputs in = random_inputs(s, alone.rows, 2, 1);
  const Outputs want = run(in, alone);

  const auto compare = [&](const char* what, const PackedBatch& batch, std::size_t segment, std::int32_t from,
                           std::int64_t offset, std::int64_t extra) {
    Inputs other = random_inputs(s, batch.rows, 3, 2, extra);
    spoil(other, batch, 0);  // segment 0 is someone's bad luck
    copy_line(in, alone.lines[0], other, batch.lines[segment]);
    const Outputs got = run(other, batch, offset);
    std::int32_t wrong = 0;
    for (std::int32_t p = from; p < length; ++p)
      wrong += same_bits(want, p, got, batch.lines[segment][static_cast<std::size_t>(p)], s) ? 0 : 1;
    report(wrong == 0,
           text("%-44s bits of %d queries, %s: %d differ", name_of(s).c_str(), length - from, what, wrong));
  };
  const std::vector<Segment> flat = {{75}, {200}, {length}, {1}, {500}};
  const std::vector<Segment> shared = {{60}, {prefix}, {90, 1}, {length - prefix, 1}, {700, 1}};
  compare("in a batch", packed_batch(flat, tile, Asking::kAllRows, 3), 2, 0, 0, 0);
  compare("in odd tiles", packed_batch(flat, std::max(1, tile / 2 - 1), Asking::kAllRows, 1), 2, 0, 0, 0);
  compare("one query a tile", packed_batch(flat, 1, Asking::kAllRows, 0), 2, 0, 0, 0);
  compare("rows not aligned", packed_batch(flat, tile, Asking::kAllRows, 0), 2, 0, 2, 2);
  compare("behind a prefix", packed_batch(shared, tile, Asking::kAllRows, 5), 3, prefix, 0, 0);

  const PackedBatch pooled = packed_batch(shared, tile, Asking::kLastRows, 2);
  Inputs other = random_inputs(s, pooled.rows, 3, 3);
  spoil(other, pooled, 0);
  copy_line(in, alone.lines[0], other, pooled.lines[3]);
  std::copy_n(in.qkv.begin() + (length - 1) * in.stride, in.q_columns(),
              other.qkv.begin() + 3 * other.stride);
  report(same_bits(want, length - 1, run(other, pooled), 3, s),
         text("%-44s bits of the last query, asked alone", name_of(s).c_str()));
}

void check_all() {
  const std::vector<Segment> few = {{300}, {1}, {77}, {129, 0}, {64}, {250, 3}};
  for (const std::size_t dim :
       {std::size_t{8}, std::size_t{16}, std::size_t{30}, std::size_t{32}, std::size_t{64}, std::size_t{80},
        std::size_t{128}, std::size_t{192}, std::size_t{256}})
    for (const float cap : {0.0f, 50.0f, 90.0f})
      for (const std::int32_t window : {0, 100}) {
        const AttentionShape s = shape_of(4, 2, dim, cap, window);
        const PackedBatch batch = packed_batch(few, cuda::query_tile(s), Asking::kAllRows, 2);
        Inputs in = random_inputs(s, batch.rows, 1, 7);
        spoil(in, batch, -1);
        check_values(name_of(s), in, batch, 5);
      }
  for (const auto& [q, kv] : {std::pair<std::size_t, std::size_t>{9, 3}, {7, 1}, {40, 8}, {1, 1}, {150, 1}}) {
    const AttentionShape s = shape_of(q, kv, 64, 0, 0);
    const PackedBatch batch = packed_batch(few, cuda::query_tile(s), Asking::kAllRows, 0);
    check_values(name_of(s), random_inputs(s, batch.rows, 2, 8), batch, 11);
  }
  const AttentionShape gemma = shape_of(16, 8, 256, 50, 0);
  for (const float spread : {1.0f, 10.0f, 40.0f, 200.0f}) {
    const PackedBatch batch = packed_batch(few, cuda::query_tile(gemma), Asking::kAllRows, 0);
    check_values(name_of(gemma) + text(", scores of %g", static_cast<double>(spread)),
                 random_inputs(gemma, batch.rows, spread, 9), batch, 11);
  }
  const PackedBatch large =
      packed_batch({{2048}, {2048}, {1500}, {548, 0}}, cuda::query_tile(gemma), Asking::kAllRows, 0);
  check_values(name_of(gemma) + ", 2048 keys", random_inputs(gemma, large.rows, 3, 10), large, 97);
  const PackedBatch pooled =
      packed_batch({{2048}, {300}, {548, 0}}, cuda::query_tile(gemma), Asking::kLastRows, 0);
  check_values(name_of(gemma) + ", last queries", random_inputs(gemma, pooled.rows, 3, 11), pooled, 1);

  for (const auto& [q, kv, dim] :
       {std::tuple<std::size_t, std::size_t, std::size_t>{9, 3, 64}, {4, 4, 16}, {10, 2, 128}, {4, 2, 256}})
    for (const float cap : {0.0f, 50.0f})
      for (const std::int32_t window : {0, 70}) check_bits(shape_of(q, kv, dim, cap, window));

  bool refused = true;
  for (const AttentionShape& s :
       {shape_of(3, 2, 64, 0, 0), shape_of(2, 2, 258, 0, 0), shape_of(2, 2, 7, 0, 0)}) {
    refused = refused && !attention_supported(s) &&
              attend(nullptr, s, nullptr, 1, nullptr, {}, {}, {}, {}, nullptr) == cudaErrorInvalidValue;
  }
  report(refused, "shapes that are not supported are refused");
  report(attend(nullptr, gemma, nullptr, 0, nullptr, {}, {}, {}, {}, nullptr) == cudaSuccess,
         "no tiles, no work");
}

}  // namespace
}  // namespace preferd::kernels::cuda

int main(int argc, char** argv) {
  if (argc > 1) preferd::kernels::cuda::wanted = argv[1];
  preferd::kernels::cuda::check_all();
  std::printf("%d failed\n", preferd::kernels::cuda::failures);
  return preferd::kernels::cuda::failures == 0 ? 0 : 1;
}
