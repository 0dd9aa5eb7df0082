#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "rows/csv.h"
#include "rows/record_sources.h"
#include "rows/turns.h"

namespace preferd::rows {
namespace {

// The columns of each form of a row (rows/forms.h), those that must be there first. An empty cell of a form's is an
// empty text.
struct Columns {
  std::vector<const char*> needed, optional;
};
const std::array<Columns, 3> kForms = {{{{"prompt", "response_a", "response_b"}, {}},
                                        {{"chosen", "rejected"}, {"prompt"}},
                                        {{"conversation_a", "conversation_b"}, {}}}};
constexpr const char* kExpected =
    "prompt, response_a, response_b or chosen, rejected or conversation_a, conversation_b";
constexpr std::array<const char*, 8> kMayBeTurns = {"prompt", "messages", "response_a",     "response_b",
                                                    "chosen", "rejected", "conversation_a", "conversation_b"};

// True for JSON that begins as a list of objects does.
bool may_be_turns(const std::string& text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  if (at == text.npos || text[at] != '[') return false;
  const std::size_t next = text.find_first_not_of(" \t\r\n", at + 1);
  return next != text.npos && text[next] == '{';
}

bool have_roles(const Json& list) {
  return std::all_of(list.begin(), list.end(), [](const Json& turn) {
    return turn.is_object() && (turn.contains("role") || turn.contains("from"));
  });
}

// Cells that hold lists of turns as JSON become the lists.
Status read_turn_cells(Json& fields, InvalidText invalid_text) {
  for (const char* key : kMayBeTurns) {
    const auto cell = fields.find(key);
    if (cell == fields.end() || !may_be_turns(cell->get_ref<const std::string&>())) continue;
    auto [list, mended] = parse_mended(cell->get_ref<const std::string&>());
    if (!list || !are_turns(*list) || !have_roles(*list)) continue;
    if (mended && invalid_text == InvalidText::kError) return lone_surrogate(key);
    *cell = std::move(*list);
  }
  return Ok{};
}

// The names of a header line, for a message: at most 200 bytes of them.
std::string columns(const std::vector<std::string>& header) {
  std::string names;
  for (const std::string& name : header) {
    if (names.size() + name.size() > 200) return names + ", ...";
    names.append(names.empty() ? "'" : ", '").append(utf8::repaired(name)).append("'");
  }
  return names.empty() ? "nothing" : names;
}

class Table : public RecordReader {
 public:
  static Result<std::unique_ptr<RecordReader>> open(LineReader lines, const std::string& path, char separator,
                                                    InvalidText invalid_text) {
    auto self = std::make_unique<Table>(std::move(lines), separator, invalid_text);
    auto header = next_record(self->lines_, separator);
    if (!header) return header.error();
    if (*header) self->header_ = std::move(**header);
    std::set<std::string> names;
    for (const std::string& name : self->header_)
      if (!name.empty() && !names.insert(name).second)
        return invalid(path + ": the first line has the column '" + utf8::repaired(name) +
                       "' twice, expected each once");
    const auto form = std::find_if(kForms.begin(), kForms.end(),
                                   [&](const Columns& f) { return self->missing(f) == nullptr; });
    if (form == kForms.end())
      return invalid(path + ": the first line has no column " + self->missing(kForms[0]) + ", expected " +
                     kExpected + " separated by " + (separator == ',' ? "commas" : "tabs") + "; it has " +
                     columns(self->header_));
    self->texts_ = form->needed;
    self->texts_.insert(self->texts_.end(), form->optional.begin(), form->optional.end());
    if (!self->has("prompt")) self->texts_.push_back("messages");
    return std::unique_ptr<RecordReader>(std::move(self));
  }

  Table(LineReader lines, char separator, InvalidText invalid_text)
      : lines_(std::move(lines)), separator_(separator), invalid_text_(invalid_text) {}

  Result<std::optional<RecordRead>> next() override {
    while (true) {
      const std::size_t at = lines_.line_number() + 1;
      auto record = next_record(lines_, separator_);
      if (!record) return record.error();
      if (!*record) return std::optional<RecordRead>();
      if ((*record)->size() == 1 && (**record)[0].empty()) continue;
      return std::optional<RecordRead>(read(**record, at));
    }
  }

  std::optional<double> progress() const override { return share(lines_); }

 private:
  bool has(const char* column) const {
    return std::find(header_.begin(), header_.end(), column) != header_.end();
  }

  // The first of the form's that the header lacks; null: none.
  const char* missing(const Columns& form) const {
    for (const char* key : form.needed)
      if (!has(key) && (std::string_view(key) != "prompt" || !has("messages"))) return key;
    return nullptr;
  }

  std::string id_of(const Json& fields, std::size_t at) const {
    std::string id = std::to_string(at);
    const char* key = id_key(fields);
    if (key == nullptr) return id;
    const auto& text = fields[key].get_ref<const std::string&>();
    if (!utf8::valid(text)) return id;
    id.clear();
    JsonWriter(id).value(text);
    return id;
  }

  RecordRead read(std::vector<std::string>& cells, std::size_t at) const {
    Json fields = Json::object();
    for (std::size_t i = 0; i < std::min(cells.size(), header_.size()); ++i) {
      if (invalid_text_ == InvalidText::kReplace) cells[i] = utf8::repaired(cells[i]);
      if (!cells[i].empty() || std::find(texts_.begin(), texts_.end(), header_[i]) != texts_.end())
        fields.emplace(header_[i], std::move(cells[i]));
    }
    std::string id = id_of(fields, at);
    if (cells.size() != header_.size())
      return {at, id,
              invalid("line " + std::to_string(at) + " has " + std::to_string(cells.size()) +
                      " fields, the header has " + std::to_string(header_.size()))};
    if (const Status status = read_turn_cells(fields, invalid_text_); !status)
      return {at, std::move(id), status.error()};
    return {at, std::move(id), std::move(fields)};
  }

  LineReader lines_;
  char separator_;
  InvalidText invalid_text_;
  std::vector<std::string> header_;
  std::vector<const char*> texts_;  // columns whose empty cells are empty texts
};

}  // namespace

Result<std::unique_ptr<RecordReader>> table_records(LineReader lines, const std::string& path, char separator,
                                                    InvalidText invalid_text) {
  return Table::open(std::move(lines), path, separator, invalid_text);
}

}  // namespace preferd::rows
