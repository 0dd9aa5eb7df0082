// preferd pack: a base, a PEFT adapter and a head become a package with golden pairs.
#include "model/convert/pack.h"

#include <cstdio>
#include <filesystem>

#include "cli/common.h"
#include "cli/package_text.h"
#include "model/convert/traps.h"

namespace preferd::cli {
namespace {

using Scheme = checkpoint::Quantization::Scheme;

struct Options {
  convert::PackOptions pack;
  std::string output, input_template;
  std::vector<std::string> adapters, answer_tokens, labels;
  std::optional<Scheme> scheme;  // absent: as found
  bool double_quant = false, link_base = false, quiet = false;
  int block_size = 64, threads = 0;
};

// "DIR", or "NAME=DIR".
std::pair<std::string, std::string> adapter_of(const std::string& given) {
  const std::size_t at = given.find('=');
  std::error_code ec;
  if (at == std::string::npos || std::filesystem::is_directory(given, ec)) return {"", given};
  return {given.substr(0, at), given.substr(at + 1)};
}

Status read_flags(Options& o, const Loaded& loaded) {
  const auto given = [&](const char* name) { return loaded.given(name); };
  for (const std::string& a : o.adapters) o.pack.adapters.push_back(adapter_of(a));
  if (!o.pack.manifest.empty())
    for (const char* flag : {"template", "max-tokens", "add-bos", "add-eos", "answer-tokens"})
      if (given(flag))
        return invalid(std::string("manifest and ") + flag + " exclude each other: the manifest says it");
  if (o.pack.manifest.empty() && o.pack.base.empty())
    return invalid("base is missing, expected a model directory");
  if (given("template")) {
    auto text = text_of("--template", o.input_template);
    if (!text) return text.error();
    if (o.input_template.starts_with('@') && text->ends_with('\n')) text->pop_back();
    if (text->find("\\n") != std::string::npos)
      std::fputs(
          "note: the template holds a backslash and an n, which stay two characters; a line end is written "
          "as "
          "$'...\\n...' in bash, or in a file that --template @FILE reads\n",
          stderr);
    o.pack.template_options.input_template = std::move(*text);
  }
  auto labels = convert::Labels::make(words_of(o.labels));
  if (!labels) return labels.error();
  o.pack.labels = std::move(*labels);
  o.pack.template_options.answer_tokens = words_of(o.answer_tokens);
  if (const std::size_t count = o.pack.template_options.answer_tokens.size();
      given("answer-tokens") && count != 1 && count != 2)
    return invalid("answer-tokens has " + std::to_string(count) +
                   " tokens, expected two, A,B, or the one whose logit is the reward");
  const bool four = o.scheme == Scheme::kNf4 || o.scheme == Scheme::kFp4;
  if (!four && (given("double-quant") || given("block-size")))
    return invalid("double-quant and block-size go with scheme nf4 or fp4");
  if (!o.scheme) return Ok{};
  convert::OrderedJson section = {{"scheme", word_of(*o.scheme)}};
  if (four) section.update({{"double_quant", o.double_quant}, {"block_size", o.block_size}});
  o.pack.quantization = section;
  return Ok{};
}

void describe(Schema& s, Options& o) {
  s.text("base", o.pack.base, "model directory as on Hugging Face; without it the manifest's");
  s.texts("adapter", o.adapters, "PEFT directory; several as NAME=DIR, the first being the default");
  s.text("head", o.pack.head, "head.safetensors; without it the head that PEFT saved with the adapter");
  s.text("features", o.pack.features, "features.safetensors, where the manifest's features are standardised");
  s.text("output", o.output, "directory to make; must be absent or empty", {.required = true});
  s.text("manifest", o.pack.manifest,
         "package.json that says how the parts fit; its paths count from its own folder, flags replace them");
  s.text("name", o.pack.template_options.name,
         "the package's name; without it the manifest's, or the output's last part");
  s.text("template", o.input_template,
         "without a manifest: text with {prompt}, {response_a}, {response_b}, or {prompt}, {response}; @FILE "
         "reads a file; the default is in docs/packages.md");
  s.integer("max-tokens", o.pack.template_options.max_tokens, 1, 1 << 20,
            "without a manifest: limit of a sequence");
  s.toggle("add-bos", o.pack.template_options.add_bos, "without a manifest: begin with BOS");
  s.toggle("add-eos", o.pack.template_options.add_eos, "without a manifest: end with EOS");
  s.texts(
      "answer-tokens", o.answer_tokens,
      "without a manifest: no head, but these two tokens of the LM head, as A,B, or one whose logit is the "
      "reward of a response");
  s.choice("scheme", o.scheme, "as-found",
           "quantization of the base, at load where it is dense; as-found: the manifest's, or what the files "
           "are");
  s.toggle("double-quant", o.double_quant, "quantize the scales of 4-bit blocks too");
  s.integer("block-size", o.block_size, 32, 4096, "values a 4-bit block");
  s.texts("labels", o.labels,
          "what the head's outputs stand for, in their order, where it is not model_a,model_b[,tie]: "
          "model_b,model_a say, or model_a for one output that is the logit of A");
  s.text("golden-rows", o.pack.golden_rows,
         "16 to 64 rows whose logits are recorded; logits that they bring, from your own program, must be "
         "ours within 2e-4; without it 16 built-in pairs in several languages");
  s.toggle("link-base", o.link_base, "leave the base where it is and write its absolute path");
  s.integer("threads", o.threads, 0, 1024, "threads that compute; 0 is one a core");
  s.toggle("quiet", o.quiet, "print nothing");
}

int run(Options& o) {
  auto folder = AtomicFolder::create_new(o.output);
  if (!folder) return report(folder.error(), kFailed);
  const auto made = convert::make_package(o.pack, *folder);
  if (!made) return report(made.error(), kFailed);
  if (const Status s = folder->commit(); !s) return report(s.error(), kFailed);
  if (o.quiet) return kDone;
  auto files = open_directory(o.output);
  if (!files) return report(files.error(), kFailed);
  const auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return report(encoder.error(), kFailed);
  const auto seen = scorer::inspect_package(**encoder);
  if (!seen) return report(seen.error(), kFailed);
  print_package(**encoder, *seen);
  std::printf(
      "\nevery tensor is accounted for and golden pairs agree with themselves when loaded again; %s\n",
      package::traits((*encoder)->manifest().output()).meaning);
  if (!o.pack.labels.ours()) std::printf("the head was put into that order, as --labels says\n");
  if (!o.pack.golden_rows.empty())
    std::printf("logits of your own: %zu rows of %s brought some, %s\n", made->compared,
                o.pack.golden_rows.c_str(),
                made->compared == 0 ? "so that nothing of yours was compared" : "all within 2e-4");
  const auto traps = convert::traps_of_text(**encoder);
  if (!traps) return report(traps.error(), kFailed);
  for (const std::string& note : *traps) std::printf("note: %s\n", note.c_str());
  std::printf("next: preferd serve --package %s\n", o.output.c_str());
  return kDone;
}

int pack(Options& o, const Loaded& loaded) {
  if (const Status s = read_flags(o, loaded); !s) return report(s.error(), kBadUsage);
  while (o.output.size() > 1 && o.output.ends_with('/')) o.output.pop_back();
  if (o.pack.template_options.name.empty() && o.pack.manifest.empty())
    o.pack.template_options.name = std::filesystem::path(o.output).lexically_normal().filename().string();
  o.pack.placed = o.link_base ? convert::PackOptions::Base::kLinked : convert::PackOptions::Base::kCopied;
  o.pack.threads = thread_count(o.threads);
  return run(o);
}

}  // namespace

Command pack_command() {
  return command<Options>(
      {.name = "pack",
       .summary = "make a package of a base, a PEFT adapter and a head",
       .about =
           "Makes a package: copies base, adapter and head together, loads them strictly, records golden "
           "pairs "
           "and checks\nthem by loading again. For an adapter of AutoModelForSequenceClassification this is "
           "enough:\n\n  preferd pack --base SmolLM2-135M --adapter runs/best --output my-judge"},
      pack);
}

}  // namespace preferd::cli
