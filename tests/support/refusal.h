// A table of refusals: one thing is broken in a copy of a fixture package, loading must say so in one
// sentence that holds certain words.
#pragma once

#include <gmock/gmock.h>

#include "tests/support/package_copy.h"

namespace preferd::testing_support {

struct Refusal {
  const char* name;
  const char* package;
  void (*break_it)(const PackageCopy& copy);
  std::vector<std::string> words;  // all of them stand in the error
  scorer::Golden golden = scorer::Golden::kSkip;
};

class RefusalTest : public testing::TestWithParam<Refusal> {
 protected:
  void check() const {
    const Refusal& r = GetParam();
    const PackageCopy copy(r.package);
    r.break_it(copy);
    if (HasFatalFailure()) return;
    const std::string why = copy.refusal(r.golden);
    ASSERT_FALSE(why.empty()) << "it loaded";
    for (const std::string& word : r.words) EXPECT_THAT(why, testing::HasSubstr(word));
    EXPECT_EQ(why.find('\n'), std::string::npos);
    EXPECT_LT(why.size(), 1500u) << why;
  }
};

inline void PrintTo(const Refusal& r, std::ostream* out) { *out << r.name; }
inline auto by_case = [](const auto& c) { return std::string(c.param.name); };

}  // namespace preferd::testing_support
