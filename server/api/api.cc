#include "server/api/api.h"

#include "rows/turns.h"

namespace preferd::server {
namespace {

constexpr std::size_t kLongestId = 4096;
constexpr std::size_t kLongestAdapter = 256;
constexpr std::int64_t kLongestTimeout = 86'400'000;

std::string path_of(const std::string& prefix, const std::string& key) {
  return prefix.empty() ? key : prefix + "." + key;
}

Error expected(const std::string& path, const std::string& what, const Json& found) {
  return invalid(path + ": found " + found.type_name() + ", expected " + what, path);
}

Status read_id(const Json& v, const std::string& path, PairRequest& out) {
  if (!v.is_string()) return expected(path, "a string", v);
  const auto& id = v.get_ref<const std::string&>();
  if (id.size() > kLongestId)
    return invalid(path + ": longer than " + std::to_string(kLongestId) + " bytes", path);
  out.id = id;
  return Ok{};
}

Status read_adapter(const Json& v, const std::string& path, PairRequest& out) {
  if (!v.is_string()) return expected(path, "a string", v);
  out.ask.adapter = v.get_ref<const std::string&>();
  if (out.ask.adapter.empty())
    return invalid(path + ": expected the name of an adapter, found nothing", path);
  return Ok{};
}

template <class E>
Status read_word(const Json& v, const std::string& path,
                 std::initializer_list<std::pair<std::string_view, E>> words, E& out) {
  std::string all;
  for (const auto& [word, value] : words) {
    if (v.is_string() && v.get_ref<const std::string&>() == word) {
      out = value;
      return Ok{};
    }
    all += (all.empty() ? "\"" : " or \"") + std::string(word) + "\"";
  }
  if (!v.is_string()) return expected(path, all, v);
  return invalid(path + ": found another word, expected " + all, path);
}

Status read_timeout(const Json& v, const std::string& path, PairRequest& out) {
  const std::string what = "an integer from 1 to " + std::to_string(kLongestTimeout);
  if (!v.is_number_integer()) return expected(path, what, v);
  if (v.is_number_unsigned() && v.get<std::uint64_t>() > static_cast<std::uint64_t>(kLongestTimeout))
    return invalid(path + ": too large, expected " + what, path);
  const auto ms = v.get<std::int64_t>();
  if (ms < 1) return invalid(path + ": too small, expected " + what, path);
  out.timeout = std::chrono::milliseconds(ms);
  return Ok{};
}

Status read_return(const Json& v, const std::string& path, PairRequest& out) {
  if (!v.is_array()) return expected(path, "a list of \"logits\", \"features\", \"timing\"", v);
  Wanted wanted;
  for (std::size_t i = 0; i < v.size(); ++i) {
    bool Wanted::*field = nullptr;
    const auto done = read_word<bool Wanted::*>(
        v[i], path + "[" + std::to_string(i) + "]",
        {{"logits", &Wanted::logits}, {"features", &Wanted::features}, {"timing", &Wanted::timing}}, field);
    if (!done) return done.error();
    wanted.*field = true;
  }
  out.wanted = wanted;
  return Ok{};
}

Status read_text(const Json& v, const std::string& path, rows::Form form, std::string& out) {
  auto text = rows::flatten(v, form, path);
  if (!text) return text.error();
  out = *std::move(text);
  return Ok{};
}

// What a key does when it stands in a /batch's defaults, in an item, or in a /predict.
Result<bool> read_default(const std::string& key, const Json& v, const std::string& path, PairRequest& out) {
  Status done = Ok{};
  if (key == "prompt") {
    done = read_text(v, path, rows::Form::kTurns, out.ask.pair.prompt);
    out.shared_prompt = false;
  } else if (key == "adapter")
    done = read_adapter(v, path, out);
  else if (key == "swap")
    done = read_word<scorer::Swap>(
        v, path, {{"none", scorer::Swap::kNone}, {"average", scorer::Swap::kAverage}}, out.ask.swap);
  else if (key == "truncate")
    done = read_word<scorer::Overflow>(
        v, path, {{"package", scorer::Overflow::kPackage}, {"error", scorer::Overflow::kError}},
        out.ask.overflow);
  else if (key == "timeout_ms")
    done = read_timeout(v, path, out);
  else if (key == "return")
    done = read_return(v, path, out);
  else
    return false;
  if (!done) return done.error();
  return true;
}

Error unknown_key(const std::string& prefix, const std::string& key) {
  constexpr std::size_t kShown = 64;
  const auto path = path_of(prefix, key.substr(0, kShown));
  return invalid("an unknown key" + (prefix.empty() ? std::string() : " in " + prefix), path);
}

// `out` holds the defaults. The first error in the order of the keys.
Status read_pair(const Json& object, const std::string& prefix, PairRequest& out) {
  if (!object.is_object()) {
    const std::string where = prefix.empty() ? "the body" : prefix;
    return invalid(where + ": found " + object.type_name() + ", expected an object", prefix);
  }
  for (const auto& [key, value] : object.items()) {
    const auto path = path_of(prefix, key);
    const auto shared = read_default(key, value, path, out);
    if (!shared) return shared.error();
    if (*shared) continue;
    Status done = Ok{};
    if (key == "id")
      done = read_id(value, path, out);
    else if (key == "response_a")
      done = read_text(value, path, rows::Form::kText, out.ask.pair.response_a);
    else if (key == "response_b")
      done = read_text(value, path, rows::Form::kText, out.ask.pair.response_b);
    else
      return unknown_key(prefix, key);
    if (!done) return done.error();
  }
  for (const char* key : {"prompt", "response_a", "response_b"}) {
    if (object.contains(key) || (out.shared_prompt && std::string_view(key) == "prompt")) continue;
    const auto path = path_of(prefix, key);
    return invalid(path + ": missing", path);
  }
  return Ok{};
}

std::size_t bytes_of(const text::Pair& pair) {
  return pair.prompt.size() + pair.response_a.size() + pair.response_b.size();
}

std::optional<std::string> id_of(const Json& item) {
  if (!item.is_object()) return std::nullopt;
  const auto id = item.find("id");
  if (id == item.end() || !id->is_string() || id->get_ref<const std::string&>().size() > kLongestId)
    return std::nullopt;
  return id->get<std::string>();
}

}  // namespace

Result<PairRequest> parse_pair(const Json& body) {
  PairRequest out;
  if (const auto done = read_pair(body, "", out); !done) return done.error();
  return out;
}

Result<BatchRequest> parse_batch(const Json& body, const BatchLimits& limits) {
  if (!body.is_object())
    return invalid(std::string("the body: found ") + body.type_name() + ", expected an object");
  PairRequest defaults;
  for (const auto& [key, value] : body.items()) {
    if (key == "items") continue;
    const auto known = read_default(key, value, key, defaults);
    if (!known) return known.error();
    if (!*known) return unknown_key("", key);
  }
  const auto items = body.find("items");
  if (items == body.end()) return invalid("items: missing", "items");
  if (!items->is_array()) return expected("items", "a list of objects", *items);
  if (items->size() > limits.max_items) {
    return Error{Code::kTooLarge,
                 "items: found " + std::to_string(items->size()) + ", the limit is " +
                     std::to_string(limits.max_items),
                 "items"};
  }
  BatchRequest out;
  out.prompt = std::move(defaults.ask.pair.prompt);
  defaults.ask.pair.prompt.clear();
  defaults.shared_prompt = body.contains("prompt");
  std::size_t text_bytes = 0;
  for (std::size_t i = 0; i < items->size(); ++i) {
    PairRequest pair = defaults;
    const auto done = read_pair((*items)[i], "items[" + std::to_string(i) + "]", pair);
    text_bytes += bytes_of(pair.ask.pair) + (pair.shared_prompt ? out.prompt.size() : 0);
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
