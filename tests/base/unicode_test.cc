#include "base/unicode.h"

#include <gtest/gtest.h>

namespace preferd {
namespace {

TEST(Nfc, ComposesAndOrders) {
  EXPECT_EQ(unicode::nfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(unicode::nfc("a\xCC\x95\xCC\x80"), "\xC3\xA0\xCC\x95");
  EXPECT_EQ(unicode::nfc("plain"), "plain");
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out.append(text);
  return out;
}

TEST(Nfc, TakesLongRunsOfMarks) {
  constexpr int kMarks = 100000;
  const std::string acute = "\xCC\x81", cedilla = "\xCC\xA7", x = "x", y = "y", e = "e",
                    composed = "\xC3\xA9";
  const std::string acutes = repeated(acute, kMarks), cedillas = repeated(cedilla, kMarks);
  EXPECT_EQ(unicode::nfc(x + repeated(acute + cedilla, kMarks) + y), x + cedillas + acutes + y);
  EXPECT_EQ(unicode::nfc(e + acutes), composed + acutes.substr(acute.size()));
  const std::string aa = "\xE0\xBD\xB1", i = "\xE0\xBD\xB2", ii = "\xE0\xBD\xB3";
  EXPECT_EQ(unicode::nfc(repeated(ii, kMarks)), repeated(aa, kMarks) + repeated(i, kMarks));
}

}  // namespace
}  // namespace preferd
