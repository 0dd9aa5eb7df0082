// preferd inspect: what a package is made of, what it takes, how it reads rows, whether it still gives its
// own answers.
#include <algorithm>
#include <cstdio>
#include <set>

#include "base/json.h"
#include "cli/common.h"
#include "cli/package_text.h"
#include "model/package/composite.h"
#include "model/scorer/golden.h"
#include "model/scorer/inspect.h"
#include "model/scorer/load.h"
#include "model/scorer/verdict_json.h"
#include "rows/rows.h"

namespace preferd::cli {
namespace {

struct InspectOptions {
  EngineOptions engine;
  std::string tokens;
  rows::InvalidText invalid_text = rows::InvalidText::kError;
  bool verify = false, tensors = false;
};

int inspect_any(const std::shared_ptr<const Files>& folder, const InspectOptions& o, int depth);

std::string tokens_line(const scorer::PairEncoder& encoder, const rows::RowRead& read, bool& failed) {
  std::string line;
  JsonWriter json(line);
  json.begin_object().key("id").raw(read.id);
  const auto fail = [&](const Error& error) {
    failed = true;
    json.key("error")
        .begin_object()
        .member("code", word_of(error.code))
        .member("message", error.what)
        .end_object()
        .end_object();
    return line + "\n";
  };
  if (!read.row) return fail(read.row.error());
  const rows::Row& r = *read.row;
  const text::Pair pair{r.prompt, r.response_a, r.response_b};
  const auto encoded =
      encoder.encode({pair, r.adapter.value_or(""), scorer::Swap::kNone, scorer::Overflow::kPackage});
  if (!encoded) return fail(encoded.error());
  json.key("sequences").begin_array();
  for (const auto& sequence : encoded->orders[0].sequences) {
    json.begin_array();
    for (const std::int32_t id : sequence) json.value(id);
    json.end_array();
  }
  json.end_array();
  scorer::write_tokens(encoded->tokens, json);
  scorer::write_truncated(encoded->truncated, json);
  if (encoder.columns() > 0) {
    json.key("features").begin_array();
    for (const float x : encoder.features(pair)) json.value(x);
    json.end_array();
  }
  json.end_object();
  return line + "\n";
}

int print_tokens(const scorer::PairEncoder& encoder, const InspectOptions& o) {
  auto reader = rows::RowReader::open(o.tokens, rows::RowFormat::kAuto, o.invalid_text);
  if (!reader) return report(reader.error(), kFailed);
  bool failed = false;
  while (true) {
    auto read = reader->next();
    if (!read) return report(read.error(), kFailed);
    if (!*read) break;
    std::fputs(tokens_line(encoder, **read, failed).c_str(), stdout);
  }
  return failed ? kBadRows : kDone;
}

int verify(const std::shared_ptr<const Files>& package, const EngineOptions& engine) {
  const auto options = load_options(engine, scorer::Golden::kVerify);
  if (!options) return report(options.error(), kFailed);
  const auto scorer = scorer::load_scorer(package, *options);
  if (!scorer) return report(scorer.error(), kFailed);
  const scorer::ScorerInfo& info = (*scorer)->info();
  if (!info.compute_note.empty()) std::printf("%s\n", info.compute_note.c_str());
  if (info.golden_pairs == 0)
    std::printf("every tensor is accounted for; the package records no golden pairs\n");
  else
    std::printf(
        "every tensor is accounted for; %zu golden pairs agree in %s, the worst logit is off by %.2g "
        "(tolerance "
        "%.2g)\n",
        info.golden_pairs, info.compute.c_str(), info.golden_worst, scorer::golden_tolerance(info));
  return kDone;
}

int inspect_one(const std::shared_ptr<const Files>& package, const InspectOptions& o) {
  const auto encoder = scorer::PairEncoder::open(package);
  if (!encoder) return report(encoder.error(), kFailed);
  if (!o.tokens.empty()) return print_tokens(**encoder, o);
  if (o.verify) return verify(package, o.engine);
  const auto seen = scorer::inspect_package(**encoder);
  if (!seen) return report(seen.error(), kFailed);
  print_package(**encoder, *seen);
  if (o.tensors) print_tensors(*seen);
  return kDone;
}

std::string member_text(const package::CompositeManifest& m, std::size_t i) {
  const package::MemberSpec& spec = m.members[i];
  char text[64] = "answers every pair";
  if (m.kind == package::PackageKind::kEnsemble)
    std::snprintf(text, sizeof text, "weight %g", spec.weight);
  else if (i > 0)
    std::snprintf(text, sizeof text, "where the margin is below %g, weight %g", spec.when_margin_below,
                  spec.weight);
  return spec.label() + ": " + text;
}

// The combination itself, then each package in it once.
int inspect_composite(const std::shared_ptr<const Files>& folder, const InspectOptions& o, int depth) {
  if (depth == package::kDeepestComposite)
    return report(invalid(folder->name() + ": ensembles and cascades are nested more than " +
                          std::to_string(package::kDeepestComposite) + " deep"),
                  kFailed);
  if (!o.tokens.empty())
    return report(invalid("flag --tokens: " + folder->name() +
                          " combines packages, expected one package: name a member's folder"),
                  kBadUsage);
  const auto manifest = package::read_composite(*folder);
  if (!manifest) return report(manifest.error(), kFailed);
  print_row(word_of(manifest->kind), manifest->name + (manifest->revision.empty() ? "" : " ") +
                                         manifest->revision + "  (" + folder->name() + ")");
  print_row("digest", manifest->digest);
  for (std::size_t i = 0; i < manifest->members.size(); ++i) print_row("member", member_text(*manifest, i));
  if (o.verify) {  // as a whole: what members must agree on
    const auto options = load_options(o.engine, scorer::Golden::kSkip);
    if (!options) return report(options.error(), kFailed);
    const auto whole = scorer::load_scorer(folder, *options);
    if (!whole) return report(whole.error(), kFailed);
  }
  std::set<std::string> seen;
  int worst = kDone;
  for (const package::MemberSpec& spec : manifest->members) {
    if (!seen.insert(spec.package).second) continue;
    std::printf("\n%s\n", spec.package.c_str());
    const auto inner = folder->folder(spec.package);
    worst = std::max(worst, inner ? inspect_any(*inner, o, depth + 1) : report(inner.error(), kFailed));
  }
  return worst;
}

int inspect_any(const std::shared_ptr<const Files>& folder, const InspectOptions& o, int depth) {
  const auto kind = package::package_kind(*folder);
  if (!kind) return report(kind.error(), kFailed);
  return *kind == package::PackageKind::kPackage ? inspect_one(folder, o)
                                                 : inspect_composite(folder, o, depth);
}

void describe(Schema& s, InspectOptions& o) {
  cli::describe(s, o.engine);
  s.toggle("tensors", o.tensors, "list every tensor");
  s.toggle("verify", o.verify, "load everything and score the golden pairs again");
  s.text("tokens", o.tokens,
         "rows (as score reads them): print each row's token ids and features, opening no weights");
  s.choice("invalid-text", o.invalid_text,
           "what halves of UTF-16 pairs and bytes that are no UTF-8 are in rows: an error, or U+FFFD");
}

int inspect(const InspectOptions& o, const Loaded&) {
  if (const auto code = check_device(o.engine)) return *code;
  auto package = open_package(o.engine);
  if (!package) return report(package.error(), kFailed);
  return inspect_any(*package, o, 0);
}

}  // namespace

Command inspect_command() {
  return command<InspectOptions>({.name = "inspect",
                                  .summary = "show and check a model package",
                                  .about = "Shows and checks a model package."},
                                 inspect);
}

}  // namespace preferd::cli
