#include "server/scheduling/admission.h"

#include <gtest/gtest.h>

namespace preferd::server {
namespace {

TEST(Admission, CountsEachRefusalUnderItsReason) {
  const std::vector<std::pair<Refusal, std::string>> all = {{kNotLoaded, "loading"},
                                                            {kStopping, "draining"},
                                                            {kTooManyBytes, "held_bytes"},
                                                            {kTooManyRequests, "workers"},
                                                            {kQueueFull, "queue_full"},
                                                            {kTurnTooLate, "max_wait"},
                                                            {kQueueTooLong, "hopeless_deadline"}};
  for (const auto& [refusal, reason] : all) {
    Metrics metrics;
    const Error error = refuse(refusal, metrics);
    EXPECT_EQ(error.what, refusal.what);
    EXPECT_NE(metrics.text({}).find("preferd_admission_rejected_total{reason=\"" + reason + "\"} 1"),
              std::string::npos)
        << reason;
  }
}

TEST(Admission, ADeadlineThatTheClientNamedIsItsOwnFault) {
  EXPECT_EQ(error_of(kDeadlineTooShort).code, Code::kDeadline);
  EXPECT_EQ(error_of(kDeadlineTooShort).param, "timeout_ms");
  EXPECT_EQ(error_of(kQueueTooLong).code, Code::kOverloaded);
}

}  // namespace
}  // namespace preferd::server
