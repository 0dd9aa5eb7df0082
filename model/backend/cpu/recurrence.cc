#include <algorithm>
#include <numeric>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "model/backend/cpu/cpu_backend.h"
#include "model/kernels/gemm.h"
#include "model/kernels/lstm.h"

namespace preferd::backend {
namespace {

// What the backward takes from the forward, by direction.
struct Kept {
  at::Tensor gates, cells;  // [rows, 4 hidden], [rows, hidden]; undefined if nothing is recorded
};

template <class T>
kernels::HeadRows<T> rows_from(const at::Tensor& t, std::int64_t row, std::int64_t column = 0) {
  if (!t.defined()) return {};
  return {t.data_ptr<float>() + row * t.size(1) + column, static_cast<std::size_t>(t.size(1))};
}

// W in the form of lstm_forward, as a tensor, whose memory begins at a cache line.
void pack_forward(const quant::Matrix& weight, const at::Tensor& panels) {
  const auto rows = static_cast<std::size_t>(weight.rows), cols = static_cast<std::size_t>(weight.cols);
  const std::size_t width = kernels::panel_width();
  std::vector<float> some(width * cols);
  for (std::size_t i = 0; i < rows; i += width) {
    const std::size_t count = std::min(width, rows - i);
    for (std::size_t j = 0; j < count; ++j)
      quant::decode(weight, static_cast<std::int64_t>(i + j), 0, weight.cols, some.data() + j * cols);
    kernels::pack_panel(some.data(), cols, count, cols, panels.data_ptr<float>() + i * cols);
  }
}

// W in the form of lstm_backward, with zeros after each row.
std::vector<float> backward_panel(const quant::Matrix& weight) {
  const auto rows = static_cast<std::size_t>(weight.rows);
  const std::size_t columns = kernels::lstm_columns(static_cast<std::size_t>(weight.cols));
  std::vector<float> out(rows * columns);
  for (std::size_t i = 0; i < rows; ++i)
    quant::decode(weight, static_cast<std::int64_t>(i), 0, weight.cols, out.data() + i * columns);
  return out;
}

constexpr kernels::Walk kWalks[] = {kernels::Walk::kForward, kernels::Walk::kBackward};

// Calls work(direction, first row, length, worker) for every sequence and direction.
template <class F>
void over_sequences(cpu::Workers& workers, const std::vector<std::int32_t>& offsets, F work) {
  workers.pool().run(2 * (offsets.size() - 1), [&](std::size_t i, int worker) {
    const std::int32_t first = offsets[i / 2];
    work(i % 2, first, static_cast<std::size_t>(offsets[i / 2 + 1] - first), worker);
  });
}

// Sequences by length, the longest first.
std::vector<std::size_t> longest_first(const std::vector<std::int32_t>& offsets) {
  std::vector<std::size_t> order(offsets.size() - 1);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return offsets[a + 1] - offsets[a] > offsets[b + 1] - offsets[b];
  });
  return order;
}

// Runs both directions, and as many sequences side by side as leave work for every thread.
at::Tensor run_forward(cpu::Workers& workers, const std::vector<std::int32_t>& offsets,
                       const std::array<Linear, 2>& ways, const std::array<at::Tensor, 2>& inputs,
                       const std::array<Kept, 2>& kept) {
  const std::int64_t hidden = ways[0].weight.cols;
  const auto size = static_cast<std::size_t>(hidden),
             threads = static_cast<std::size_t>(workers.pool().threads());
  at::Tensor states = at::empty({inputs[0].size(0), 2 * hidden}, at::kFloat);
  const std::vector<std::size_t> order = longest_first(offsets);
  const std::size_t side = std::clamp<std::size_t>(2 * order.size() / threads, 1, kernels::kLstmSequences);
  const std::size_t groups = (order.size() + side - 1) / side;
  const auto columns = static_cast<std::int64_t>(kernels::lstm_columns(4 * size));
  const std::array<at::Tensor, 2> panels = {at::empty({columns, hidden}, at::kFloat),
                                            at::empty({columns, hidden}, at::kFloat)};
  workers.pool().run(2, [&](std::size_t way, int) { pack_forward(ways[way].weight, panels[way]); });
  workers.pool().run(2 * groups, [&](std::size_t item, int worker) {
    const std::size_t way = item % 2, first = item / 2 * side, count = std::min(side, order.size() - first);
    std::array<kernels::LstmForward, kernels::kLstmSequences> sequences;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t row = offsets[order[first + i]];
      sequences[i] = {rows_from<const float>(inputs[way], row),
                      rows_from<float>(states, row, static_cast<std::int64_t>(way) * hidden),
                      rows_from<float>(kept[way].gates, row),
                      rows_from<float>(kept[way].cells, row),
                      static_cast<std::size_t>(offsets[order[first + i] + 1] - row),
                      kWalks[way]};
    }
    kernels::lstm_forward({size, panels[way].data_ptr<float>(), nullptr, ways[way].bias.data()},
                          std::span(sequences).first(count),
                          workers.scratch(worker, kernels::lstm_scratch(size)));
  });
  return states;
}

