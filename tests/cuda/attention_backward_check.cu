// Checks the CUDA attention's gradients against loops in double precision, and that they are the same bits in
// every run. Prints a line for each case; exits nonzero if one failed. With an argument, such as "d 256", only
// cases whose names contain it run.
#include <cmath>
#include <cstring>

#include "tests/cuda/attention_case.h"

namespace preferd::kernels::cuda {
namespace {

struct Gradients {
  std::vector<__nv_bfloat16> q, k, v;
};

Gradients run(const Inputs& in, const PackedBatch& batch, const std::vector<__nv_bfloat16>& out_gradient,
              std::int64_t offset) {
  std::vector<__nv_bfloat16> shifted(static_cast<std::size_t>(offset));
  shifted.insert(shifted.end(), in.qkv.begin(), in.qkv.end());
  const DeviceArray<__nv_bfloat16> qkv(shifted), d_out(out_gradient);
  const DeviceArray<AttentionTile> tiles(batch.tiles);
  const DeviceArray<KeyRun> runs(batch.runs);
  const DeviceArray<KeyTile> key_tiles(batch.key_tiles);
  const DeviceArray<QueryRun> query_runs(batch.query_runs);
  const auto queries = static_cast<std::size_t>(batch.queries), rows = static_cast<std::size_t>(batch.rows);
  const auto q_columns = static_cast<std::size_t>(in.q_columns()),
             kv_columns = static_cast<std::size_t>(in.kv_columns());
  const __nv_bfloat16 poison = __float2bfloat16(std::numeric_limits<float>::quiet_NaN());
  const DeviceArray<__nv_bfloat16> out(queries * q_columns);
  const DeviceArray<__nv_bfloat16> dq(std::vector<__nv_bfloat16>(queries * q_columns, poison));
  const DeviceArray<__nv_bfloat16> dk(std::vector<__nv_bfloat16>(rows * kv_columns, poison));
  const DeviceArray<__nv_bfloat16> dv(std::vector<__nv_bfloat16>(rows * kv_columns, poison));
  const DeviceArray<float> lse(queries * in.shape.query_heads), delta(queries * in.shape.query_heads);
  const __nv_bfloat16* base = qkv.data() + offset;
  const Rows<const __nv_bfloat16> q{base, in.stride}, k{base + in.q_columns(), in.stride},
      v{base + in.q_columns() + in.kv_columns(), in.stride};
  must(attend(nullptr, in.shape, tiles.data(), static_cast<std::int32_t>(batch.tiles.size()), runs.data(), q,
              k, v, {out.data(), in.q_columns()}, lse.data()),
       "attend");
  const AttentionLayout layout{
      tiles.data(),     static_cast<std::int32_t>(batch.tiles.size()),     runs.data(),
      key_tiles.data(), static_cast<std::int32_t>(batch.key_tiles.size()), query_runs.data()};
  const AttentionBackward tensors{q,
                                  k,
                                  v,
                                  {out.data(), in.q_columns()},
                                  {d_out.data(), in.q_columns()},
                                  lse.data(),
                                  delta.data(),
                                  {dq.data(), in.q_columns()},
                                  {dk.data(), in.kv_columns()},
                                  {dv.data(), in.kv_columns()}};
  must(attend_backward(nullptr, in.shape, layout, tensors), "attend_backward");
  must(cudaDeviceSynchronize(), "attend_backward");
  return {dq.get(), dk.get(), dv.get()};
}

struct Exact {
  std::vector<double> q, k, v;
};

Exact reference(const Inputs& in, const PackedBatch& batch, const std::vector<__nv_bfloat16>& out_gradient) {
  const AttentionShape& s = in.shape;
  const std::size_t d = s.head_dim, group = s.query_heads / s.kv_heads;
  Exact g{std::vector<double>(static_cast<std::size_t>(batch.queries) * s.query_heads * d),
          std::vector<double>(static_cast<std::size_t>(batch.rows) * s.kv_heads * d),
          std::vector<double>(static_cast<std::size_t>(batch.rows) * s.kv_heads * d)};
  std::vector<double> score, bend, weight, product;
  for (std::size_t t = 0; t < batch.tiles.size(); ++t)
    for (std::int32_t i = 0; i < batch.tiles[t].queries; ++i)
      for (std::size_t h = 0; h < s.query_heads; ++h) {
        const auto& line = batch.lines[static_cast<std::size_t>(batch.tile_segment[t])];
        const std::int32_t query = batch.tiles[t].first_query + i,
                           position = batch.tiles[t].first_position + i;
        const std::int32_t oldest = s.window > 0 ? std::max(0, position - s.window + 1) : 0;
        const std::size_t kv = h / group, own = (static_cast<std::size_t>(query) * s.query_heads + h) * d;
        const auto up = [&](std::size_t c) {
          return static_cast<double>(__bfloat162float(out_gradient[own + c]));
        };
        score.clear(), bend.clear(), weight.clear(), product.clear();
        double total = 0, delta = 0;
        for (std::int32_t p = oldest; p <= position; ++p) {
          const std::int32_t row = line[static_cast<std::size_t>(p)];
          double x = 0, y = 0;
          for (std::size_t c = 0; c < d; ++c) {
            x += in.q(query, h, c) * in.k(row, kv, c);
            y += up(c) * in.v(row, kv, c);
          }
          x *= static_cast<double>(s.scale);
          const double cap = static_cast<double>(s.softcap), tanh = cap > 0 ? std::tanh(x / cap) : 0;
          score.push_back(cap > 0 ? cap * tanh : x);
          bend.push_back(1 - tanh * tanh);
          product.push_back(y);
        }
        const double top = *std::max_element(score.begin(), score.end());
        for (const double x : score) weight.push_back(std::exp(x - top));
        for (const double w : weight) total += w;
        for (std::size_t n = 0; n < weight.size(); ++n) delta += (weight[n] /= total) * product[n];
        for (std::int32_t p = oldest; p <= position; ++p) {
          const auto n = static_cast<std::size_t>(p - oldest);
          const std::int32_t row = line[static_cast<std::size_t>(p)];
          const double ds = weight[n] * (product[n] - delta) * bend[n] * static_cast<double>(s.scale);
          const std::size_t key = (static_cast<std::size_t>(row) * s.kv_heads + kv) * d;
          for (std::size_t c = 0; c < d; ++c) {
            g.q[own + c] += ds * in.k(row, kv, c);
            g.k[key + c] += ds * in.q(query, h, c);
            g.v[key + c] += weight[n] * up(c);
          }
        }
      }
  return g;
}

// Over the rows of a batch that belong to somebody; rows of nobody must be left as they were.
double error(const std::vector<__nv_bfloat16>& got, const std::vector<double>& want, std::size_t columns,
             const std::vector<bool>& owned) {
  double difference = 0, whole = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto mine = static_cast<double>(__bfloat162float(got[i]));
    if (!owned[i / columns]) {
      if (!std::isnan(mine)) return INFINITY;
      continue;
    }
    difference += (mine - want[i]) * (mine - want[i]);
    whole += want[i] * want[i];
  }
  return std::sqrt(difference / whole);
}

void check(const AttentionShape& s, const std::vector<Segment>& segments, Asking asking, std::int64_t offset,
           const char* what) {
  if (!is_wanted(name_of(s))) return;
  PackedBatch batch = packed_batch(segments, cuda::query_tile(s), asking, 3);
  add_key_tiles(segments, key_tile(s), asking, batch);
  Inputs in = random_inputs(s, batch.rows, 1.5f, 21, offset);
  if (asking == Asking::kAllRows) spoil(in, batch, -1);
  const auto out_gradient = random_rows(static_cast<std::size_t>(batch.queries * in.q_columns()), 1, 22);
  const Gradients got = run(in, batch, out_gradient, offset), again = run(in, batch, out_gradient, offset);
  const Exact want = reference(in, batch, out_gradient);
  std::vector<bool> keys(static_cast<std::size_t>(batch.rows), false);
  for (const auto& line : batch.lines)
    for (const std::int32_t row : line) keys[static_cast<std::size_t>(row)] = true;
  const std::vector<bool> queries =
      asking == Asking::kAllRows ? keys : std::vector<bool>(static_cast<std::size_t>(batch.queries), true);
  const auto kv_columns = static_cast<std::size_t>(in.kv_columns());
  const double q = error(got.q, want.q, static_cast<std::size_t>(in.q_columns()), queries);
  const double k = error(got.k, want.k, kv_columns, keys), v = error(got.v, want.v, kv_columns, keys);
  const auto same = [](const auto& a, const auto& b) {
    return std::memcmp(a.data(), b.data(), a.size() * 2) == 0;
  };
  const bool repeated = same(got.q, again.q) && same(got.k, again.k) && same(got.v, again.v);
  report(q <= 1e-2 && k <= 1e-2 && v <= 1e-2 && repeated,
         text("%-44s %s: errors q %.2e, k %.2e, v %.2e%s", name_of(s).c_str(), what, q, k, v,
              repeated ? "" : ", other bits when run again"));
}

void check_all() {
  const std::vector<Segment> few = {{150}, {1}, {77}, {129, 0}, {64}, {100, 3}};
  for (const std::size_t dim : {std::size_t{8}, std::size_t{30}, std::size_t{64}, std::size_t{80},
                                std::size_t{128}, std::size_t{192}, std::size_t{256}})
    for (const float cap : {0.0f, 5.0f, 90.0f})
      for (const std::int32_t window : {0, 60})
        check(shape_of(4, 2, dim, cap, window), few, Asking::kAllRows, 0, "all");
  for (const auto& [q, kv] :
       {std::pair<std::size_t, std::size_t>{9, 3}, {7, 1}, {10, 2}, {1, 1}, {150, 1}, {80, 1}})
    check(shape_of(q, kv, 64, 0, 0), few, Asking::kAllRows, 0, "all");
  const AttentionShape gemma = shape_of(16, 8, 256, 50, 0);
  check(gemma, {{400}, {333, 0}}, Asking::kAllRows, 0, "longer");
  check(shape_of(9, 3, 64, 0, 0), few, Asking::kAllRows, 2, "rows not aligned");
  check(gemma, few, Asking::kLastRows, 0, "last queries");
  check(shape_of(4, 2, 64, 0, 30), few, Asking::kLastRows, 0, "last queries");
  check(shape_of(4, 2, 128, 5, 30), {{500}, {70, 0}}, Asking::kLastRows, 0, "keys that nobody sees");
  report(attend_backward(nullptr, shape_of(3, 2, 64, 0, 0), {}, {}) == cudaErrorInvalidValue,
         "shapes that are not supported are refused");
  report(attend_backward(nullptr, gemma, {}, {}) == cudaSuccess, "no tiles, no work");
}

}  // namespace
}  // namespace preferd::kernels::cuda

int main(int argc, char** argv) {
  if (argc > 1) preferd::kernels::cuda::wanted = argv[1];
  preferd::kernels::cuda::check_all();
  std::printf("%d failed\n", preferd::kernels::cuda::failures);
  return preferd::kernels::cuda::failures == 0 ? 0 : 1;
}
