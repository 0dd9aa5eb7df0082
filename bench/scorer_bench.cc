// The embedded package from encoded pairs to verdicts, beside SGEMM of one of its linears.
//
// Tokens are those that the model sees: a prompt that both responses follow counts once. Counted FLOP are 2
// for each token and parameter of base and adapter linears, and causal attention. The last layer counts what
// it computes: keys and values of all tokens and the rest for the last one of each sequence.
#include "base/json.h"
#include "bench/beside.h"
#include "bench/text.h"
#include "model/default/default_package.h"
#include "model/scorer/load.h"
#include "model/scorer/packer.h"

namespace preferd::bench {
namespace {

std::shared_ptr<const Files> package() {
  const auto files = embedded::default_package();
  PREFERD_CHECK(files);
  return *files;
}

std::shared_ptr<scorer::Scorer> scorer(int threads, scorer::ComputeType compute) {
  const auto loaded = scorer::load_scorer(
      package(), {.threads = threads, .compute = compute, .golden = scorer::Golden::kSkip});
  PREFERD_CHECK(loaded);
  return *loaded;
}

Json read_json(const char* file) {
  const auto bytes = package()->open(file);
  PREFERD_CHECK(bytes);
  const auto json = parse_json(bytes->text());
  PREFERD_CHECK(json);
  return *json;
}

// FLOP of one forward of a batch by the embedded model.
double flops(const backend::Batch& batch) {
  static const Json config = read_json("base/config.json"),
                    adapter = read_json("adapter/adapter_config.json");
  const double hidden = config["hidden_size"], inner = config["intermediate_size"], rank = adapter["r"],
               layers = config["num_hidden_layers"], head = config["head_dim"];
  const double q = head * static_cast<double>(config["num_attention_heads"]),
               kv = head * static_cast<double>(config["num_key_value_heads"]);
  const auto linear = [&](double in, double out) { return 2.0 * (in * out + rank * (in + out)); };
  const double keys = 2.0 * linear(hidden, kv), rest = linear(hidden, q) + linear(q, hidden) +
                                                       2.0 * linear(hidden, inner) + linear(inner, hidden);
  double visible = 0, visible_last = 0;
  for (const std::int32_t p : batch.positions) visible += p + 1;
  for (const std::int32_t s : batch.pooled)
    visible_last +=
        batch.positions[static_cast<std::size_t>(batch.offsets[static_cast<std::size_t>(s) + 1] - 1)] + 1;
  const double rows = batch.rows(), pooled = static_cast<double>(batch.pooled.size());
  return layers * rows * keys + ((layers - 1) * rows + pooled) * rest +
         4.0 * q * ((layers - 1) * visible + visible_last);
}

// A pair that packs to at least `tokens` and exceeds them by less than a few words: one fifth is the prompt,
// the rest two responses.
scorer::Encoded pair_of(const scorer::Scorer& from, std::size_t tokens, unsigned seed) {
  const std::string prompt = english(tokens * 4, seed), a = english(tokens * 4, seed + 1),
                    b = english(tokens * 4, seed + 2);
  for (std::size_t bytes = tokens;; bytes += 8) {
    scorer::Ask ask;
    ask.pair = {prompt.substr(0, bytes / 5), a.substr(0, bytes * 2 / 5), b.substr(0, bytes * 2 / 5)};
    const auto encoded = from.encode(ask);
    PREFERD_CHECK(encoded && bytes < tokens * 10);
    const scorer::Encoded* const item = &*encoded;
    if (static_cast<std::size_t>(scorer::pack({&item, 1}, scorer::Prefixes::kShared).rows()) >= tokens)
      return *encoded;
  }
}

void score(benchmark::State& state, scorer::ComputeType compute) {
  const auto pairs = static_cast<std::size_t>(state.range(0)),
             tokens = static_cast<std::size_t>(state.range(1));
  const auto threads = static_cast<int>(state.range(2));
  const auto judge = scorer(threads, compute);
  std::vector<scorer::Encoded> encoded;
  for (std::size_t i = 0; i < pairs; ++i)
    encoded.push_back(pair_of(*judge, tokens, static_cast<unsigned>(10 * i)));
  std::vector<const scorer::Encoded*> items;
  for (const scorer::Encoded& e : encoded) items.push_back(&e);
  double size = 0;
  for (const scorer::Encoded* item : items)
    size += flops(scorer::pack({&item, 1}, scorer::Prefixes::kShared));

  ThreadPool pool(threads);
  beside(state, threads, {[&] { benchmark::DoNotOptimize(judge->score(items)); }, size},
         sgemm(pool, 512, 576, 576), "FLOP/s; SGEMM 512x576x576");
  const double per_second = state.counters["rate"] / size;
  state.counters["tokens/s"] = per_second * scorer::pack(items, scorer::Prefixes::kShared).rows();
  state.counters["pairs/s"] = per_second * static_cast<double>(pairs);
}
void cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"pairs", "tokens", "threads"});
  for (const int threads : {1, 2})
    for (const int tokens : {100, 300, 500, 1000}) b->Args({1, tokens, threads});
  in_rounds(b, 5);
}
void many(benchmark::internal::Benchmark* b) {
  b->ArgNames({"pairs", "tokens", "threads"})->Args({16, 300, 1})->Args({16, 300, 2});
  in_rounds(b, 3);
}
BENCHMARK_CAPTURE(score, fp32, scorer::ComputeType::kFp32)->Apply(cases)->Name("score/fp32");
BENCHMARK_CAPTURE(score, int16, scorer::ComputeType::kInt16)->Apply(cases)->Name("score/int16");
BENCHMARK_CAPTURE(score, int8, scorer::ComputeType::kInt8)->Apply(cases)->Name("score/int8");
BENCHMARK_CAPTURE(score, fp32, scorer::ComputeType::kFp32)->Apply(many)->Name("score/fp32");
BENCHMARK_CAPTURE(score, int16, scorer::ComputeType::kInt16)->Apply(many)->Name("score/int16");
BENCHMARK_CAPTURE(score, int8, scorer::ComputeType::kInt8)->Apply(many)->Name("score/int8");

// The text side of a pair of 2000 bytes (template, tokens, features) beside a copy of its texts.
void score_encode(benchmark::State& state) {
  const auto judge = scorer(1, scorer::ComputeType::kAuto);
  scorer::Ask ask;
  ask.pair = {english(400, 1), english(800, 2), english(800, 3)};
  const double bytes =
      static_cast<double>(ask.pair.prompt.size() + ask.pair.response_a.size() + ask.pair.response_b.size());
  const auto run = [&] { benchmark::DoNotOptimize(judge->encode(ask)); };
  beside(state, 1, {run, bytes}, copy(static_cast<std::size_t>(bytes)), "B/s; memcpy of the texts");
}
BENCHMARK(score_encode)->Apply([](auto* b) { in_rounds(b); });

}  // namespace
}  // namespace preferd::bench
