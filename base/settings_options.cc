#include "base/settings_options.h"

#include <algorithm>
#include <cctype>

#include "base/numbers.h"
#include "base/toml.h"

namespace preferd {
namespace {

class Collector : public Schema {
 public:
  std::vector<Option> options;

  void section(const char*, const char*, const std::function<void(Schema&)>&) override {
    PREFERD_CHECK(false);
  }
  void tables(const char*, const char*, const char*, std::size_t, const std::function<void(std::size_t)>&,
              const std::function<void(Schema&, std::size_t)>&) override {
    PREFERD_CHECK(false);
  }

 protected:
  void field(Field field) override {
    for (const Option& o : options) PREFERD_CHECK(std::string_view(o.name) != field.name);
    options.push_back({std::move(field)});
  }
};

// For people: texts without quotes.
std::string shown(const Option& o) {
  const Json value = o.show();
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_float() ? number_text(value.get<double>()) : toml_value(value);
}

// "[PREFERD_PORT; default 8080]"
std::string facts_of(const Option& o, const std::string& prefix) {
  std::string facts = o.in_layers() ? o.variable(prefix) : "";
  const auto add = [&](const std::string& fact) { facts += (facts.empty() ? "" : "; ") + fact; };
  const std::string value = o.traits.secret ? "" : shown(o);
  if (o.traits.required)
    add("required");
  else if (!value.empty() && value != "[]")
    add("default " + value);
  return facts.empty() ? "" : " [" + facts + "]";
}

}  // namespace

std::string Option::spelling() const { return (is_argument() ? "argument " : "flag --") + std::string(name); }

std::string Option::key() const {
  std::string key = name;
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::string Option::variable(const std::string& prefix) const {
  std::string out = prefix;
  for (const char c : key()) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::vector<Option> options_of(const std::function<void(Schema&)>& describe) {
  Collector collector;
  describe(collector);
  return std::move(collector.options);
}

std::string help_text(const Usage& usage, const std::vector<Option>& options) {
  std::string line = "usage: " + usage.program + " [options]", arguments, flags;
  for (const Option& o : options) {
    const std::string name = o.name;
    if (o.is_argument()) {
      line += o.kind == Field::Kind::kTexts ? " [" + name + " ...]" : " " + name;
      arguments += "  " + name + "\n      " + o.help + "\n";
      continue;
    }
    const bool toggle = o.kind == Field::Kind::kToggle;
    flags += "  --" + name + (toggle ? "" : " <" + expected(o, kOptionWording) + ">") + "\n      " + o.help +
             facts_of(o, usage.prefix) + "\n";
  }
  const bool own = usage.config == Usage::ConfigFile::kOwn;
  std::string out = line + "\n\n" + usage.summary + "\n";
  if (!arguments.empty()) out += "\narguments:\n" + arguments;
  out += own ? "\noptions (flags win over environment, environment over defaults):\n"
             : "\noptions (flags win over environment, environment over the file, the file over defaults):\n";
  out += flags;
  if (!own)
    out += "  --config <file>\n      TOML file; keys are the flags' names with '_' for '-' [" + usage.prefix +
           "CONFIG]\n  --print-config\n      print every value and where it came from, then exit\n";
  out += "  --help\n      print this, then exit\n";
  if (!usage.more_variables.empty()) out += "\nvariables:\n";
  for (const Variable& v : usage.more_variables) out += "  " + v.name + "\n      " + v.help + "\n";
  if (usage.footer) out += "\n" + usage.footer();
  return out;
}

std::string config_text(const std::vector<Option>& options) {
  std::string out;
  for (const Option& o : options) {
    if (!o.in_layers()) continue;
    Json value = o.show();
    if (o.traits.secret && value != "") value = "***";
    out += o.key() + " = " + toml_value(value) + "  # " + (o.is_set() ? o.source : "default") + "\n";
  }
  return out;
}

}  // namespace preferd
