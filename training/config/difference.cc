#include "training/config/difference.h"

#include <algorithm>
#include <map>

namespace preferd::training {
namespace {

using Values = std::map<std::string, std::string>;

std::string json_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void flatten(const std::string& key, const Json& value, Values& into) {
  if (!value.is_object()) {
    into[key] = json_text(value);
    return;
  }
  for (const auto& [name, inner] : value.items()) flatten(key + "." + name, inner, into);
}

class Collector : public Schema {
 public:
  Collector(Values& into, std::string path) : into_(into), path_(std::move(path)) {}

  void section(const char* name, const char*, const std::function<void(Schema&)>& body) override {
    Collector inner(into_, under(name));
    body(inner);
  }
  void tables(const char* name, const char*, const char*, std::size_t count,
              const std::function<void(std::size_t)>&,
              const std::function<void(Schema&, std::size_t)>& body) override {
    for (std::size_t i = 0; i < count; ++i) {
      Collector inner(into_, under(name) + "[" + std::to_string(i) + "]");
      body(inner, i);
    }
  }

 protected:
  void field(Field field) override {
    if (field.kind == Field::Kind::kObject)
      flatten(under(field.name), field.show(), into_);
    else
      into_[under(field.name)] = json_text(field.show());
  }

 private:
  std::string under(const char* name) const { return path_.empty() ? name : path_ + "." + name; }

  Values& into_;
  std::string path_;
};

Values values_of(TrainConfig config) {
  Values values;
  Collector collector(values, "");
  describe(collector, config);
  return values;
}

}  // namespace

std::vector<Difference> differences(const TrainConfig& one, const TrainConfig& other) {
  constexpr const char* kNothing = "nothing";
  const Values a = values_of(one), b = values_of(other);
  std::vector<Difference> out;
  for (const auto& [key, value] : a)
    if (const auto it = b.find(key); it == b.end() || it->second != value)
      out.push_back({key, value, it == b.end() ? kNothing : it->second});
  for (const auto& [key, value] : b)
    if (!a.contains(key)) out.push_back({key, kNothing, value});
  std::sort(out.begin(), out.end(), [](const auto& x, const auto& y) { return x.key < y.key; });
  return out;
}

}  // namespace preferd::training
