// Times a package on a GPU: whole forwards of rows from a file, or of single pairs of some lengths.
//
//   engine_bench PACKAGE ROWS [--device cuda] [--residency auto] [--compute auto] [--pairs 8] [--repeats 10]
//   engine_bench PACKAGE --tokens 64,128,512 [...]
//
// Pairs are encoded beforehand; those of --tokens are English, as close to that many tokens as words allow.
// Prints one JSON line per batch: pairs/s and tokens/s of the median, its milliseconds, the device and what
// ran.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "bench/text.h"
#include "model/scorer/load.h"

namespace {

using namespace preferd;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(1);
}

struct Options {
  std::string package, rows, device = "cuda", residency = "auto", compute = "auto";
  std::size_t pairs = 8;
  std::vector<std::size_t> tokens;
  int repeats = 10;
};

std::vector<std::size_t> numbers(const std::string& list) {
  std::vector<std::size_t> out;
  std::istringstream in(list);
  for (std::string number; std::getline(in, number, ',');) out.push_back(std::stoul(number));
  return out;
}

Options parse(int argc, char** argv) {
  if (argc < 3) die("usage: engine_bench PACKAGE [ROWS] [--flag value ...]");
  Options o;
  o.package = argv[1];
  const int flags = argv[2][0] == '-' ? 2 : 3;
  if (flags == 3) o.rows = argv[2];
  for (int i = flags; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--device")
      o.device = value;
    else if (flag == "--residency")
      o.residency = value;
    else if (flag == "--compute")
      o.compute = value;
    else if (flag == "--pairs")
      o.pairs = std::stoul(value);
    else if (flag == "--tokens")
      o.tokens = numbers(value);
    else if (flag == "--repeats")
      o.repeats = std::stoi(value);
    else
      die("unknown flag " + flag);
  }
  if (o.rows.empty() == o.tokens.empty()) die("expected ROWS or --tokens, and not both");
  return o;
}

scorer::LoadOptions load_options(const Options& o) {
  const auto devices = scorer::parse_devices(o.device);
  if (!devices) die(devices.error().what);
  scorer::LoadOptions load{.golden = scorer::Golden::kSkip, .devices = *devices};
  if (const auto residency = value_of<scorer::Residency>(o.residency)) load.residency = *residency;
  if (o.compute == "fp32") load.compute = scorer::ComputeType::kFp32;
  return load;
}

scorer::Encoded encoded(const scorer::Scorer& scorer, const text::Pair& pair) {
  auto e = scorer.encode({pair, "", scorer::Swap::kNone, scorer::Overflow::kPackage});
  if (!e) die(e.error().what);
  return std::move(*e);
}

std::vector<scorer::Encoded> encoded_rows(const scorer::Scorer& scorer, const Options& o) {
  std::ifstream in(o.rows);
  std::vector<scorer::Encoded> out;
  for (std::string line; out.size() < o.pairs && std::getline(in, line);) {
    const auto row = nlohmann::json::parse(line);
    out.push_back(encoded(scorer, {row.at("prompt"), row.at("response_a"), row.at("response_b")}));
  }
  if (out.size() < o.pairs) die(o.rows + " has " + std::to_string(out.size()) + " rows");
  return out;
}

// The best of some guesses, each from the length of the one before.
scorer::Encoded pair_of(const scorer::Scorer& scorer, std::size_t tokens) {
  const auto of_length = [&](std::size_t bytes) {
    return encoded(scorer, {preferd::bench::english(bytes / 5, 1), preferd::bench::english(bytes * 2 / 5, 2),
                            preferd::bench::english(bytes * 2 / 5, 3)});
  };
  const auto distance = [&](const scorer::Encoded& e) {
    return std::abs(static_cast<double>(e.tokens.total) - static_cast<double>(tokens));
  };
  std::size_t bytes = tokens * 4;
  scorer::Encoded best = of_length(bytes), last = best;
  for (int i = 0; i < 8; ++i) {
    bytes = std::max<std::size_t>(bytes * tokens / static_cast<std::size_t>(last.tokens.total), 5);
    last = of_length(bytes);
    if (distance(last) < distance(best)) best = last;
  }
  return best;
}

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

struct Times {
  double median = 0, fastest = 0;  // seconds
  Clock::time_point first;         // when the first batch was done
};

Times timed(scorer::Scorer& scorer, const std::vector<const scorer::Encoded*>& items, int repeats) {
  constexpr int kWarm = 3;
  Times times;
  std::vector<double> all;
  for (int i = -kWarm; i < repeats; ++i) {
    const auto start = Clock::now();
    for (const auto& verdict : scorer.score(items))
      if (!verdict) die(verdict.error().what);
    const auto end = Clock::now();
    if (i == -kWarm) times.first = end;
    if (i >= 0) all.push_back(seconds(end - start));
  }
  std::sort(all.begin(), all.end());
  times.median = all[all.size() / 2];
  times.fastest = all.front();
  return times;
}

void report(scorer::Scorer& scorer, const std::vector<scorer::Encoded>& rows, int repeats,
            Clock::time_point begin) {
  std::vector<const scorer::Encoded*> items;
  std::size_t tokens = 0;
  for (const scorer::Encoded& e : rows)
    items.push_back(&e), tokens += static_cast<std::size_t>(e.tokens.total);
  const Times times = timed(scorer, items, repeats);
  const scorer::ScorerInfo& info = scorer.info();
  std::printf("%s\n", nlohmann::json({{"device", info.device},
                                      {"compute", info.compute},
                                      {"residency", info.residency},
                                      {"pairs", items.size()},
                                      {"tokens", tokens},
                                      {"ms", times.median * 1e3},
                                      {"fastest_ms", times.fastest * 1e3},
                                      {"pairs_per_second", static_cast<double>(items.size()) / times.median},
                                      {"tokens_per_second", static_cast<double>(tokens) / times.median},
                                      {"seconds_to_first_verdict", seconds(times.first - begin)}})
                          .dump()
                          .c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = parse(argc, argv);
  const auto files = open_directory(o.package);
  if (!files) die(files.error().what);
  const auto begin = Clock::now();
  const auto scorer = scorer::load_scorer(*files, load_options(o));
  if (!scorer) die(scorer.error().what);
  if (!o.rows.empty()) report(**scorer, encoded_rows(**scorer, o), o.repeats, begin);
  for (const std::size_t tokens : o.tokens) {
    std::vector<scorer::Encoded> pair;
    pair.push_back(pair_of(**scorer, tokens));
    report(**scorer, pair, o.repeats, begin);
  }
  return 0;
}
