#include "training/data/corpus.h"

#include <sys/resource.h>

#include <csignal>

#include "tests/training/data/work_folder.h"

namespace preferd::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CorpusOptions reading(const std::vector<std::string>& files, BadRows bad_rows = BadRows::kStop) {
  return {files, [](const std::string&) { return Labels::kAuto; }, "auto", bad_rows};
}

TEST(Corpus, GivesBackWhatTheFilesHold) {
  const WorkFolder folder;
  const auto corpus = Corpus::open(reading({kSamples + "arena_train.jsonl.gz", kSamples + "kaggle.csv.gz"}),
                                   folder.path(), {});
  ASSERT_TRUE(corpus) << corpus.error().what;
  ASSERT_EQ((*corpus)->entries().size(), 168u);
  auto reader = ExampleReader::open(kSamples + "arena_train.jsonl.gz", reading({}).rule);
  for (std::size_t i = 0; i < 160; ++i) {
    const Example want = (**(*reader)->next()).example;
    const auto got = (*corpus)->load(i);
    ASSERT_TRUE(got) << got.error().what;
    EXPECT_EQ(got->id, want.id);
    EXPECT_EQ(got->pair.prompt, want.pair.prompt);
    EXPECT_EQ(got->pair.response_a, want.pair.response_a);
    EXPECT_EQ(got->pair.response_b, want.pair.response_b);
    EXPECT_EQ(got->target, want.target);
    EXPECT_EQ(got->language, want.language);
    EXPECT_EQ(got->source, "lmsys-55k");
    EXPECT_EQ(got->model_a, want.model_a);
    EXPECT_EQ(got->model_b, want.model_b);
    EXPECT_EQ(got->line, i + 1);
    EXPECT_EQ(got->group, identity_of(want.pair).group);
  }
  EXPECT_EQ((*corpus)->place(160), kSamples + "kaggle.csv.gz:2");
}

TEST(Corpus, IsUsedAgainUntilAnInputChanges) {
  const WorkFolder folder;
  const std::string file = folder.write("x.jsonl", row("1", "p", "a", "b", won("tie")));
  EXPECT_FALSE((*Corpus::open(reading({file}), folder.path(), {}))->reused());
  const auto again = *Corpus::open(reading({file}), folder.path(), {});
  EXPECT_TRUE(again->reused());
  EXPECT_EQ(again->load(0)->pair.response_b, "b");
  folder.write("x.jsonl", row("1", "p", "a", "bb", won("tie")));
  const auto changed = *Corpus::open(reading({file}), folder.path(), {});
  EXPECT_FALSE(changed->reused());
  EXPECT_EQ(changed->load(0)->pair.response_b, "bb");
  EXPECT_FALSE((*Corpus::open(reading({file}, BadRows::kSkip), folder.path(), {}))->reused());
}

TEST(Corpus, IsBuiltAnewWhenItsFilesAreDamaged) {
  const WorkFolder folder;
  const std::string file = folder.write("x.jsonl", row("1", "p", "a", "b", won("tie")));
  for (const char* ending : {".index", ".spool"}) {
    ASSERT_TRUE(Corpus::open(reading({file}), folder.path(), {}));
    const std::string stored = folder.files(ending).at(0), bytes = WorkFolder::read(stored);
    std::ofstream(stored, std::ios::binary) << bytes.substr(0, bytes.size() - 1);
    const auto corpus = *Corpus::open(reading({file}), folder.path(), {});
    EXPECT_FALSE(corpus->reused()) << ending;
    EXPECT_TRUE(corpus->load(0));
    std::string flipped = WorkFolder::read(stored);
    flipped[flipped.size() / 2] ^= 1;
    std::ofstream(stored, std::ios::binary) << flipped;
    const auto other = *Corpus::open(reading({file}), folder.path(), {});
    if (other->reused())
      EXPECT_THAT(other->load(0).error().what, HasSubstr("x.jsonl:1 are damaged"));
    else
      EXPECT_STREQ(ending, ".index");
    std::filesystem::remove(stored);
  }
}

