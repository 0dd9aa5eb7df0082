#include "base/schema.h"

#include <algorithm>
#include <cmath>

#include "base/numbers.h"

namespace preferd {
namespace {

std::string bound(const Json& v) { return v.is_number_float() ? number_text(v.get<double>()) : v.dump(); }

}  // namespace

void Schema::text(const char* name, std::string& target, const char* help, Traits traits) {
  Field f{.name = name, .help = help, .kind = Field::Kind::kText, .traits = traits, .show = {}};
  f.show = [&target] { return Json(target); };
  f.set = [&target](const Json& v) {
    if (v.is_string()) target = v.get_ref<const std::string&>();
    return v.is_string();
  };
  field(std::move(f));
}

void Schema::text(const char* name, std::optional<std::string>& target, const char* help) {
  Field f{.name = name, .help = help, .kind = Field::Kind::kText, .show = {}};
  f.show = [&target] { return target ? Json(*target) : Json(); };
  f.set = [&target](const Json& v) {
    if (v.is_string()) target = v.get_ref<const std::string&>();
    return v.is_string();
  };
  field(std::move(f));
}

void Schema::texts(const char* name, std::vector<std::string>& target, const char* help, Traits traits) {
  Field f{.name = name, .help = help, .kind = Field::Kind::kTexts, .traits = traits, .show = {}};
  f.show = [&target] { return Json(target); };
  f.set = [&target](const Json& v) {
    if (!v.is_array() || !std::all_of(v.begin(), v.end(), [](const Json& s) { return s.is_string(); }))
      return false;
    target = v.get<std::vector<std::string>>();
    return true;
  };
  field(std::move(f));
}

void Schema::toggle(const char* name, bool& target, const char* help, Traits traits) {
  Field f{.name = name, .help = help, .kind = Field::Kind::kToggle, .traits = traits, .show = {}};
  f.show = [&target] { return Json(target); };
  f.set = [&target](const Json& v) {
    if (v.is_boolean()) target = v.get<bool>();
    return v.is_boolean();
  };
  field(std::move(f));
}

void Schema::object(const char* name, Json& target, const char* help) {
  Field f{.name = name, .help = help, .kind = Field::Kind::kObject, .show = {}};
  f.show = [&target] { return target.is_null() ? Json::object() : target; };
  f.set = [&target](const Json& v) {
    if (v.is_object()) target = v;
    return v.is_object();
  };
  field(std::move(f));
}

void Schema::real(const char* name, double& target, double low, double high, const char* help,
                  Traits traits) {
  Field f{.name = name, .help = help, .kind = Field::Kind::kReal, .traits = traits, .show = {}};
  if (std::isfinite(low)) f.low = low;
  if (std::isfinite(high)) f.high = high;
  f.show = [&target] { return Json(target); };
  f.set = [&target, low, high](const Json& v) {
    if (!v.is_number()) return false;
    const double value = v.get<double>();
    if (!std::isfinite(value) || value < low || value > high) return false;
    target = value;
    return true;
  };
  field(std::move(f));
}

void Schema::real(const char* name, double& target, const char* help) {
  real(name, target, -INFINITY, INFINITY, help);
}

void Schema::other(const char* name, const char* expected, const char* help,
                   std::function<Status(const Json&, const std::string&)> read, Traits traits) {
  Field f{.name = name, .help = help, .kind = Field::Kind::kOther, .traits = traits, .show = {}};
  f.expected = expected;
  f.show = [] { return Json(); };
  f.read = std::move(read);
  field(std::move(f));
}

bool Schema::is_one_of(const Json& value, const std::vector<const char*>& words) {
  return value.is_string() && std::any_of(words.begin(), words.end(), [&](const char* word) {
           return value.get_ref<const std::string&>() == word;
         });
}

std::string expected(const Field& field, const Wording& wording) {
  const auto range = [&](const char* what) -> std::string {
    if (field.low.is_null() || field.high.is_null()) return what;
    return what + std::string(wording.range) + bound(field.low) + wording.to + bound(field.high);
  };
  switch (field.kind) {
    case Field::Kind::kText: return wording.text;
    case Field::Kind::kTexts: return wording.texts;
    case Field::Kind::kInteger: return range("an integer");
    case Field::Kind::kReal: return range("a number");
    case Field::Kind::kToggle: return "true or false";
    case Field::Kind::kObject: return wording.object;
    case Field::Kind::kOther: return field.expected;
    case Field::Kind::kWord: break;
  }
  std::string out = wording.words;
  for (std::size_t i = 0; i < field.words.size(); ++i)
    out.append(i > 0 ? wording.between : "")
        .append(wording.quote)
        .append(field.words[i])
        .append(wording.quote);
  return out;
}

std::string describe(const Json& value) {
  if (value.is_string()) {
    const auto& s = value.get_ref<const std::string&>();
    return s.size() <= 40 ? "'" + s + "'" : "a string of " + std::to_string(s.size()) + " bytes";
  }
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump();
}

}  // namespace preferd
