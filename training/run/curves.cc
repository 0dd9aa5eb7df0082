#include "training/run/curves.h"

#include <string_view>

#include "base/files.h"
#include "base/json.h"
#include "training/evaluation/bootstrap.h"

namespace preferd::training {
namespace {

// A figure that was not finite is stored as null.
double figure(const Json& of, const char* name) {
  const Json& v = of.at(name);
  return v.is_null() ? kUndefined : v.get<double>();
}

void add(const Json& line, Curves& to) {
  const std::int64_t step = line.at("step");
  if (line.contains("validation")) {
    const Json& v = line["validation"];
    to.validation.push_back({step, figure(v, "log_loss"), figure(v, "accuracy")});
    if (v.at("best").get<bool>()) to.best_step = step;
    return;
  }
  to.train.push_back({step, figure(line, "epoch"), figure(line, "loss"), figure(line, "lr"),
                      figure(line, "tokens_per_second")});
  to.tokens = line.at("tokens");
  to.seconds = figure(line, "seconds");
}

}  // namespace

Result<Curves> read_curves(const std::string& path) {
  const auto bytes = map_file(path);
  if (!bytes) return bytes.error();
  Curves out;
  const std::string_view text = bytes->text();
  std::size_t number = 0;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string where = path + ":" + std::to_string(++number) + ": ";
    const auto line = parse_json(text.substr(begin, end - begin));
    if (!line) return invalid(where + line.error().what);
    try {
      add(*line, out);
    } catch (const Json::exception& e) {
      return invalid(where + e.what());
    }
  }
  return out;
}

}  // namespace preferd::training
