#include "cli/submission.h"

namespace preferd::cli {

Submission submission_of(rows::Competition asked, rows::Competition rows, int classes) {
  const rows::Competition told = asked != rows::Competition::kUnknown ? asked : rows;
  const bool lmsys = told == rows::Competition::kUnknown ? classes == 3 : told == rows::Competition::kLmsys;
  Submission out{lmsys ? LineFormat::kLmsys : LineFormat::kWsdm, {}};
  const std::string form = lmsys ? "LMSYS (id,winner_model_a,winner_model_b,winner_tie)" : "WSDM (id,winner)";
  if (told == rows::Competition::kUnknown)
    out.note = "the rows do not tell their competition; the submission has the form of " + form +
               ", which the package's classes fit; --competition names another";
  else if (lmsys && classes == 2)
    out.note =
        "the package knows no ties, the submission of LMSYS wants them: winner_tie is 0 in every row, "
        "which costs much log-loss where people saw a tie; a package with three classes fits";
  else if (!lmsys && classes == 3)
    out.note = "the package knows ties, the submission of WSDM does not: the likelier response is the winner";
  return out;
}

}  // namespace preferd::cli