// The states before each row in its direction: the neighbour's, or zeros at the start of a sequence.
at::Tensor states_before(const at::Tensor& states, const std::vector<std::int32_t>& offsets,
                         std::size_t way) {
  const std::int64_t hidden = states.size(1) / 2;
  at::Tensor out = at::zeros({states.size(0), hidden}, at::kFloat);
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s)
    for (std::int32_t row = offsets[s]; row + 1 < offsets[s + 1]; ++row) {
      const std::int32_t from = way == 0 ? row : row + 1, to = way == 0 ? row + 1 : row;
      std::copy_n(rows_from<const float>(states, from, static_cast<std::int64_t>(way) * hidden).data, hidden,
                  rows_from<float>(out, to).data);
    }
  return out;
}

std::array<at::Tensor, 2> run_backward(cpu::Workers& workers, const std::vector<std::int32_t>& offsets,
                                       const std::array<Linear, 2>& ways, const std::array<Kept, 2>& kept,
                                       const at::Tensor& dh) {
  const std::int64_t hidden = ways[0].weight.cols;
  const auto size = static_cast<std::size_t>(hidden);
  std::array<at::Tensor, 2> dx = {at::empty({dh.size(0), 4 * hidden}, at::kFloat),
                                  at::empty({dh.size(0), 4 * hidden}, at::kFloat)};
  const std::vector<float> panels[] = {backward_panel(ways[0].weight), backward_panel(ways[1].weight)};
  over_sequences(workers, offsets, [&](std::size_t way, std::int32_t row, std::size_t length, int worker) {
    kernels::lstm_backward(
        {size, nullptr, panels[way].data(), nullptr},
        {rows_from<const float>(dh, row, static_cast<std::int64_t>(way) * hidden),
         rows_from<const float>(kept[way].gates, row), rows_from<const float>(kept[way].cells, row),
         rows_from<float>(dx[way], row), length, kWalks[way]},
        workers.scratch(worker, kernels::lstm_scratch(size)));
  });
  return dx;
}

}  // namespace

at::Tensor CpuBackend::bidirectional_lstm(const Context& context, const Batch& batch,
                                          const BidirectionalLstm& layer, const at::Tensor& x) {
  const Linear* projections[] = {&layer.inputs[0], &layer.inputs[1]};
  const Tensors gates = linears(context, x, projections, {});
  return run_forward(workers_, batch.offsets, layer.recurrent, {gates[0], gates[1]}, {});
}

WithBackward CpuBackend::bidirectional_lstm_with_backward(const Context& context, const Batch& batch,
                                                          const BidirectionalLstm& layer, const at::Tensor& x,
                                                          const Wanted& wanted) {
  const Linear* projections[] = {&layer.inputs[0], &layer.inputs[1]};
  const WithBackward gates =
      linears_with_backward(context, x, projections, {}, Values::kRead, {wanted.begin(), wanted.begin() + 5});
  const std::int64_t hidden = layer.recurrent[0].weight.cols, rows = x.size(0);
  std::array<Kept, 2> kept;
  for (Kept& k : kept) k = {at::empty({rows, 4 * hidden}, at::kFloat), at::empty({rows, hidden}, at::kFloat)};
  const at::Tensor states =
      run_forward(workers_, batch.offsets, layer.recurrent, {gates.out[0], gates.out[1]}, kept);
  return {{states},
          [this, &layer, wanted, kept, states, offsets = batch.offsets,
           of_inputs = gates.backward](const Tensors& dy) {
            const auto dx = run_backward(workers_, offsets, layer.recurrent, kept, dy[0]);
            Tensors gradients = of_inputs({dx[0], dx[1]});
            for (std::size_t way = 0; way < 2; ++way) {
              gradients.push_back(wanted[5 + 2 * way] ? dx[way].t().mm(states_before(states, offsets, way))
                                                      : at::Tensor());
              gradients.push_back(wanted[6 + 2 * way] ? dx[way].sum(0) : at::Tensor());
            }
            return gradients;
          }};
}

}  // namespace preferd::backend
