#include "base/schema_text.h"

#include "base/toml.h"

namespace preferd {
namespace {

constexpr std::size_t kHelpColumn = 34;

using Comment = std::function<std::string(const std::string& path)>;

class Printer : public Schema {
 public:
  enum class Style { kToml, kHelp };
  // `comment` may be empty.
  Printer(Style style, Comment comment, std::string path = {})
      : style_(style), comment_(std::move(comment)), path_(std::move(path)) {}

  std::string text_so_far() const { return keys_ + sections_; }

  void section(const char* name, const char* help, const std::function<void(Schema&)>& body) override {
    Printer inner(style_, comment_, under(name));
    body(inner);
    sections_ += "\n[" + under(name) + "]" + about(help) + "\n" + inner.text_so_far();
  }

  void tables(const char* name, const char*, const char* help, std::size_t count,
              const std::function<void(std::size_t)>& resize,
              const std::function<void(Schema&, std::size_t)>& body) override {
    const bool example = style_ == Style::kHelp && count == 0;
    if (example) resize(1);
    for (std::size_t i = 0; i < count + (example ? 1 : 0); ++i) {
      Printer inner(style_, {}, under(name));
      body(inner, i);
      sections_ += "\n[[" + under(name) + "]]" + (comment_ ? commented(name) : about(help)) + "\n" +
                   inner.text_so_far();
    }
    if (example) resize(0);
    if (count == 0 && style_ == Style::kToml) line(name, "[]", help);
  }

 protected:
  void field(Field field) override {
    const Json value = field.show();
    if (value.is_null()) return;
    std::string help;
    for (const char* word : field.words) help += (help.empty() ? "" : "|") + std::string(word);
    line(field.name, toml_value(value), help.empty() ? field.help : help + ": " + field.help);
  }

 private:
  std::string under(const char* name) const { return path_.empty() ? name : path_ + "." + name; }
  std::string about(const char* help) const {
    return style_ == Style::kHelp ? std::string("  # ") + help : "";
  }

  std::string commented(const char* name) const { return "  # " + comment_(under(name)); }

  void line(const char* name, const std::string& value, const std::string& help) {
    std::string out = std::string(name) + " = " + value;
    if (style_ == Style::kHelp) {
      if (out.size() < kHelpColumn) out.resize(kHelpColumn, ' ');
      out += "  # " + help;
    }
    if (comment_) out += commented(name);
    keys_ += out + "\n";
  }

  Style style_;
  Comment comment_;
  std::string path_, keys_, sections_;
};

std::string printed(const std::function<void(Schema&)>& describe, Printer printer) {
  describe(printer);
  return printer.text_so_far();
}

}  // namespace

std::string toml_text(const std::function<void(Schema&)>& describe) {
  return printed(describe, Printer(Printer::Style::kToml, {}));
}

std::string toml_text(const std::function<void(Schema&)>& describe, const Comment& comment) {
  return printed(describe, Printer(Printer::Style::kToml, comment));
}

std::string toml_help(const std::function<void(Schema&)>& describe) {
  return printed(describe, Printer(Printer::Style::kHelp, {}));
}

}  // namespace preferd
