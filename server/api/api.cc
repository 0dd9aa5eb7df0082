#include "server/api/api.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/object_reader.h"

namespace preferd::server {
namespace {

constexpr std::size_t kLongestId = 4096;
constexpr std::int64_t kLongestTimeout = 86'400'000;

// Says where and what, and never quotes: requests are other people's texts.
class BodyVoice : public ReaderVoice {
 public:
  BodyVoice() { wording = {.words = "", .between = " or ", .quote = "\""}; }

  Error wrong(const std::string& path, const Json& found, const std::string& what) const override {
    std::string kind = found.type_name();
    if (found.is_string() && what.starts_with('"')) kind = "another word";
    if (found.is_number_integer() && what.starts_with("an integer")) kind = "one that is out of range";
    return invalid((path.empty() ? "the body" : path) + ": found " + kind + ", expected " + what, path);
  }
  Error missing(const std::string& path) const override { return invalid(path + ": missing", path); }
  Error unknown(const std::string& path, const std::string& key,
                const std::set<std::string>&) const override {
    constexpr std::size_t kShown = 64;
    return invalid("an unknown key" + (path.empty() ? "" : " in " + path),
                   path_under(path, key.substr(0, kShown)));
  }
};
const BodyVoice kVoice;

// What a reply may carry beyond the usual: the words, and what each of them sets.
using Extras = std::vector<std::pair<const char*, bool*>>;

std::string listed(const Extras& extras) {
  std::string out;
  for (const auto& [word, target] : extras) out += (out.empty() ? "\"" : " or \"") + std::string(word) + "\"";
  return out;
}

// `list` says what may stand in it.
void describe_return(Schema& s, const char* list, Extras extras) {
  s.other("return", list, "what the reply carries beyond the usual",
          [extras, list](const Json& v, const std::string& path) -> Status {
            if (!v.is_array()) return kVoice.wrong(path, v, list);
            for (const auto& [word, target] : extras) *target = false;
            for (std::size_t i = 0; i < v.size(); ++i) {
              const auto named = std::find_if(extras.begin(), extras.end(), [&](const auto& extra) {
                return v[i].is_string() && v[i].get_ref<const std::string&>() == extra.first;
              });
              if (named == extras.end())
                return kVoice.wrong(path + "[" + std::to_string(i) + "]", v[i], listed(extras));
              *named->second = true;
            }
            return Ok{};
          });
}

void response(Schema& s, const char* name, std::string& target) {
  s.other(name, "a string", "what is judged",
          [&target](const Json& v, const std::string& path) -> Status {
            auto read = rows::flatten(v, rows::Form::kText, path);
            if (!read) return read.error();
            target = *std::move(read);
            return Ok{};
          },
          {.required = true});
}

void describe_adapter(Schema& s, std::string& adapter) {
  s.other("adapter", "the name of an adapter", "which adapter judges",
          [&adapter](const Json& v, const std::string& path) -> Status {
            if (!v.is_string()) return kVoice.wrong(path, v, "a string");
            adapter = v.get_ref<const std::string&>();
            if (!adapter.empty()) return Ok{};
            return invalid(path + ": expected the name of an adapter, found nothing", path);
          });
}

void describe_timeout(Schema& s, std::optional<std::chrono::milliseconds>& timeout) {
  std::int64_t given = timeout ? timeout->count() : 0;
  s.integer("timeout_ms", given, 1, kLongestTimeout, "deadline, in milliseconds");
  if (given > 0) timeout = std::chrono::milliseconds(given);
}

void describe_id(Schema& s, std::optional<std::string>& id) {
  s.other("id", "a string", "comes back with the reply",
          [&id](const Json& v, const std::string& path) -> Status {
            if (!v.is_string()) return kVoice.wrong(path, v, "a string");
            if (v.get_ref<const std::string&>().size() > kLongestId)
              return invalid(path + ": longer than " + std::to_string(kLongestId) + " bytes", path);
            id = v.get_ref<const std::string&>();
            return Ok{};
          });
}

void describe_prompt(Schema& s, Traits traits, std::function<void(rows::Prompt)> take) {
  s.other(
      "prompt", "a string or a list of {role, content} turns", "what was asked",
      [take](const Json& v, const std::string& path) -> Status {
        auto read = rows::read_prompt(v, rows::Form::kTurns, path);
        if (!read) return read.error();
        take(*std::move(read));
        return Ok{};
      },
      traits);
}

// What may stand in a /batch's defaults, in an item, and in a /predict.
void describe_defaults(Schema& s, PairRequest& r, Traits prompt) {
  describe_prompt(s, prompt, [&r](rows::Prompt read) {
    r.ask.pair.prompt = std::move(read.text);
    r.ask.pair.turns = std::move(read.turns);
    r.shared_prompt = false;
  });
  describe_adapter(s, r.ask.adapter);
  s.choice("swap", r.ask.swap, "average judges both orders of the responses");
  s.choice("truncate", r.ask.overflow, "what becomes of a pair that is too long");
  describe_timeout(s, r.timeout);
  describe_return(
      s, "a list of \"logits\", \"features\", \"timing\"",
      {{"logits", &r.wanted.logits}, {"features", &r.wanted.features}, {"timing", &r.wanted.timing}});
}

void describe(Schema& s, PairRequest& r) {
  describe_defaults(s, r, {.required = !r.shared_prompt});
  describe_id(s, r.id);
  response(s, "response_a", r.ask.pair.response_a);
  response(s, "response_b", r.ask.pair.response_b);
}

Status read_responses(const Json& v, const std::string& path, std::vector<std::string>& out) {
  const std::string expected = "a list of 2 to " + std::to_string(kMostResponses) + " strings";
  if (!v.is_array()) return kVoice.wrong(path, v, expected);
  if (v.size() < 2 || v.size() > kMostResponses)
    return invalid(path + ": found " + std::to_string(v.size()) + ", expected " + expected, path);
  for (std::size_t i = 0; i < v.size(); ++i) {
    auto read = rows::flatten(v[i], rows::Form::kText, path + "[" + std::to_string(i) + "]");
    if (!read) return read.error();
    out.push_back(*std::move(read));
  }
  return Ok{};
}

void describe(Schema& s, RankRequest& r) {
  describe_prompt(s, {.required = true}, [&r](rows::Prompt read) { r.prompt = std::move(read); });
  s.other("responses", "a list of strings", "what is ranked",
          [&r](const Json& v, const std::string& path) { return read_responses(v, path, r.responses); },
          {.required = true});
  describe_adapter(s, r.adapter);
  s.choice("swap", r.swap, "average judges both orders of every two responses");
  s.choice("truncate", r.overflow, "what becomes of a response that is too long");
  describe_timeout(s, r.timeout);
  describe_id(s, r.id);
  describe_return(s, "a list of \"matrix\", \"timing\"",
                  {{"matrix", &r.wants_matrix}, {"timing", &r.wants_timing}});
}

// `out` holds the defaults.
Status read_pair(const Json& object, const std::string& path, PairRequest& out) {
  ReadFaults faults;
  ObjectReader reader(object, path, kVoice, faults);
  if (object.is_object()) describe(reader, out);
  reader.close();
  return faults.status();
}

std::optional<std::string> id_of(const Json& item) {
  if (!item.is_object()) return std::nullopt;
  const auto id = item.find("id");
  if (id == item.end() || !id->is_string() || id->get_ref<const std::string&>().size() > kLongestId)
    return std::nullopt;
  return id->get<std::string>();
}

}  // namespace

std::size_t bytes_of(const text::Pair& pair) {
  return pair.prompt.size() + pair.response_a.size() + pair.response_b.size();
}

Result<PairRequest> parse_pair(const Json& body) {
  PairRequest out;
  if (const auto done = read_pair(body, "", out); !done) return done.error();
  return out;
}

Result<RankRequest> parse_rank(const Json& body) {
  RankRequest out;
  ReadFaults faults;
  ObjectReader reader(body, "", kVoice, faults);
  if (body.is_object()) describe(reader, out);
  reader.close();
  if (const Status status = faults.status(); !status) return status.error();
  return out;
}

Result<BatchRequest> parse_batch(const Json& body, const BatchLimits& limits) {
  PairRequest defaults;
  const Json* items = nullptr;
  ReadFaults faults;
  ObjectReader reader(body, "", kVoice, faults);
  if (body.is_object()) {
    describe_defaults(reader, defaults, {});
    reader.other("items", "a list of objects", "pairs with their own keys",
                 [&](const Json& v, const std::string& path) -> Status {
                   if (!v.is_array()) return kVoice.wrong(path, v, "a list of objects");
                   items = &v;
                   if (v.size() <= limits.max_items) return Ok{};
                   return Error{Code::kTooLarge,
                                path + ": found " + std::to_string(v.size()) + ", the limit is " +
                                    std::to_string(limits.max_items),
                                path};
                 },
                 {.required = true});
  }
  reader.close();
  if (const Status status = faults.status(); !status) return status.error();
  BatchRequest out;
  out.prompt = {std::exchange(defaults.ask.pair.prompt, {}), std::exchange(defaults.ask.pair.turns, {})};
  defaults.shared_prompt = body.contains("prompt");
  std::size_t text_bytes = 0;
  for (std::size_t i = 0; i < items->size(); ++i) {
    PairRequest pair = defaults;
    const auto done = read_pair((*items)[i], "items[" + std::to_string(i) + "]", pair);
    text_bytes += bytes_of(pair.ask.pair) + (pair.shared_prompt ? out.prompt.text.size() : 0);
    if (text_bytes > limits.max_text_bytes) {
      const auto most = std::to_string(limits.max_text_bytes);
      return Error{Code::kTooLarge,
                   "items: with the default prompt in each they hold over " + most + " bytes", "items"};
    }
    if (done)
      out.items.emplace_back(std::move(pair));
    else
      out.items.emplace_back(ItemError{id_of((*items)[i]), done.error()});
  }
  return out;
}

}  // namespace preferd::server
