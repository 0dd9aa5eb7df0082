// A package's body by itself, for bench/peers: token ids in, states of the last tokens out, timed.
//
//   preferd_pooled PACKAGE TOKENS.jsonl THREADS fp32|int16|int8
//
// Each line of the file is {"name", "sequences": [[ids]]}. Prints `ready VERSION`, then answers each line
// `NAME [FILE]` of standard input with the seconds of one forward of that line's sequences, packed, and
// writes the states to FILE as fp32 rows (then prints a line `written`).
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "base/json.h"
#include "base/numbers.h"
#include "model/ops/compute.h"
#include "model/ops/tensor_memory.h"
#include "model/scorer/adapted_model.h"
#include "model/scorer/build.h"

namespace preferd::bench {
namespace {

const std::map<std::string, backend::Arithmetic> kArithmetics = {
    {"fp32", backend::Arithmetic::kFp32},
    {"int16", backend::Arithmetic::kInt16},
    {"int8", backend::Arithmetic::kInt8},
};

backend::Batch batch_of(const Json& sequences) {
  backend::Batch batch;
  batch.offsets.push_back(0);
  for (const Json& ids : sequences) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      batch.ids.push_back(ids[i].get<std::int32_t>());
      batch.positions.push_back(static_cast<std::int32_t>(i));
    }
    batch.pooled.push_back(batch.segments());
    batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
    batch.parent.push_back(-1);
  }
  batch.runs.push_back({0, batch.rows(), 0});
  return batch;
}

Result<std::map<std::string, backend::Batch>> read_batches(const std::string& path) {
  std::map<std::string, backend::Batch> batches;
  std::ifstream file(path);
  if (!file) return invalid(path + ": cannot be read");
  for (std::string line; std::getline(file, line);) {
    const auto json = parse_json(line);
    if (!json) return json.error();
    batches[(*json)["name"].get<std::string>()] = batch_of((*json)["sequences"]);
  }
  return batches;
}

Status serve(const std::string& package, const std::string& tokens, int threads,
             backend::Arithmetic arithmetic) {
  const auto batches = read_batches(tokens);
  if (!batches) return batches.error();
  auto files = open_directory(package);
  if (!files) return files.error();
  const auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return encoder.error();
  const auto model = scorer::load_model(**encoder);
  if (!model) return model.error();
  const c10::InferenceMode inference;
  at::set_num_threads(1);
  ops::use_tensor_memory();
  if (const Status s = scorer::instruction_set_as_asked(); !s) return s.error();
  ops::Compute compute(threads, arithmetic);
  const std::map<std::string, checkpoint::LoraWeights>* const projections =
      &model->adapters.front().projections;

  std::cout << "ready preferd, " << scorer::instruction_set() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string name, out;
    words >> name >> out;
    const auto batch = batches->find(name);
    if (batch == batches->end()) return invalid(tokens + ": no line is named '" + name + "'");
    const auto begin = std::chrono::steady_clock::now();
    const at::Tensor states = model->bodies.front()
                                  ->pooled(compute, batch->second, package::Pooling::kLast, {&projections, 1})
                                  .contiguous();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::cout << seconds.count() << std::endl;
    if (out.empty()) continue;
    std::ofstream(out, std::ios::binary)
        .write(reinterpret_cast<const char*>(states.data_ptr<float>()),
               static_cast<std::streamsize>(states.numel() * 4));
    std::cout << "written" << std::endl;
  }
  return Ok{};
}

}  // namespace
}  // namespace preferd::bench

int main(int count, char** arguments) {
  using namespace preferd;
  const std::vector<std::string> given(arguments + 1, arguments + count);
  const auto threads = given.size() == 4 ? parse_number<int>(given[2]) : std::nullopt;
  const auto arithmetic = given.size() == 4 ? bench::kArithmetics.find(given[3]) : bench::kArithmetics.end();
  if (!threads || *threads < 1 || arithmetic == bench::kArithmetics.end()) {
    std::cerr << "usage: preferd_pooled PACKAGE TOKENS.jsonl THREADS fp32|int16|int8\n";
    return 2;
  }
  const Status status = bench::serve(given[0], given[1], *threads, arithmetic->second);
  if (status) return 0;
  std::cerr << "error: " << status.error().what << "\n";
  return 1;
}
