#include "training/data/text_side.h"

#include "base/json.h"
#include "base/sha256.h"
#include "training/data/packing.h"

namespace preferd::training {
namespace {

Result<std::string> digest_of(const Files& files, std::string_view name) {
  const auto bytes = files.open(name);
  if (!bytes) return bytes.error();
  return hex(sha256(bytes->view));
}

// What the text side reads besides the two sections: all small files beside the weights.
bool is_text_side(std::string_view name) {
  const auto ends = [&](std::string_view e) { return name.ends_with(e); };
  return (ends(".json") && !ends(".index.json")) || ends(".model") || ends(".txt") || ends(".jinja");
}

}  // namespace

Result<TextSide> text_side(const scorer::PairEncoder& encoder) {
  const auto text = encoder.package().open("package.json");
  if (!text) return text.error();
  const auto manifest = parse_json(text->text());
  if (!manifest) return manifest.error();
  Packer packer;
  packer.put((*manifest)["input"].dump()).put(manifest->value("features", Json()).dump());
  packer.put(std::string(word_of(encoder.manifest().output())));
  for (const std::string& name : encoder.base().list("")) {
    if (!is_text_side(name)) continue;
    const auto digest = digest_of(encoder.base(), name);
    if (!digest) return digest.error();
    packer.put(name).put(*digest);
  }
  if (encoder.manifest().features.standardize) {
    const auto digest = digest_of(encoder.package(), encoder.manifest().features.file);
    if (!digest) return digest.error();
    packer.put(*digest);
  }
  return TextSide{[&encoder](const scorer::Ask& ask) { return encoder.encode(ask); },
                  std::move(packer.bytes()),
                  package::traits(encoder.manifest().output()).scores_each_response()};
}

}  // namespace preferd::training
