#include "cli/verdict_line.h"

#include "cli/common.h"
#include "rows/lines.h"

namespace preferd::cli {
namespace {

// A JSON id as a CSV cell: strings without their quotes.
std::string id_cell(const std::string& id) {
  if (!id.starts_with('"')) return csv_field(id);
  const auto text = parse_json(id);
  return csv_field(text && text->is_string() ? text->get<std::string>() : id);
}

std::string number(float x) {
  std::string out;
  JsonWriter(out).value(x);
  return out;
}

std::string csv_line(const std::string& id, const Scored& scored, int classes) {
  std::string line = id_cell(id) + ",";
  if (!scored.verdict)
    return line + std::string(static_cast<std::size_t>(classes), ',') + "," +
           row_error_code(scored.verdict.error()) + "\n";
  const Verdict& v = *scored.verdict;
  line += kClassNames[static_cast<std::size_t>(v.winner)];
  for (std::size_t i = 0; i < static_cast<std::size_t>(classes); ++i)
    line += "," + (i < v.probabilities.size() ? number(v.probabilities[i]) : "0");
  return line + ",\n";
}

std::string submission_line(const std::string& id, const Scored& scored, int classes) {
  std::string line = id_cell(id) + ",";
  if (classes == 2)
    return line +
           (scored.verdict ? kClassNames[static_cast<std::size_t>((*scored.verdict).winner)] : "model_a") +
           "\n";
  for (std::size_t i = 0; i < 3; ++i) {
    const float p = !scored.verdict                              ? 1.0f / 3
                    : i < (*scored.verdict).probabilities.size() ? (*scored.verdict).probabilities[i]
                                                                 : 0.0f;
    line += (i ? "," : "") + number(p);
  }
  return line + "\n";
}

}  // namespace

void append_verdict(JsonWriter& json, const Scored& scored) {
  const Verdict& v = *scored.verdict;
  json.member("winner", kClassNames[static_cast<std::size_t>(v.winner)]);
  json.key("probabilities").begin_object();
  for (std::size_t i = 0; i < v.probabilities.size(); ++i) json.member(kClassNames[i], v.probabilities[i]);
  json.end_object().key("logits").begin_array();
  for (const float z : v.logits) json.value(z);
  json.end_array().key("tokens").begin_object();
  json.member("prompt", scored.tokens.prompt).member("response_a", scored.tokens.response_a);
  json.member("response_b", scored.tokens.response_b).member("total", scored.tokens.total).end_object();
  json.key("truncated").begin_object();
  for (std::size_t part = 0; part < scored.truncated.size(); ++part) {
    const Lost& lost = scored.truncated[part];
    if (!lost.any()) continue;
    json.key(kPartNames[part])
        .begin_object()
        .member("tokens", lost.tokens)
        .member("chars", lost.chars)
        .end_object();
  }
  json.end_object();
  if (v.order_gap) json.member("order_gap", *v.order_gap);
}

std::string header_line(LineFormat format, int classes) {
  switch (format) {
    case LineFormat::kJsonLines: return "";
    case LineFormat::kCsv:
      return classes == 3 ? "id,winner,p_model_a,p_model_b,p_tie,error\n"
                          : "id,winner,p_model_a,p_model_b,error\n";
    case LineFormat::kSubmission:
      return classes == 3 ? "id,winner_model_a,winner_model_b,winner_tie\n" : "id,winner\n";
  }
  return "";
}

std::string verdict_line(LineFormat format, const std::string& id, const Scored& scored, int classes) {
  if (format == LineFormat::kCsv) return csv_line(id, scored, classes);
  if (format == LineFormat::kSubmission) return submission_line(id, scored, classes);
  std::string line;
  JsonWriter json(line);
  json.begin_object().key("id").raw(id);
  if (scored.verdict) {
    append_verdict(json, scored);
  } else {
    const Error& error = scored.verdict.error();
    json.key("error")
        .begin_object()
        .member("code", row_error_code(error))
        .member("message", error.what)
        .end_object();
  }
  json.end_object();
  return line + "\n";
}

}  // namespace preferd::cli
