#include "model/text/tokenizer_json.h"

#include <algorithm>

namespace preferd::text {
namespace {

constexpr std::int64_t kLargestId = (1 << 24) - 1;
constexpr std::size_t kDeepest = 64;

// Consumes parser events: model.vocab and model.merges go to the arrays, everything else becomes the
// document.
class Reader : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(number_integer_t v) override { return table_ == Table::kVocab ? piece(v) : value(v); }
  bool number_unsigned(number_unsigned_t v) override {
    return table_ == Table::kVocab ? piece(v > kLargestId ? -1 : static_cast<std::int64_t>(v)) : value(v);
  }
  bool number_float(number_float_t v, const string_t&) override { return value(v); }
  bool binary(binary_t&) override { return fail("holds a binary value"); }

  bool string(string_t& v) override {
    if (table_ == Table::kMerges) return merge(v);
    if (table_ == Table::kPair) return half(v);
    return value(std::move(v));
  }

  bool key(string_t& v) override {
    if (table_ == Table::kVocab)
      name_ = std::move(v);
    else
      key_ = std::move(v);
    return true;
  }

  bool start_object(std::size_t) override {
    if (table_ == Table::kNone && in_model() && key_ == "vocab") {
      table_ = Table::kVocab;
      return true;
    }
    return open(Json::object());
  }
  bool end_object() override { return close(); }

  bool start_array(std::size_t) override {
    if (table_ == Table::kNone && in_model() && key_ == "merges") {
      table_ = Table::kMerges;
      return true;
    }
    if (table_ == Table::kMerges) {
      table_ = Table::kPair;
      halves_ = 0;
      return true;
    }
    return open(Json::array());
  }

  bool end_array() override {
    if (table_ != Table::kPair) return close();
    table_ = Table::kMerges;
    return halves_ == 2 || fail("model.merges: a merge is not a pair");
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    return fail("is not valid JSON at byte " + std::to_string(position));
  }

  const std::string& failure() const { return failure_; }
  TokenizerJson take() { return std::move(out_); }

 private:
  enum class Table { kNone, kVocab, kMerges, kPair };

  bool fail(std::string why) {
    if (failure_.empty()) failure_ = std::move(why);
    return false;
  }

  bool in_model() const { return stack_.size() == 2 && model_; }

  Json* place(Json v) {
    if (stack_.empty()) return &(out_.rest = std::move(v));
    Json& parent = *stack_.back();
    if (parent.is_array()) return &parent.emplace_back(std::move(v));
    return &(parent[key_] = std::move(v));
  }

  bool value(Json v) {
    if (table_ == Table::kVocab) return fail("model.vocab: an id is not an integer from 0 to 16777215");
    if (table_ != Table::kNone) return fail("model.merges: a merge is not a pair of texts");
    place(std::move(v));
    return true;
  }

  bool open(Json v) {
    if (table_ != Table::kNone) return value(nullptr);
    if (stack_.size() >= kDeepest) return fail("is nested too deeply");
    if (stack_.size() == 1) model_ = key_ == "model" && v.is_object();
    stack_.push_back(place(std::move(v)));
    return true;
  }

  bool close() {
    if (table_ != Table::kNone) {
      table_ = Table::kNone;
      return true;
    }
    stack_.pop_back();
    return true;
  }

  bool piece(std::int64_t id) {
    if (id < 0 || id > kLargestId) return value(nullptr);
    out_.pieces.push_back({out_.arena.size(), name_.size(), static_cast<std::int32_t>(id)});
    out_.arena += name_;
    return true;
  }

  bool merge(std::string_view v) {
    const std::size_t gap = v.find(' ');
    if (gap == std::string_view::npos || v.find(' ', gap + 1) != std::string_view::npos)
      return fail("model.merges: entry " + std::to_string(out_.merges.size()) + " is not two pieces");
    out_.merges.push_back({out_.arena.size(), gap, v.size() - gap - 1});
    out_.arena.append(v.substr(0, gap)).append(v.substr(gap + 1));
    return true;
  }

  bool half(std::string_view v) {
    if (halves_ == 0) out_.merges.push_back({out_.arena.size(), v.size(), 0});
    if (halves_ == 1) out_.merges.back().right_size = v.size();
    out_.arena += v;
    return ++halves_ <= 2 || fail("model.merges: a merge is not a pair");
  }

  TokenizerJson out_;
  std::vector<Json*> stack_;
  std::string key_, name_, failure_;
  Table table_ = Table::kNone;
  bool model_ = false;  // the second level is the object under "model"
  int halves_ = 0;
};

}  // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view text) {
  if (const Status s = refuse_nul(text); !s) return invalid("tokenizer.json is " + s.error().what);
  Reader reader;
  if (!Json::sax_parse(text.begin(), text.end(), &reader))
    return invalid("tokenizer.json " + reader.failure());
  TokenizerJson out = reader.take();
  if (!out.rest.is_object()) return invalid("tokenizer.json is not an object");
  return out;
}

}  // namespace preferd::text
