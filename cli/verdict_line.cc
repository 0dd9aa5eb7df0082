#include "cli/verdict_line.h"

#include "cli/common.h"
#include "model/scorer/verdict_json.h"
#include "rows/csv.h"

namespace preferd::cli {
namespace {

// A JSON id as a CSV cell: strings without their quotes.
std::string id_cell(const std::string& id) {
  if (!id.starts_with('"')) return rows::csv_field(id);
  const auto text = parse_json(id);
  return rows::csv_field(text && text->is_string() ? text->get<std::string>() : id);
}

std::string number(float x) {
  std::string out;
  JsonWriter(out).value(x);
  return out;
}

std::string csv_line(const std::string& id, const Result<scorer::Verdict>& verdict, int classes) {
  std::string line = id_cell(id) + ",";
  if (!verdict)
    return line + std::string(static_cast<std::size_t>(classes), ',') + "," + word_of(verdict.error().code) +
           "\n";
  const scorer::Verdict& v = *verdict;
  line += scorer::kClassNames[static_cast<std::size_t>(v.winner)];
  for (std::size_t i = 0; i < static_cast<std::size_t>(classes); ++i)
    line += "," + (i < v.probabilities.size() ? number(v.probabilities[i]) : "0");
  return line + ",\n";
}

std::string wsdm_line(const std::string& id, const Result<scorer::Verdict>& verdict) {
  const bool b = verdict && (*verdict).probabilities[1] > (*verdict).probabilities[0];
  return id_cell(id) + "," + scorer::kClassNames[b ? 1 : 0] + "\n";
}

std::string lmsys_line(const std::string& id, const Result<scorer::Verdict>& verdict) {
  std::string line = id_cell(id);
  for (std::size_t i = 0; i < 3; ++i) {
    const float p = !verdict                              ? 1.0f / 3
                    : i < (*verdict).probabilities.size() ? (*verdict).probabilities[i]
                                                          : 0.0f;
    line += "," + number(p);
  }
  return line + "\n";
}

}  // namespace

void append_verdict(JsonWriter& json, const scorer::Verdict& v) {
  json.member("winner", scorer::kClassNames[static_cast<std::size_t>(v.winner)]);
  scorer::write_probabilities(v.probabilities, json);
  scorer::write_path(v.path, json);
  if (!v.logits.empty()) {
    json.key("logits").begin_array();
    for (const float z : v.logits) json.value(z);
    json.end_array();
  }
  scorer::write_tokens(v.tokens, json);
  scorer::write_truncated(v.truncated, json);
  if (v.order_gap) json.member("order_gap", *v.order_gap);
}

std::string header_line(LineFormat format, int classes) {
  switch (format) {
    case LineFormat::kJsonLines: return "";
    case LineFormat::kCsv:
      return classes == 3 ? "id,winner,p_model_a,p_model_b,p_tie,error\n"
                          : "id,winner,p_model_a,p_model_b,error\n";
    case LineFormat::kWsdm: return "id,winner\n";
    case LineFormat::kLmsys: return "id,winner_model_a,winner_model_b,winner_tie\n";
  }
  return "";
}

std::string line_start(LineFormat format, const std::string& id) {
  return format == LineFormat::kJsonLines ? "{\"id\":" + id + "," : id_cell(id) + ",";
}

std::string verdict_line(LineFormat format, const std::string& id, const Result<scorer::Verdict>& verdict,
                         int classes) {
  if (format == LineFormat::kCsv) return csv_line(id, verdict, classes);
  if (format == LineFormat::kWsdm) return wsdm_line(id, verdict);
  if (format == LineFormat::kLmsys) return lmsys_line(id, verdict);
  std::string line;
  JsonWriter json(line);
  json.begin_object().key("id").raw(id);
  if (verdict) {
    append_verdict(json, *verdict);
  } else {
    const Error& error = verdict.error();
    json.key("error")
        .begin_object()
        .member("code", word_of(error.code))
        .member("message", error.what)
        .end_object();
  }
  json.end_object();
  return line + "\n";
}

}  // namespace preferd::cli