TEST(Corpus, ListsBadRowsAndStops) {
  const WorkFolder folder;
  std::string text = row("1", "p", "a", "b", won("tie"));
  for (int i = 0; i < 30; ++i) text += "{}\n";
  const std::string first = folder.write("a.jsonl", text), second = folder.write("b.jsonl", "no\n");
  std::vector<std::string> listed;
  DataEvents events;
  events.bad_row = [&](const std::string& line) { listed.push_back(line); };
  const auto stopped = Corpus::open(reading({first, second}), folder.path(), events);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().param, kDataFault);
  EXPECT_THAT(stopped.error().what,
              HasSubstr("31 bad rows of 32, the first is " + first + ":2: prompt is missing"));
  EXPECT_EQ(listed.size(), kListedRows);
  EXPECT_THAT(folder.files(".spool"), ElementsAre());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));

  for (const bool reused : {false, true}) {
    listed.clear();
    const auto skipped = Corpus::open(reading({first, second}, BadRows::kSkip), folder.path(), events);
    ASSERT_TRUE(skipped);
    EXPECT_EQ((*skipped)->reused(), reused);
    EXPECT_EQ((*skipped)->entries().size(), 1u);
    EXPECT_EQ((*skipped)->bad_count(), 31u);
    EXPECT_EQ(listed.size(), kListedRows);
  }
}

TEST(Corpus, MayReplaceInvalidText) {
  const WorkFolder folder;
  const std::string file = folder.write("x.jsonl", row("1", "p\\ud83d", "\xff", "b", won("tie")));
  auto options = reading({file}, BadRows::kSkip);
  EXPECT_EQ((*Corpus::open(options, folder.path(), {}))->bad_count(), 1u);
  options.invalid_text = rows::InvalidText::kReplace;
  const auto corpus = Corpus::open(options, folder.path(), {});
  ASSERT_TRUE(corpus);
  ASSERT_EQ((*corpus)->entries().size(), 1u);
  EXPECT_EQ((*corpus)->load(0)->pair.prompt, "p\uFFFD");
}

TEST(Corpus, RefusesFilesThatCannotBeRead) {
  const WorkFolder folder;
  EXPECT_THAT(Corpus::open(reading({"/nowhere.jsonl"}), folder.path(), {}).error().what,
              HasSubstr("/nowhere.jsonl: cannot open"));
  EXPECT_THAT(Corpus::open(reading({"/"}), folder.path(), {}).error().what, HasSubstr("not a plain file"));
  EXPECT_THAT(Corpus::open(reading({folder.write("x.csv", "a,b\n1,2\n")}), folder.path(), {}).error().what,
              HasSubstr("no column prompt"));
  const std::string file = folder.write("x.jsonl", row("1", "p", "a", "b", won("tie")));
  EXPECT_THAT(Corpus::open(reading({file}), "/proc/nothing", {}).error().what, HasSubstr("/proc/nothing"));
  EXPECT_THAT(Corpus::open(reading({file}), "/dev/full/x", {}).error().what, HasSubstr("/dev/full"));
}

// A limit on the size of files stands for a disk that is full.
TEST(Corpus, LeavesNothingBehindOnAFullDisk) {
  const WorkFolder folder;
  const std::string file =
      folder.write("x.jsonl", row("1", "p", std::string(3000000, 'a'), std::string(200, 'b'), won("tie")));
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{1 << 20, old.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto corpus = Corpus::open(reading({file}), folder.path(), {});
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(corpus);
  EXPECT_THAT(corpus.error().what, HasSubstr(".spool: cannot write: File too large"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Identity, NormalisesPrompts) {
  EXPECT_EQ(normalised_prompt(" A\tb\u00a0\n C "), "a b c");
  EXPECT_EQ(normalised_prompt("E\u0301\u03a3"), "\u00e9\u03c2");
  EXPECT_EQ(normalised_prompt(""), "");
  EXPECT_EQ(normalised_prompt("ABC"), normalised_prompt("\u3000abc\u3000"));
}

TEST(Identity, DoesNotSeeTheOrderOfResponses) {
  const Identity ab = identity_of({"P", "a", "b"}), ba = identity_of({" p", "b", "a"});
  EXPECT_EQ(ab.key, ba.key);
  EXPECT_EQ(ab.group, ba.group);
  EXPECT_NE(ab.exchanged, ba.exchanged);
  EXPECT_NE(ab.key, identity_of({"p", "a", "B"}).key);
  EXPECT_NE(ab.key, identity_of({"pa", "", "b"}).key);
  EXPECT_EQ(ab.group, identity_of({"p", "x", "y"}).group);
  EXPECT_EQ(id_key("17"), id_key("\"17\""));
  EXPECT_EQ(id_key("\"\\u0061\""), id_key("\"a\""));
  EXPECT_NE(id_key("\"17\""), id_key("\"18\""));
}

}  // namespace
}  // namespace preferd::training
