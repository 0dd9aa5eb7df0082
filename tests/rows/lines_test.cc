#include "rows/lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "tests/rows/temporary_file.h"

namespace preferd::rows {
namespace {

using Lines = std::vector<std::string>;

struct Read {
  Lines lines;
  std::string error;
};

Read read_lines(const std::string& path) {
  auto reader = LineReader::open(path);
  if (!reader) return {{}, reader.error().what};
  Read out;
  while (true) {
    auto line = reader->next();
    if (!line) return {out.lines, line.error().what};
    if (!*line) break;
    out.lines.push_back(**line);
  }
  EXPECT_EQ(reader->line_number(), out.lines.size());
  EXPECT_FALSE(*reader->next());
  return out;
}

Lines lines_of(const std::string& bytes) {
  const TemporaryFile file(bytes);
  const Read read = read_lines(file.path());
  EXPECT_EQ(read.error, "");
  return read.lines;
}

TEST(Lines, EndAtLineFeedsOnly) {
  EXPECT_EQ(lines_of(""), Lines());
  EXPECT_EQ(lines_of("\n"), Lines({""}));
  EXPECT_EQ(lines_of("a\nb"), Lines({"a", "b"}));
  EXPECT_EQ(lines_of("a\n\nb\n"), Lines({"a", "", "b"}));
  EXPECT_EQ(lines_of("a\r\nb\rc\u2028d\vx"), Lines({"a\r", "b\rc\u2028d\vx"}));
  EXPECT_EQ(lines_of(std::string("a\0b\n", 4)), Lines({std::string("a\0b", 3)}));
}

TEST(Lines, OfUtf16AreRefusedByName) {
  for (const char* bytes : {"\xFF\xFEp\0r\0", "\xFE\xFF\0p\0r"}) {
    const TemporaryFile file(std::string(bytes, 6));
    const Read read = read_lines(file.path());
    EXPECT_TRUE(read.error.starts_with(file.path() + ": is UTF-16, expected UTF-8")) << read.error;
  }
}

TEST(Lines, DropAByteOrderMarkAtTheStartOnly) {
  EXPECT_EQ(lines_of("\uFEFFa\n\uFEFFb"), Lines({"a", "\uFEFFb"}));
  EXPECT_EQ(lines_of("\uFEFF"), Lines());
  EXPECT_EQ(lines_of("\xEF\xBB"), Lines({"\xEF\xBB"}));
}

TEST(Lines, MayBeLongerThanAnyBuffer) {
  const std::string big(3'000'000, 'x');
  EXPECT_EQ(lines_of("a\n" + big + "\nb"), Lines({"a", big, "b"}));
  for (const std::size_t size : {65535, 65536, 65537, 131072})
    EXPECT_EQ(lines_of(std::string(size, 'y') + "\nz\n"), Lines({std::string(size, 'y'), "z"}));
}

TEST(Lines, AreReadThroughGzip) {
  EXPECT_EQ(lines_of(gzipped("a\nb\n")), Lines({"a", "b"}));
  EXPECT_EQ(lines_of(gzipped("\uFEFFa\nb") + gzipped("c\nd")), Lines({"a", "bc", "d"}));
  EXPECT_EQ(lines_of(gzipped("")), Lines());
}

TEST(Lines, OfADamagedGzipEndInAnError) {
  std::mt19937 random(5);
  std::string text;
  for (int i = 0; i < 20000; ++i) text += static_cast<char>(random() % 64 == 0 ? '\n' : 'a' + random() % 26);
  const std::string whole = gzipped(text);
  for (const std::size_t size :
       {std::size_t{5}, std::size_t{10}, whole.size() / 2, whole.size() - 8, whole.size() - 1}) {
    const TemporaryFile file(whole.substr(0, size));
    EXPECT_NE(read_lines(file.path()).error.find("cannot read"), std::string::npos) << size;
  }
  std::string flipped = whole;
  flipped[whole.size() - 6] = static_cast<char>(flipped[whole.size() - 6] ^ 1);
  const TemporaryFile file(flipped);
  EXPECT_NE(read_lines(file.path()).error.find("damaged gzip"), std::string::npos);
}

TEST(Lines, AreReadThroughZstandard) {
  const std::string skipped("\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
  EXPECT_EQ(lines_of(zstd_frame("a\nb\n")), Lines({"a", "b"}));
  EXPECT_EQ(lines_of(skipped + zstd_frame("\uFEFFa\nb") + skipped + zstd_frame("") + zstd_frame("c\nd")),
            Lines({"a", "bc", "d"}));
  EXPECT_EQ(lines_of(zstd_frame("")), Lines());
  EXPECT_EQ(lines_of(zstd_frame("a\n") + "rest"), Lines({"a"}));
  for (const std::string text : {"P", "(", "\x28\xb5\x2f", "P*M", "\x1f"})
    EXPECT_EQ(lines_of(text), Lines({text}));
  const std::string big(3'000'000, 'x');
  EXPECT_EQ(lines_of(zstd_frame(big + "\n" + big)), Lines({big, big}));
}

TEST(Lines, OfADamagedZstandardEndInAnError) {
  std::mt19937 random(5);
  std::string text;
  for (int i = 0; i < 300'000; ++i)
    text += static_cast<char>(random() % 64 == 0 ? '\n' : 'a' + random() % 26);
  const std::string whole = zstd_frame(text);
  for (const std::size_t size : {std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
    const TemporaryFile file(whole.substr(0, size));
    EXPECT_NE(read_lines(file.path()).error.find("damaged zstd?): it ends too early"), std::string::npos)
        << size;
  }
  std::string flipped = whole;
  flipped[4] = static_cast<char>(flipped[4] ^ 8);  // a bit that no frame may set
  const TemporaryFile file(flipped);
  EXPECT_NE(read_lines(file.path()).error.find("damaged zstd"), std::string::npos);
}

// The text of a gzip stream that ends early, as far as zlib can tell it.
std::string recovered(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  inflate(&stream, Z_NO_FLUSH);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Lines, OfATornGzipAreReadUpToTheTear) {
  std::string text;
  for (int i = 0; text.size() < 70'000; ++i)
    text.append(1, static_cast<char>('a' + i / 97 % 26)).push_back('\n');
  const std::string whole = gzipped(text);
  for (std::size_t size = 12; size < whole.size() - 8; ++size) {
    const TemporaryFile file(whole.substr(0, size));
    const std::string known = recovered(whole.substr(0, size));
    ASSERT_EQ(read_lines(file.path()).lines.size(), std::count(known.begin(), known.end(), '\n')) << size;
  }
}

TEST(Lines, OfWhatIsNoFileAreAnError) {
  EXPECT_NE(read_lines("/nonexistent/rows.jsonl").error.find("/nonexistent/rows.jsonl: cannot open"),
            std::string::npos);
  EXPECT_NE(read_lines(testing::TempDir()).error.find("is a folder"), std::string::npos);
}

TEST(Lines, ComeFromStandardInputToo) {
  for (const std::string& bytes : {std::string("\uFEFFa\nb"), gzipped("a\nb\n")}) {
    const TemporaryFile file(bytes);
    const int kept = dup(STDIN_FILENO), given = ::open(file.path().c_str(), O_RDONLY);
    dup2(given, STDIN_FILENO);
    const Read read = read_lines("-");
    dup2(kept, STDIN_FILENO);
    close(given);
    close(kept);
    EXPECT_EQ(read.lines, Lines({"a", "b"}));
  }
}

// A pipe as standard input, of which the other end is open.
class OpenPipe {
 public:
  OpenPipe() : kept_(dup(STDIN_FILENO)) {
    EXPECT_EQ(pipe(ends_), 0);
    dup2(ends_[0], STDIN_FILENO);
    alarm(30);  // what waits for more bytes would wait for ever
  }
  ~OpenPipe() {
    alarm(0);
    dup2(kept_, STDIN_FILENO);
    for (const int file : {kept_, ends_[0], ends_[1]}) ::close(file);
  }
  void write(const std::string& bytes) const {
    EXPECT_EQ(::write(ends_[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void finish() { dup2(ends_[0], ends_[1]); }

 private:
  int kept_, ends_[2] = {-1, -1};
};

TEST(Lines, OfAPipeComeBeforeThereIsMore) {
  OpenPipe pipe;
  pipe.write("\n");
  auto reader = *LineReader::open("-");
  EXPECT_EQ(*reader.next(), "");
  for (const std::string line : {"a", "\x1f\x8b", "b"}) {
    pipe.write(line + "\n");
    EXPECT_EQ(*reader.next(), line);
  }
  pipe.write("end");
  pipe.finish();
  EXPECT_EQ(*reader.next(), "end");
  EXPECT_FALSE(*reader.next());
}

TEST(Lines, OfAPipeMayBeCompressedMemberByMember) {
  OpenPipe pipe;
  pipe.write(gzipped("\uFEFFa\n"));
  auto reader = *LineReader::open("-");
  EXPECT_EQ(*reader.next(), "a");
  for (const std::string line : {"b", "c"}) {
    const std::string member = gzipped(line + "\n");
    pipe.write(member.substr(0, 1));
    pipe.write(member.substr(1));
    EXPECT_EQ(*reader.next(), line);
  }
  pipe.write(gzipped("d\ne\n").substr(0, 12));
  pipe.finish();
  EXPECT_NE(reader.next().error().what.find("standard input: cannot read (damaged gzip?)"),
            std::string::npos);
}

TEST(Lines, BehindTheLastGzipMemberAreNotRead) {
  EXPECT_EQ(lines_of(gzipped("a\n") + "junk"), Lines({"a"}));
  EXPECT_EQ(lines_of(gzipped("a\n") + std::string(100'000, '\0')), Lines({"a"}));
}

TEST(Lines, KnowHowMuchIsRead) {
  const TemporaryFile file("a\nb\n");
  auto reader = *LineReader::open(file.path());
  EXPECT_EQ(reader.bytes_total(), 4u);
  while (*reader.next()) continue;
  EXPECT_EQ(reader.bytes_read(), 4u);
}

}  // namespace
}  // namespace preferd::rows
