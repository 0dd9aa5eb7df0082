#include "model/text/model_json.h"

#include <algorithm>

namespace preferd::text {
namespace {

Error refuse(const std::string& what) { return invalid("tokenizer.json: " + what); }

bool off(const Json& v) {
  return v.is_null() || v == Json(false) || v == Json("") || (v.is_number() && v.get<double>() == 0);
}

Status read_options(const Json& model) {
  if (!model.is_object()) return refuse("model is missing");
  if (const std::string type = type_of(model); type != "BPE")
    return refuse("model.type is " + type + ", expected BPE, Unigram or WordPiece");
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (!off(member(model, key))) return refuse(std::string("model.") + key + " is set and not supported");
  return Ok{};
}

Status read_merges(const TokenizerJson& file, BpeModel& out) {
  out.merges.reserve(file.merges.size());
  std::uint32_t rank = 0;
  for (const auto& merge : file.merges) {
    const std::int32_t left = out.pieces.find(file.text(merge.begin, merge.left_size));
    const std::int32_t right = out.pieces.find(file.text(merge.begin + merge.left_size, merge.right_size));
    const std::int32_t whole = out.pieces.find(file.text(merge.begin, merge.left_size + merge.right_size));
    if (left < 0 || right < 0 || whole < 0)
      return refuse("model.merges: entry " + std::to_string(rank) +
                    " names a piece that is not in model.vocab");
    out.merges.insert(left, right, {rank++, whole});
  }
  return Ok{};
}

struct Added {
  std::string content;
  std::int64_t id = -1;
  bool special = false, normalized = false, lstrip = false, rstrip = false, single_word = false;
};

Result<Added> read_added(const Json& token) {
  const Json& content = member(token, "content");
  const Json& id = member(token, "id");
  if (!content.is_string() || !id.is_number_integer())
    return refuse("added_tokens: an entry without content or id");
  Added out{content.get<std::string>(),
            id.get<std::int64_t>(),
            member(token, "special") == Json(true),
            member(token, "normalized") == Json(true),
            member(token, "lstrip") == Json(true),
            member(token, "rstrip") == Json(true),
            member(token, "single_word") == Json(true)};
  if (out.content.empty() || out.id < 0 || out.id >= 1 << 24)
    return refuse("added_tokens: an entry with an empty content or an id out of range");
  if (out.special && out.single_word)
    return refuse("the control token '" + out.content + "' has single_word, which is not supported");
  return out;
}

}  // namespace

const Json& member(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto at = object.find(key);
  return at == object.end() ? null : *at;
}

std::string type_of(const Json& component) {
  if (component.is_null()) return "null";
  const Json& type = member(component, "type");
  return type.is_string() ? type.get<std::string>() : "?";
}

Status read_pieces(const TokenizerJson& file, TokenTables& out) {
  if (file.pieces.empty()) return refuse("model.vocab is empty or missing");
  out.pieces.reserve(file.pieces.size(), file.arena.size());
  for (const auto& piece : file.pieces) {
    if (!out.pieces.insert(file.text(piece.begin, piece.size), piece.id))
      return refuse("model.vocab has a piece twice (id " + std::to_string(piece.id) + ")");
    out.top_id = std::max(out.top_id, piece.id);
  }
  return Ok{};
}

Status read_added_tokens(const Json& list, TokenTables& out) {
  if (list.is_null()) return Ok{};
  if (!list.is_array()) return refuse("added_tokens is not a list");
  std::vector<AddedToken> raw, normalized;
  for (const Json& entry : list) {
    Result<Added> added = read_added(entry);
    if (!added) return added.error();
    const auto id = static_cast<std::int32_t>(added->id);
    const std::int32_t known = out.pieces.find(added->content);
    if (known >= 0 && known != id)
      return refuse("added token '" + added->content + "' has id " + std::to_string(id) +
                    ", in model.vocab it is " + std::to_string(known));
    const auto kind = added->special ? AddedToken::Kind::kControl : AddedToken::Kind::kPlain;
    (added->normalized ? normalized : raw)
        .push_back({added->content, id, kind, added->lstrip, added->rstrip, added->single_word});
    out.top_id = std::max(out.top_id, id);
    if (added->special) out.controls.push_back({added->content, id, added->lstrip, added->rstrip});
  }
  out.raw = AddedTokens(std::move(raw));
  out.normalized = AddedTokens(std::move(normalized));
  return Ok{};
}

Result<BpeModel> read_bpe_model(const TokenizerJson& file) {
  BpeModel out;
  const Json& model = member(file.rest, "model");
  if (Status s = read_options(model); !s) return s.error();
  if (Status s = read_pieces(file, out); !s) return s.error();
  if (Status s = read_merges(file, out); !s) return s.error();
  if (Status s = read_added_tokens(member(file.rest, "added_tokens"), out); !s) return s.error();
  return out;
}

}  // namespace preferd::text
