#include "cli/package_text.h"

#include <cstdio>

#include "model/text/chat.h"

namespace preferd::cli {
namespace {

std::string megabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

}  // namespace

void print_row(const char* name, const std::string& value) { std::printf("%-14s %s\n", name, value.c_str()); }

void print_package(const scorer::PairEncoder& encoder, const scorer::Inspection& seen) {
  const package::Manifest& m = encoder.manifest();
  print_row("package",
            m.name + (m.revision.empty() ? "" : " " + m.revision) + "  (" + encoder.package().name() + ")");
  print_row("digest", m.digest);
  print_row("base", seen.family + ", " + std::to_string(seen.layers) + " of " +
                        std::to_string(seen.all_layers) + " layers, " +
                        std::to_string(seen.parameters / 1000) + " k parameters");
  print_row("quantization",
            std::string(word_of(m.quantization.scheme)) + (m.quantization.double_quant ? ", double" : ""));
  std::string adapters;
  for (const package::AdapterSpec& a : m.adapters)
    adapters += (adapters.empty() ? "" : ", ") + (a.path ? a.name + " (" + *a.path + ")" : "none");
  print_row("adapters", adapters);
  print_row("input", std::string(word_of(m.input.layout)) + ", at most " +
                         std::to_string(m.input.max_tokens) + " tokens a sequence");
  if (m.input.conversation)
    print_row("chat template", m.input.conversation->file + ", on " + m.input.conversation->date);
  if (m.input.chat)
    print_row("chat template", text::has_chat_template(encoder.base())
                                   ? "the base's"
                                   : "none in the base: that of its control tokens' family is assumed");
  print_row("head", word_of(m.output()));
  print_row("features", m.features.set == features::FeatureSet::kNone
                            ? "none"
                            : std::to_string(encoder.columns()) + " columns" +
                                  (m.features.standardize ? ", standardised" : ""));
  print_row("tensors",
            std::to_string(seen.tensors.size()) + " in files, every one accounted for by name and shape");
  print_row("memory", megabytes(seen.weight_bytes) + " weights (" + megabytes(seen.made_bytes) +
                          " made at load, the rest mapped) + about " + megabytes(seen.activation_bytes) +
                          " for a forward of 4,096 tokens");
}

void print_tensors(const scorer::Inspection& seen) {
  std::printf("\n%-34s %-62s %-5s %-16s %s\n", "file", "tensor", "dtype", "shape", "bytes");
  for (const scorer::TensorRow& t : seen.tensors)
    std::printf("%-34s %-62s %-5s %-16s %zu\n", t.file.c_str(), t.name.c_str(), t.dtype.c_str(),
                t.shape.c_str(), t.bytes);
}

}  // namespace preferd::cli
