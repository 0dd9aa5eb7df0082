// Verdicts as lines of output: JSON Lines, CSV, and the submissions of two Kaggle competitions.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "model/scorer/scorer.h"

namespace preferd::cli {

// kWsdm: id,winner. kLmsys: id,winner_model_a,winner_model_b,winner_tie.
enum class LineFormat { kJsonLines, kCsv, kWsdm, kLmsys };

// Members of the verdict's JSON object after "id": winner, probabilities, logits (of a package) or path (of
// an ensemble or a cascade), tokens, truncated[, order_gap].
void append_verdict(JsonWriter& json, const scorer::Verdict& verdict);

// First line of a format, "" for none. `classes`: 2 or 3.
std::string header_line(LineFormat format, int classes);

// What the line of this row begins with. `id` is JSON text.
std::string line_start(LineFormat format, const std::string& id);

// One line with its line break. `id` is JSON text. A bad row of a submission gets model_a, or equal thirds.
// What a submission has no room for is left out: ties of kWsdm, where the likelier response wins; of a
// package without ties kLmsys has a winner_tie of 0.
std::string verdict_line(LineFormat format, const std::string& id, const Result<scorer::Verdict>& verdict,
                         int classes);

}  // namespace preferd::cli
