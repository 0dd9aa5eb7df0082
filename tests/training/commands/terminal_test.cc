#include "training/commands/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

namespace preferd::training {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// Standard error is a file while the object lives.
class ErrorFile {
 public:
  ErrorFile() : path_(testing::TempDir() + "/terminal_" + std::to_string(::getpid())), old_(::dup(2)) {
    const int file = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
    ::dup2(file, 2);
    ::close(file);
  }
  ~ErrorFile() {
    ::dup2(old_, 2);
    ::close(old_);
    ::unlink(path_.c_str());
  }
  std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
  int old_;
};

TEST(Terminal, ALogFileIsNeverSilentForLong) {
  const ErrorFile file;
  Terminal terminal(Verbosity::kNormal, std::chrono::seconds(1));
  terminal.progress("encoding", .25);
  EXPECT_EQ(file.text(), "");  // a phase that is soon over is not worth a line
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (file.text().empty() && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_THAT(file.text(), MatchesRegex("encoding 25 %, [0-9]+ s\n"));
}

TEST(Terminal, NotesStayAndProgressOfLogFilesWaits) {
  const ErrorFile file;
  Terminal terminal(Verbosity::kNormal);
  terminal.note("one");
  terminal.stepping({.step = 1, .steps = 2, .done = 3, .pairs = 8});
  terminal.note("two");
  EXPECT_EQ(file.text(), "one\ntwo\n");
}

TEST(Terminal, QuietIsQuiet) {
  const ErrorFile file;
  Terminal terminal(Verbosity::kQuiet);
  terminal.note("one");
  terminal.progress("encoding", .25);
  terminal.clear();
  EXPECT_EQ(file.text(), "");
}

}  // namespace
}  // namespace preferd::training
