// Which competition's form a Kaggle submission has.
#pragma once

#include <string>

#include "cli/verdict_line.h"
#include "rows/rows.h"

namespace preferd::cli {

struct Submission {
  LineFormat format;
  std::string note;  // what the package's classes do not fit, or how the form was found; one sentence, or ""
};

// The competition that was `asked` for; if none was, that of the rows; where they do not tell, the one whose
// classes the package has: LMSYS has ties, WSDM none. `classes`: 2 or 3.
Submission submission_of(rows::Competition asked, rows::Competition rows, int classes);

}  // namespace preferd::cli
