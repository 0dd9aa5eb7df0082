#include "model/checkpoint/safetensors.h"

#include <gmock/gmock.h>

#include "tests/support/safetensors_file.h"

namespace preferd::checkpoint {
namespace {

using namespace testing_support;

Result<TensorMap> parse(const std::string& bytes) {
  // The copy ends where the bytes end: a sanitizer sees a read beyond.
  auto owner = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
  const std::span<const char> view(owner->data(), owner->size());
  return parse_safetensors(Bytes{owner, std::as_bytes(view)}, "file");
}

TestTensors three() {
  return {{"a", {"U8", {3}, "abc"}}, {"b", floats({2, 2}, {1, 2, 3, 4})}, {"c", {"BF16", {}, "\x80\x3f"}}};
}

TEST(Safetensors, ReadsBackWhatWasWritten) {
  const auto map = parse(safetensors_bytes(three()));
  ASSERT_TRUE(map) << map.error().what;
  const TestTensors got = tensors_of(*map);
  ASSERT_EQ(got.size(), 3u);
  for (const auto& [name, t] : three()) {
    EXPECT_EQ(got.at(name).dtype, t.dtype);
    EXPECT_EQ(got.at(name).shape, t.shape);
    EXPECT_EQ(got.at(name).bytes, t.bytes);
  }
  EXPECT_EQ((*map).at("c").elements(), 1);
}

TEST(Safetensors, ReadsEmptyTensorsAndMetadata) {
  const auto map = parse(with_header(
      R"({"__metadata__":{"format":"pt"},"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}   )", ""));
  ASSERT_TRUE(map) << map.error().what;
  EXPECT_EQ((*map).at("e").elements(), 0);
}

TEST(Safetensors, OutlivesTheFile) {
  std::shared_ptr<const void> owner;
  {
    auto map = parse(safetensors_bytes(three()));
    owner = (*map).at("b").owner;
  }
  EXPECT_NE(owner, nullptr);
}

TEST(Safetensors, TruncatedAnywhereIsRefused) {
  const std::string whole = safetensors_bytes(three());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto map = parse(whole.substr(0, size));
    ASSERT_FALSE(map) << size << " of " << whole.size() << " bytes";
    EXPECT_TRUE(map.error().what.starts_with("file: ")) << map.error().what;
  }
}

TEST(Safetensors, EveryByteOfTheHeaderMayBeWrong) {
  const std::string whole = safetensors_bytes(three());
  const std::size_t end = whole.size() - 21;
  for (std::size_t at = 0; at < end; ++at)
    for (const int change : {1, 0x20, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      const auto map = parse(bytes);  // refused, or every tensor still lies inside the file
      if (!map) continue;
      std::size_t held = 0;
      for (const auto& [name, t] : *map) held += t.bytes.size();
      EXPECT_EQ(held, 21u);
    }
}

struct BadFile {
  const char* name;
  std::string bytes;
  const char* words;
};
void PrintTo(const BadFile& f, std::ostream* out) { *out << f.name; }

class SafetensorsBadFile : public testing::TestWithParam<BadFile> {};

TEST_P(SafetensorsBadFile, IsRefused) {
  const auto map = parse(GetParam().bytes);
  ASSERT_FALSE(map);
  EXPECT_THAT(map.error().what, testing::StartsWith("file: "));
  EXPECT_THAT(map.error().what, testing::HasSubstr(GetParam().words));
}

// Two tensors of four bytes each: a at `a`, b at `b`, in `size` bytes of data.
std::string two(const char* a, const char* b, std::size_t size) {
  const auto entry = [](const char* offsets) {
    return std::string(R"({"dtype":"F32","shape":[1],"data_offsets":)") + offsets + "}";
  };
  return with_header(R"({"a":)" + entry(a) + R"(,"b":)" + entry(b) + "}", std::string(size, '\0'));
}
std::string one(const std::string& entry, std::size_t size = 4) {
  return with_header(R"({"t":)" + entry + "}", std::string(size, '\0'));
}
std::string length(std::uint64_t n, const std::string& rest) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(n >> (8 * i) & 255);
  return out + rest;
}

INSTANTIATE_TEST_SUITE_P(
    All, SafetensorsBadFile,
    testing::Values(
        BadFile{"empty", "", "shorter than 8 bytes"},
        BadFile{"length_only", length(2, ""), "the header says 2 bytes"},
        BadFile{"length_one_too_long", length(3, "{}"), "the header says 3 bytes"},
        BadFile{"length_one_too_short", length(1, "{}"), "header"},
        BadFile{"length_huge", length(std::uint64_t{1} << 62, "{}"), "the header says"},
        BadFile{"length_all_ones", length(~std::uint64_t{0}, "{}"), "the header says"},
        BadFile{"length_over_the_limit", length(100'000'001, "{}"), "the header says 100000001"},
        BadFile{"header_is_an_array", with_header("[]", ""), "JSON object"},
        BadFile{"header_is_no_json", with_header("{a}", ""), "header"},
        BadFile{"header_is_no_utf8", with_header("{\"\xff\":1}", ""), "header"},
        BadFile{"header_is_deep", with_header(R"({"a":[[[[[[[[1]]]]]]]]})", ""), "header"},
        BadFile{"name_twice",
                with_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                            R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                            "x"),
                "header"},
        BadFile{"name_too_long",
                with_header("{\"" + std::string(1025, 'n') +
                                R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                            "x"),
                "1025 bytes"},
        BadFile{"overlap", two("[0,4]", "[2,6]", 6), "tensor b overlaps"},
        BadFile{"same_place", two("[0,4]", "[0,4]", 4), "overlaps"},
        BadFile{"gap", two("[0,4]", "[5,9]", 9), "1 bytes before tensor b"},
        BadFile{"gap_at_the_start", two("[1,5]", "[5,9]", 9), "1 bytes before tensor a"},
        BadFile{"bytes_left_over", two("[0,4]", "[4,8]", 11), "3 bytes at the end"},
        BadFile{"data_missing", two("[0,4]", "[4,8]", 7), "truncated"},
        BadFile{"offsets_reversed", two("[4,0]", "[4,8]", 8), "data_offsets"},
        BadFile{"offsets_negative", two("[-4,0]", "[0,4]", 4), "data_offsets"},
        BadFile{"offsets_fractional", two("[0.0,4]", "[4,8]", 8), "data_offsets"},
        BadFile{"offsets_wrap", two("[0,18446744073709551615]", "[0,4]", 4), "data_offsets"},
        BadFile{"offsets_of_three", two("[0,4,4]", "[4,8]", 8), "data_offsets"},
        BadFile{"shape_larger", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"),
                "the shape needs 8"},
        BadFile{"shape_negative", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"),
                "out of range"},
        BadFile{"shape_wraps", one(R"({"dtype":"F32","shape":[4294967296,4294967297],"data_offsets":[0,4]})"),
                "too large"},
        BadFile{"shape_of_nine", one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]})"),
                "at most 8"},
        BadFile{"dtype_unknown", one(R"({"dtype":"F33","shape":[1],"data_offsets":[0,4]})"), "unknown dtype"},
        BadFile{"dtype_number", one(R"({"dtype":32,"shape":[1],"data_offsets":[0,4]})"), "dtype"},
        BadFile{"key_missing", one(R"({"dtype":"F32","shape":[1]})"),
                "exactly dtype, shape and data_offsets"},
        BadFile{"key_unknown", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})"), "exactly"},
        BadFile{"entry_is_null", one("null"), "exactly"}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(AllFinite, SeesEveryPlaceAndType) {
  for (const auto& [dtype, nan, infinity] :
       {std::tuple{"F32", 0x7fc00000ull, 0x7f800000ull}, std::tuple{"BF16", 0x7fc0ull, 0xff80ull},
        std::tuple{"F16", 0x7e00ull, 0xfc00ull},
        std::tuple{"F64", 0x7ff8000000000000ull, 0x7ff0000000000000ull}}) {
    const std::size_t size = quant::size_of(*quant::parse_dtype(dtype));
    TestTensors t{{"x", {dtype, {3001}, std::string(3001 * size, '\0')}}};
    EXPECT_TRUE(all_finite((*parse(safetensors_bytes(t))).at("x")));
    for (const std::size_t place : {0u, 1023u, 1024u, 3000u})
      for (const std::uint64_t word : {std::uint64_t{nan}, std::uint64_t{infinity}}) {
        TestTensors broken = t;
        std::memcpy(broken["x"].bytes.data() + place * size, &word, size);
        EXPECT_FALSE(all_finite((*parse(safetensors_bytes(broken))).at("x"))) << dtype << " " << place;
      }
  }
}

}  // namespace
}  // namespace preferd::checkpoint
