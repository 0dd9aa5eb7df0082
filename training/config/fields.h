// The keys of a configuration, declared once: the same declaration reads them from TOML, prints them and
// documents them.
//
//   void describe(Fields& f, Optimizer& o) {
//     f.real("lr", o.lr, 0, 10, "peak learning rate");
//   }
//
// A field's value at declaration is its default. Names are TOML keys: lower case words joined by '_'.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace preferd::training {

class ConfigFields {
 public:
  virtual ~ConfigFields() = default;

  virtual void section(const char* name, const char* help,
                       const std::function<void(ConfigFields&)>& body) = 0;
  // Any number of tables with the same keys; an entry that is a string is a table with that `short_key`.
  virtual void tables(const char* name, const char* short_key, const char* help, std::size_t count,
                      const std::function<void(std::size_t)>& resize,
                      const std::function<void(ConfigFields&, std::size_t)>& body) = 0;
  virtual void text(const char* name, std::string& target, const char* help) = 0;
  virtual void texts(const char* name, std::vector<std::string>& target, const char* help) = 0;
  virtual void integer(const char* name, std::int64_t& target, std::int64_t low, std::int64_t high,
                       const char* help) = 0;
  virtual void real(const char* name, double& target, double low, double high, const char* help) = 0;
  virtual void toggle(const char* name, bool& target, const char* help) = 0;
  // A table that is handed on as it is: its keys are another contract's.
  virtual void object(const char* name, Json& target, const char* help) = 0;

  template <class E>
  void choice(const char* name, E& target, std::vector<std::pair<const char*, E>> words, const char* help) {
    std::vector<const char*> names;
    std::size_t index = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      names.push_back(words[i].first);
      if (words[i].second == target) index = i;
    }
    word(name, index, names, help);
    target = words[index].second;
  }

 protected:
  virtual void word(const char* name, std::size_t& index, const std::vector<const char*>& words,
                    const char* help) = 0;
};

}  // namespace preferd::training
