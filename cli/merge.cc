// preferd merge: a package's adapter added to its dense base, checked on golden pairs.
#include "model/convert/merge.h"

#include <cstdio>

#include "cli/common.h"
#include "cli/progress.h"

namespace preferd::cli {
namespace {

struct Options {
  convert::MergeOptions merge;
  std::string package, output;
  double tolerance = 0;
  int threads = 0;
  bool quiet = false;
};

void print_report(const convert::MergeReport& r) {
  std::printf("adapter '%s': %zu weights added to, %zu replaced%s\n", r.adapter.c_str(), r.projections,
              r.replaced, r.unties ? "; the LM head is a tensor of its own now" : "");
  std::printf(
      "%zu golden pairs: a logit differs by at most %.2g (tolerance %.2g), a probability by %.2g; %zu "
      "winner%s changed\n",
      r.pairs, r.worst_logit, r.tolerance, r.worst_probability, r.flips, r.flips == 1 ? "" : "s");
}

int run(const Options& o) {
  auto folder = AtomicFolder::create_new(o.output);
  if (!folder) return report(folder.error(), kFailed);
  const Result<convert::MergeReport> merged = [&] {
    Progress progress(o.quiet ? Progress::Shown::kNever : Progress::Shown::kAlways);
    return convert::merge_package(o.package, o.merge, *folder,
                                  [&](std::size_t done, std::size_t all) { progress.show_bytes(done, all); });
  }();
  if (!merged) return report(merged.error(), kFailed);
  if (!o.quiet) print_report(*merged);
  if (!(merged->worst_logit <= merged->tolerance))
    return report(
        invalid(
            "the merged package differs from the adapter by more than the tolerance, so nothing is written; "
            "expected a wider --dtype (fp32 rounds least) or a higher --tolerance"),
        kFailed);
  if (const Status s = folder->commit(); !s) return report(s.error(), kFailed);
  return kDone;
}

void describe(Schema& s, Options& o) {
  s.text("package", o.package, "package with an adapter over a dense base", {.required = true});
  s.text("output", o.output, "directory to make; must be absent or empty", {.required = true});
  s.text("adapter", o.merge.adapter, "name of the adapter; without it the default");
  s.choice("dtype", o.merge.type, "type of all weights; keep: each as the base has it");
  s.real("tolerance", o.tolerance, 0.0, 1e6,
         "largest difference of a golden logit; 0 is 1e-3 for fp32, 3e-2 for fp16, 3e-1 for bf16");
  s.integer("shard-bytes", o.merge.shard_bytes, std::size_t{1} << 10, std::size_t{1} << 50,
            "largest file of weights");
  s.integer("threads", o.threads, 0, 1024, "threads that compute; 0 is one a core");
  s.toggle("quiet", o.quiet, "no progress and no report");
}

int merge(Options& o, const Loaded&) {
  if (o.tolerance > 0) o.merge.tolerance = o.tolerance;
  o.merge.threads = thread_count(o.threads);
  return run(o);
}

}  // namespace

Command merge_command() {
  return command<Options>(
      {.name = "merge",
       .summary = "add an adapter to its dense base, checked on golden pairs",
       .about =
           "Adds a package's LoRA adapter to its dense base and writes a package without adapter: head and "
           "modules_to_save\ncome along. Golden pairs are scored before and after. A quantized base is "
           "refused: rounding the sum to 4 or 8\nbits again would lose most of the adapter."},
      merge);
}

}  // namespace preferd::cli
