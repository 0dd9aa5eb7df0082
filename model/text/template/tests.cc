#include "model/text/template/tests.h"

#include <map>

#include "model/text/template/case.h"
#include "model/text/template/compare.h"
#include "model/text/template/filters.h"
#include "model/text/template/loop.h"
#include "model/text/template/objects.h"
#include "model/text/template/operators.h"
#include "model/text/template/repr.h"

namespace preferd::text::jinja {
namespace {

using R = Rendering;
using B = Bound;

struct Test {
  std::vector<const char*> parameters;  // the first is what is tested
  bool (*holds)(R&, const B&);
};

bool rest_is(R& r, const B& b, const Value& divisor, std::int64_t rest) {
  return equal(r, binary(r, "%", b[0], divisor), Value::integer(rest));
}

bool is_sequence(R& r, const B& b) {
  return length(r, b[0]).has_value() && !b[0].as<View>() && !b[0].as<Loop>();
}

bool is_iterable(R& r, const B& b) { return b[0].as<Loop>() || iterate(r, b[0]) != nullptr; }

bool is_equal(R& r, const B& b) { return equal(r, b[0], b[1]); }
bool is_unequal(R& r, const B& b) { return !equal(r, b[0], b[1]); }
bool is_above(R& r, const B& b) { return compare(r, b[0], b[1]) > 0; }
bool is_above_or_equal(R& r, const B& b) { return compare(r, b[0], b[1]) >= 0; }
bool is_below(R& r, const B& b) { return compare(r, b[0], b[1]) < 0; }
bool is_below_or_equal(R& r, const B& b) { return compare(r, b[0], b[1]) <= 0; }

bool names(const B& b, bool (*is_known)(const std::string&)) {
  if (!hashable(b[0])) refuse(std::string("a value of type ") + b[0].type_name() + " cannot be a name");
  return b[0].is_text() && is_known(b[0].text().utf8());
}
bool names_filter(R&, const B& b) { return names(b, is_filter); }
bool names_test(R&, const B& b) { return names(b, is_test); }

const std::map<std::string, Test>& table() {
  static const auto* const kTable = new std::map<std::string, Test>{
      {"!=", {{"a", "b"}, is_unequal}},
      {"<", {{"a", "b"}, is_below}},
      {"<=", {{"a", "b"}, is_below_or_equal}},
      {"==", {{"a", "b"}, is_equal}},
      {">", {{"a", "b"}, is_above}},
      {">=", {{"a", "b"}, is_above_or_equal}},
      {"boolean", {{"value"}, [](R&, const B& b) { return b[0].is_bool(); }}},
      {"callable",
       {{"obj"},
        [](R&, const B& b) {
          return b[0].is_undefined() || (b[0].is_object() && b[0].object()->callable());
        }}},
      {"defined", {{"value"}, [](R&, const B& b) { return !b[0].is_undefined(); }}},
      {"divisibleby", {{"value", "num"}, [](R& r, const B& b) { return rest_is(r, b, b[1], 0); }}},
      {"eq", {{"a", "b"}, is_equal}},
      {"equalto", {{"a", "b"}, is_equal}},
      {"escaped", {{"value"}, [](R&, const B& b) { return b[0].is_text() && b[0].text().markup; }}},
      {"even", {{"value"}, [](R& r, const B& b) { return rest_is(r, b, Value::integer(2), 0); }}},
      {"false", {{"value"}, [](R&, const B& b) { return b[0].is_bool() && !b[0].boolean(); }}},
      {"filter", {{"value"}, names_filter}},
      {"float", {{"value"}, [](R&, const B& b) { return b[0].is_float(); }}},
      {"ge", {{"a", "b"}, is_above_or_equal}},
      {"greaterthan", {{"a", "b"}, is_above}},
      {"gt", {{"a", "b"}, is_above}},
      {"in", {{"value", "seq"}, [](R& r, const B& b) { return contains(r, b[1], b[0]); }}},
      {"integer", {{"value"}, [](R&, const B& b) { return b[0].is_int(); }}},
      {"iterable", {{"value"}, is_iterable}},
      {"le", {{"a", "b"}, is_below_or_equal}},
      {"lessthan", {{"a", "b"}, is_below}},
      {"lower", {{"value"}, [](R& r, const B& b) { return is_lower(str(r, b[0])); }}},
      {"lt", {{"a", "b"}, is_below}},
      {"mapping", {{"value"}, [](R&, const B& b) { return b[0].is_dict(); }}},
      {"ne", {{"a", "b"}, is_unequal}},
      {"none", {{"value"}, [](R&, const B& b) { return b[0].is_none(); }}},
      {"number", {{"value"}, [](R&, const B& b) { return b[0].is_number(); }}},
      {"odd", {{"value"}, [](R& r, const B& b) { return rest_is(r, b, Value::integer(2), 1); }}},
      {"sameas", {{"value", "other"}, [](R& r, const B& b) { return same(r, b[0], b[1]); }}},
      {"sequence", {{"value"}, is_sequence}},
      {"string", {{"value"}, [](R&, const B& b) { return b[0].is_text(); }}},
      {"test", {{"value"}, names_test}},
      {"true", {{"value"}, [](R&, const B& b) { return b[0].is_bool() && b[0].boolean(); }}},
      {"undefined", {{"value"}, [](R&, const B& b) { return b[0].is_undefined(); }}},
      {"upper", {{"value"}, [](R& r, const B& b) { return is_upper(str(r, b[0])); }}},
  };
  return *kTable;
}

}  // namespace

void check_test(const std::string& name, int line, bool lazily) {
  if (!lazily && !is_test(name)) refuse("there is no test '" + name + "'", line);
}

bool is_test(const std::string& name) { return table().contains(name); }

bool apply_test(Rendering& r, const std::string& name, const Value& value, Arguments arguments) {
  r.spend(1);
  const auto found = table().find(name);
  if (found == table().end()) refuse("there is no test '" + name + "'");
  const Test& test = found->second;
  arguments.positional.insert(arguments.positional.begin(), value);
  return test.holds(r, Bound({name.c_str(), test.parameters, test.parameters.size()}, std::move(arguments)));
}

}  // namespace preferd::text::jinja
