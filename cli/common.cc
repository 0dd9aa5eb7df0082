#include "cli/common.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "base/utf8.h"
#include "model/convert/adopt.h"
#include "model/default/default_package.h"

namespace preferd::cli {

int report(const Error& error, int code) {
  std::fprintf(stderr, "error: %s\n", error.what.c_str());
  return code;
}

void describe(Schema& s, EngineOptions& o) {
  s.text("package", o.package, "model package directory; without it the embedded default");
  s.choice("compute", o.compute,
           "arithmetic of the model; auto is the fastest that passed its accuracy gate");
  s.text("device", o.device, "cpu, cuda (the first GPU), cuda:N, several as cuda:0,cuda:1, or cuda:all");
  s.choice("residency", o.residency,
           "weights in a GPU's memory: packed as stored, dense bf16 (auto, where it fits), or fp8");
  s.integer("threads", o.threads, 0, 1024, "threads that compute; 0 is one a core");
}

std::optional<int> check_device(const EngineOptions& options) {
  const auto devices = scorer::parse_devices(options.device);
  if (!devices) return report(devices.error(), kBadUsage);
  return std::nullopt;
}

int thread_count(int wanted) {
  if (wanted > 0) return wanted;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

Result<std::shared_ptr<const Files>> open_package(const EngineOptions& options) {
  if (options.package.empty()) return embedded::default_package();
  std::vector<std::string> notes;
  auto package = convert::open_package_or_adopt(options.package, notes);
  for (const std::string& note : notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  return package;
}

Result<scorer::LoadOptions> load_options(const EngineOptions& options, scorer::Golden golden) {
  const auto devices = scorer::parse_devices(options.device);
  if (!devices) return devices.error();
  return scorer::LoadOptions{.threads = thread_count(options.threads),
                             .compute = options.compute,
                             .golden = golden,
                             .devices = *devices,
                             .residency = options.residency};
}

Result<std::shared_ptr<scorer::Scorer>> open_scorer(const EngineOptions& options, scorer::Golden golden) {
  auto package = open_package(options);
  if (!package) return package.error();
  auto load = load_options(options, golden);
  if (!load) return load.error();
  return scorer::load_scorer(*package, *load);
}

std::string title(const scorer::ScorerInfo& info) {
  return info.name + (info.revision.empty() ? "" : " " + info.revision);
}

std::vector<std::string> words_of(const std::vector<std::string>& given) {
  std::vector<std::string> words;
  for (const std::string& list : given) {
    std::istringstream in(list);
    for (std::string word; std::getline(in, word, ',');)
      if (!word.empty()) words.push_back(word);
  }
  return words;
}

Result<std::string> text_of(const char* flag, const std::string& given) {
  std::string text = given;
  if (given.starts_with('@')) {
    const std::string path = given.substr(1) == "-" ? "/dev/stdin" : given.substr(1);
    std::ifstream in(path, std::ios::binary);
    if (!in)
      return Error{Code::kNotFound,
                   std::string("flag ") + flag + ": cannot read the file '" + given.substr(1) + "'",
                   {}};
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  if (!utf8::valid(text)) return invalid(std::string("flag ") + flag + ": the text is not valid UTF-8");
  return text;
}

}  // namespace preferd::cli
