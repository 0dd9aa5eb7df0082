// preferd inspect: what a package is made of, what it takes, how it reads rows, whether it still gives its
// own answers.
#include <cstdio>

#include "base/json.h"
#include "cli/common.h"
#include "cli/package_text.h"
#include "model/scorer/golden.h"
#include "model/scorer/inspect.h"
#include "rows/rows.h"

namespace preferd::cli {
namespace {

struct InspectOptions {
  EngineOptions engine;
  std::string tokens;
  bool verify = false, tensors = false;
};

std::string tokens_line(const Encoder& encoder, const RowRead& read, bool& failed) {
  std::string line;
  JsonWriter json(line);
  json.begin_object().key("id").raw(read.id);
  const auto fail = [&](const Error& error) {
    failed = true;
    json.key("error")
        .begin_object()
        .member("code", row_error_code(error))
        .member("message", error.what)
        .end_object()
        .end_object();
    return line + "\n";
  };
  if (!read.row) return fail(read.row.error());
  const Row& r = *read.row;
  const Pair pair{r.prompt, r.response_a, r.response_b};
  const auto encoded = encoder.encode({pair, r.adapter.value_or(""), Swap::kNone, Overflow::kPackage});
  if (!encoded) return fail(encoded.error());
  json.key("sequences").begin_array();
  for (const auto& sequence : encoded->orders[0].sequences) {
    json.begin_array();
    for (const std::int32_t id : sequence) json.value(id);
    json.end_array();
  }
  json.end_array().key("tokens").begin_object();
  json.member("prompt", encoded->tokens.prompt).member("response_a", encoded->tokens.response_a);
  json.member("response_b", encoded->tokens.response_b).member("total", encoded->tokens.total).end_object();
  json.key("truncated").begin_object();
  for (std::size_t part = 0; part < encoded->truncated.size(); ++part) {
    const Lost& lost = encoded->truncated[part];
    if (lost.any())
      json.key(kPartNames[part])
          .begin_object()
          .member("tokens", lost.tokens)
          .member("chars", lost.chars)
          .end_object();
  }
  json.end_object();
  if (encoder.columns() > 0) {
    json.key("features").begin_array();
    for (const float x : encoder.features(pair)) json.value(x);
    json.end_array();
  }
  json.end_object();
  return line + "\n";
}

int print_tokens(const Encoder& encoder, const std::string& path) {
  auto reader = RowReader::open(path, RowFormat::kAuto);
  if (!reader) return report(reader.error(), kFailed);
  bool failed = false;
  while (true) {
    auto read = (*reader)->next();
    if (!read) return report(read.error(), kFailed);
    if (!*read) break;
    std::fputs(tokens_line(encoder, **read, failed).c_str(), stdout);
  }
  return failed ? kBadRows : kDone;
}

int verify(const Encoder& encoder, const EngineOptions& engine) {
  auto scorer = open_scorer(engine, Golden::kSkip);
  if (!scorer) return report(scorer.error(), kFailed);
  if (!encoder.manifest().golden) {
    std::printf("every tensor is accounted for; the package records no golden pairs\n");
    return kDone;
  }
  const auto golden = verify_golden(encoder.package(), *encoder.manifest().golden, **scorer);
  if (!golden) return report(golden.error(), kFailed);
  std::printf(
      "every tensor is accounted for; %zu golden pairs agree, the worst logit is off by %.2g (tolerance "
      "%.2g)\n",
      golden->pairs, golden->worst, kGoldenTolerance);
  return kDone;
}

}  // namespace

int inspect(const Arguments& arguments) {
  InspectOptions o;
  Settings settings("preferd inspect", "Shows and checks a model package.");
  declare(settings, o.engine);
  settings.toggle("tensors", o.tensors, "list every tensor")
      .toggle("verify", o.verify, "load everything and score the golden pairs again")
      .text("tokens", o.tokens,
            "rows (JSON Lines or CSV): print each row's token ids and features, opening no weights");
  if (const auto code = load_settings(settings, arguments)) return *code;
  auto package = open_package(o.engine);
  if (!package) return report(package.error(), kFailed);
  const auto encoder = Encoder::open(*package);
  if (!encoder) return report(encoder.error(), kFailed);
  if (!o.tokens.empty()) return print_tokens(**encoder, o.tokens);
  if (o.verify) return verify(**encoder, o.engine);
  const auto seen = inspect_package(**encoder);
  if (!seen) return report(seen.error(), kFailed);
  print_package(**encoder, *seen);
  if (o.tensors) print_tensors(*seen);
  return kDone;
}

}  // namespace preferd::cli
