#include "model/text/tokenizer.h"

#include <algorithm>

#include "base/schema.h"
#include "model/text/byte_fallback.h"
#include "model/text/byte_level.h"
#include "model/text/code_points.h"
#include "model/text/sentence_piece.h"
#include "model/text/unigram_json.h"
#include "model/text/word_piece.h"

namespace preferd::text {
namespace {

Result<Json> read_config(const Files& files, const std::string& name) {
  if (!files.exists(name)) return Json::object();
  Result<Bytes> bytes = files.open(name);
  if (!bytes) return bytes.error();
  Result<Json> json = parse_json(bytes->text());
  if (!json) return invalid(name + ": " + json.error().what);
  if (!json->is_object()) return invalid(name + " is not an object");
  return json;
}

// tokenizer_config.json comes first, even if it says null; a name is a text or an object with "content".
Result<std::string> read_name(const Json& config, const Json& map, const char* key) {
  const Json& token = config.contains(key) ? config[key] : member(map, key);
  const Json& content = token.is_object() ? member(token, "content") : token;
  if (content.is_null()) return std::string();
  if (!content.is_string()) return invalid(std::string("tokenizer_config.json: ") + key + " is not a text");
  return content.get<std::string>();
}

Result<EndNames> read_ends(const Files& files) {
  const Result<Json> config = read_config(files, "tokenizer_config.json");
  if (!config) return config.error();
  const Result<Json> map = read_config(files, "special_tokens_map.json");
  if (!map) return map.error();
  EndNames ends;
  for (const char* key :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    Result<std::string> name = read_name(*config, *map, key);
    if (!name) return name.error();
    if (!name->empty()) ends.special[key] = std::move(*name);
  }
  const auto named = [&](const char* key) {
    const auto it = ends.special.find(key);
    return it == ends.special.end() ? std::string() : it->second;
  };
  ends.bos = named("bos_token");
  ends.eos = named("eos_token");
  ends.adds_bos = member(*config, "add_bos_token") != Json(false);  // the slow tokenizers' default
  return ends;
}

// Adds the tokens that stand only in tokenizer_config.json (added_tokens_decoder) or added_tokens.json to those of
// tokenizer.json, as transformers does. Errors: an id that another token has.
Status add_configured_tokens(const Files& files, const SpecialNames& names, Json& document) {
  const Result<Json> config = read_config(files, "tokenizer_config.json");
  if (!config) return config.error();
  const Result<Json> legacy = read_config(files, "added_tokens.json");
  if (!legacy) return legacy.error();
  Json& list = document["added_tokens"];
  if (list.is_null()) list = Json::array();
  if (!list.is_array()) return Ok{};  // refused where it is read
  const auto named = [&](const std::string& content) {
    return std::ranges::any_of(names, [&](const auto& name) { return name.second == content; });
  };
  const auto add = [&](Json token, const char* file) -> Status {
    for (const Json& known : list) {
      if (member(known, "content") == member(token, "content")) return Ok{};
      if (member(known, "id") == member(token, "id"))
        return invalid(std::string(file) + ": the token " + describe(member(token, "content")) + " has id " +
                       describe(member(token, "id")) + ", which tokenizer.json gives to " +
                       describe(member(known, "content")));
    }
    list.push_back(std::move(token));
    return Ok{};
  };
  for (const auto& [id, token] : member(*config, "added_tokens_decoder").items()) {
    if (!token.is_object()) continue;
    Json entry = token;
    entry["id"] = Json::parse(id, nullptr, false);
    if (const Status s = add(std::move(entry), "tokenizer_config.json"); !s) return s;
  }
  for (const auto& [content, id] : legacy->items())
    if (const Status s =
            add({{"content", content}, {"id", id}, {"special", named(content)}}, "added_tokens.json");
        !s)
      return s;
  return Ok{};
}

Result<std::shared_ptr<const Tokenizer>> load_json(const Files& files, EndNames ends) {
  const Result<Bytes> bytes = files.open("tokenizer.json");
  if (!bytes) return bytes.error();
  Result<TokenizerJson> file = read_tokenizer_json(bytes->text());
  if (!file) return file.error();
  if (const Status s = add_configured_tokens(files, ends.special, file->rest); !s) return s.error();
  ends.added = read_post_processor(member(file->rest, "post_processor"));
  const std::string type = type_of(member(file->rest, "model"));
  if (type == "Unigram") return make_unigram(file->rest, ends);
  if (type == "WordPiece") return make_word_piece(*file, ends);
  Result<BpeModel> model = read_bpe_model(*file);
  if (!model) return model.error();
  if (member(member(file->rest, "model"), "byte_fallback") == Json(true))
    return make_byte_fallback(file->rest, std::move(*model), ends);
  return make_byte_level(file->rest, std::move(*model), ends);
}

}  // namespace

std::string Tokenizer::clean(std::string_view text) const {
  return cleans() ? nfc_9(text) : std::string(text);
}

std::optional<std::int32_t> Tokenizer::control(std::string_view name) const {
  for (const ControlToken& token : controls_)
    if (token.text == name) return token.id;
  return std::nullopt;
}

std::optional<std::int32_t> Tokenizer::single(std::string_view text) const {
  std::vector<Token> tokens;
  encode(clean(text), Before::kNothing, tokens);
  if (tokens.size() != 1) return std::nullopt;
  return tokens[0].id;
}

void Tokenizer::set_controls(std::vector<ControlToken> controls, const EndNames& ends) {
  controls_ = std::move(controls);
  std::stable_sort(controls_.begin(), controls_.end(), [](const ControlToken& a, const ControlToken& b) {
    return a.text.size() > b.text.size();
  });
  bos_ = {ends.bos, control(ends.bos)};
  eos_ = {ends.eos, control(ends.eos)};
  special_names_ = ends.special;
  post_processor_ = ends.added;
}

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const Files& model_directory) {
  const Result<EndNames> ends = read_ends(model_directory);
  if (!ends) return ends.error();
  if (model_directory.exists("tokenizer.json")) return load_json(model_directory, *ends);
  for (const std::string& name : model_directory.list("")) {
    if (!name.ends_with(".model")) continue;
    const Result<Bytes> bytes = model_directory.open(name);
    if (!bytes) return bytes.error();
    return make_sentence_piece(bytes->text(), *ends);
  }
  return Error{Code::kNotFound, model_directory.name() + ": neither tokenizer.json nor a .model file", {}};
}

}  // namespace preferd::text
