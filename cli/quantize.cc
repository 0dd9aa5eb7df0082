// preferd quantize: a dense Hugging Face checkpoint to one of 4 or 8 bits, in bitsandbytes' own layout.
#include "model/convert/quantize.h"

#include <algorithm>
#include <cstdio>

#include "cli/common.h"
#include "cli/progress.h"

namespace preferd::cli {
namespace {

using Scheme = checkpoint::Quantization::Scheme;
using Embeddings = checkpoint::Quantization::Embeddings;

struct Options {
  std::string input, output;
  convert::QuantizeOptions quantize;
  std::vector<std::string> skip;
  int threads = 0;
  bool quiet = false;

  Options() { quantize.form.scheme = Scheme::kNf4; }
};

Status check(const Options& o, const Loaded& loaded) {
  const checkpoint::Quantization& form = o.quantize.form;
  const bool four = form.scheme != Scheme::kInt8;
  if ((form.block_size & (form.block_size - 1)) != 0)
    return invalid("block-size is " + std::to_string(form.block_size) +
                   ", expected a power of two from 32 to 4096");
  if (!four && (form.double_quant || loaded.origin("block-size") == Origin::kFlag))
    return invalid("double-quant and block-size mean nothing for scheme int8");
  if (form.embeddings == Embeddings::kNf4 && form.scheme != Scheme::kNf4)
    return invalid("embeddings nf4 goes with scheme nf4 only");
  return Ok{};
}

void describe(Schema& s, Options& o) {
  checkpoint::Quantization& form = o.quantize.form;
  s.text("input", o.input, "model directory: config.json, safetensors, tokenizer", {.required = true});
  s.text("output", o.output, "directory to make; must be absent or empty", {.required = true});
  s.choice("scheme", form.scheme, "format of the linears", {Scheme::kNf4, Scheme::kFp4, Scheme::kInt8});
  s.toggle("double-quant", form.double_quant, "quantize the scales of 4-bit blocks too");
  s.integer("block-size", form.block_size, 32, 4096, "values a 4-bit block");
  s.texts("skip", o.skip, "modules left dense, as A,B: a name, its end or its beginning (layers.0, o_proj)");
  s.choice("embeddings", form.embeddings,
           "format of the input embedding; only preferd reads other than none");
  s.integer("shard-bytes", o.quantize.shard_bytes, std::size_t{1} << 10, std::size_t{1} << 50,
            "largest file of weights");
  s.integer("threads", o.threads, 0, 1024, "threads that compute; 0 is one a core");
  s.toggle("quiet", o.quiet, "no progress and no summary");
}

int quantize(Options& o, const Loaded& loaded) {
  checkpoint::Quantization& form = o.quantize.form;
  form.skip = words_of(o.skip);
  if (const Status s = check(o, loaded); !s) return report(s.error(), kBadUsage);
  o.quantize.threads = thread_count(o.threads);
  auto folder = AtomicFolder::create_new(o.output);
  if (!folder) return report(folder.error(), kFailed);
  Result<convert::QuantizeReport> done = [&] {
    Progress progress(o.quiet ? Progress::Shown::kNever : Progress::Shown::kAlways);
    return convert::quantize_checkpoint(
        o.input, o.quantize, *folder,
        [&](std::size_t bytes, std::size_t all) { progress.show_bytes(bytes, all); });
  }();
  if (!done) return report(done.error(), kFailed);
  if (const Status s = folder->commit(); !s) return report(s.error(), kFailed);
  if (o.quiet) return kDone;
  std::fprintf(stderr,
               "%s: %s, %zu weights as %s, %zu tensors as they were, %.1f MB from %.1f MB, %zu file%s\n",
               o.output.c_str(), done->family.c_str(), done->quantized, word_of(form.scheme), done->dense,
               static_cast<double>(done->bytes_out) / 1e6, static_cast<double>(done->bytes_in) / 1e6,
               done->shards, done->shards == 1 ? "" : "s");
  return kDone;
}

}  // namespace

Command quantize_command() {
  return command<Options>(
      {.name = "quantize",
       .summary = "make a checkpoint of 4 or 8 bits as bitsandbytes writes it",
       .about = "Makes a dense Hugging Face checkpoint (BF16, F16, F32 safetensors) one of 4 or 8 bits with "
                "the bytes\nof bitsandbytes, for transformers and for preferd. Linears of the body are "
                "quantized; embeddings, norms,\nLM head and heads are copied."},
      quantize);
}

}  // namespace preferd::cli
