// Times a package on a GPU: whole forwards of rows from a file, encoded beforehand.
//
//   engine_bench PACKAGE ROWS [--device cuda] [--residency auto] [--compute auto] [--pairs 8] [--repeats 10]
//
// Prints one JSON line: pairs/s and tokens/s of the median, milliseconds of a batch, the device and what ran.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/files.h"
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
  int repeats = 10;
};

Options parse(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0) die("usage: engine_bench PACKAGE ROWS [--flag value ...]");
  Options o{argv[1], argv[2]};
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--device")
      o.device = value;
    else if (flag == "--residency")
      o.residency = value;
    else if (flag == "--compute")
      o.compute = value;
    else if (flag == "--pairs")
      o.pairs = std::stoul(value);
    else if (flag == "--repeats")
      o.repeats = std::stoi(value);
    else
      die("unknown flag " + flag);
  }
  return o;
}

LoadOptions load_options(const Options& o) {
  const auto devices = parse_devices(o.device);
  if (!devices) die(devices.error().what);
  LoadOptions load{.golden = Golden::kSkip, .devices = *devices};
  for (const Residency r : {Residency::kAuto, Residency::kPacked, Residency::kDense, Residency::kFp8})
    if (o.residency == name_of(r)) load.residency = r;
  if (o.compute == "fp32") load.compute = ComputeType::kFp32;
  return load;
}

std::vector<Encoded> encoded_rows(const Scorer& scorer, const Options& o) {
  std::ifstream in(o.rows);
  std::vector<Encoded> out;
  for (std::string line; out.size() < o.pairs && std::getline(in, line);) {
    const auto row = nlohmann::json::parse(line);
    const Ask ask{
        {row.at("prompt"), row.at("response_a"), row.at("response_b")}, "", Swap::kNone, Overflow::kPackage};
    auto encoded = scorer.encode(ask);
    if (!encoded) die(encoded.error().what);
    out.push_back(std::move(*encoded));
  }
  if (out.size() < o.pairs) die(o.rows + " has " + std::to_string(out.size()) + " rows");
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = parse(argc, argv);
  const auto files = open_directory(o.package);
  if (!files) die(files.error().what);
  const auto begin = std::chrono::steady_clock::now();
  const auto scorer = load_scorer(*files, load_options(o));
  if (!scorer) die(scorer.error().what);
  const std::vector<Encoded> rows = encoded_rows(**scorer, o);
  std::vector<const Encoded*> items;
  std::size_t tokens = 0;
  for (const Encoded& e : rows) items.push_back(&e), tokens += static_cast<std::size_t>(e.tokens.total);
  std::vector<double> seconds;
  double first = 0;
  for (int i = -2; i < o.repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    for (const auto& verdict : (*scorer)->score(items))
      if (!verdict) die(verdict.error().what);
    const auto end = std::chrono::steady_clock::now();
    if (i == -2) first = std::chrono::duration<double>(end - begin).count();
    if (i >= 0) seconds.push_back(std::chrono::duration<double>(end - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const ScorerInfo& info = (*scorer)->info();
  std::printf("%s\n", nlohmann::json({{"device", info.device},
                                      {"compute", info.compute},
                                      {"residency", info.residency},
                                      {"pairs", items.size()},
                                      {"tokens", tokens},
                                      {"ms", median * 1e3},
                                      {"fastest_ms", seconds.front() * 1e3},
                                      {"pairs_per_second", static_cast<double>(items.size()) / median},
                                      {"tokens_per_second", static_cast<double>(tokens) / median},
                                      {"seconds_to_first_verdict", first}})
                          .dump()
                          .c_str());
  return 0;
}
