#include "training/data/dataset.h"

#include <algorithm>
#include <set>

#include "tests/training/data/work_folder.h"

namespace preferd::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Dataset, DropsDuplicatesInEitherOrder) {
  const WorkFolder folder;
  const auto options = training_on({folder.write(
      "x.jsonl", row("1", "P", "a", "b", won("model_a")) + row("2", "p ", "a", "b", won("model_a")) +
                     row("3", "p", "b", "a", won("model_b")) + row("4", "p", "b", "a", won("model_a")) +
                     row("8", "p", "b", "a", won("model_b")) + row("5", "p", "a", "c", won("model_a")) +
                     row("6", "p", "a", "a", won("model_b")) + row("7", "p", "a", "a", won("model_a")))});
  auto data = open_data(options, folder);
  ASSERT_TRUE(data) << data.error().what;
  EXPECT_THAT(ids_of(**data, (*data)->train()), ElementsAre("\"1\"", "\"5\"", "\"6\""));
  EXPECT_EQ((*data)->counts().repeated, 3u);
  EXPECT_EQ((*data)->counts().contradictory, 2u);
  auto keeping = options;
  keeping.duplicates = Duplicates::kKeep;
  EXPECT_EQ((*open_data(keeping, folder))->train().size(), 8u);
}

// 600 rows about 200 prompts.
std::string many(int salt, const std::string& label = won("model_a")) {
  std::string out;
  for (int i = 0; i < 600; ++i) {
    const std::string number = std::to_string(i), prompt = std::to_string(i % 200);
    out += row(joined({std::to_string(salt), "-", number}), joined({"prompt ", prompt}),
               joined({"a", number}), "b", label);
  }
  return out;
}

TEST(Dataset, SplitsByPromptWhateverTheOrderOfRows) {
  const WorkFolder folder;
  auto options = training_on({folder.write("x.jsonl", many(1))});
  options.valid_share = 0.25;
  const auto sides = [&](const DataOptions& o) {
    const auto data = *open_data(o, folder);
    std::set<std::string> train, valid;
    for (const std::uint32_t e : data->train()) train.insert(data->load(e)->pair.prompt);
    for (const std::uint32_t e : data->valid()) valid.insert(data->load(e)->pair.prompt);
    EXPECT_EQ(data->train().size() + data->valid().size(), 600u);
    EXPECT_EQ(train.size() + valid.size(), 200u) << "a prompt is on both sides";
    return std::pair(train, valid);
  };
  const auto first = sides(options);
  EXPECT_GT(first.second.size(), 30u);
  EXPECT_LT(first.second.size(), 70u);

  std::vector<std::string> lines;
  std::istringstream in(many(1));
  for (std::string line; std::getline(in, line);) lines.push_back(line + "\n");
  std::reverse(lines.begin(), lines.end());
  std::string reversed;
  for (const std::string& line : lines) reversed += line;
  auto other = options;
  other.train = {folder.write("y.jsonl", reversed)};
  EXPECT_EQ(sides(other), first);
  other.split_seed = 1;
  EXPECT_NE(sides(other), first);
}

TEST(Dataset, RefusesAPromptOnBothSides) {
  const WorkFolder folder;
  auto options = training_on({folder.write("t.jsonl", row("1", "p", "a", "b", won("model_a")) +
                                                          row("2", "q", "a", "b", won("model_a")) +
                                                          row("3", "r", "a", "b", won("model_a")))},
                             {folder.write("v.jsonl", row("4", "P", "b", "a", won("model_b")) +
                                                          row("5", " q", "x", "y", won("model_a")) +
                                                          row("6", "s", "x", "y", won("model_a")))});
  const auto data = open_data(options, folder);
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().param, kDataFault);
  EXPECT_THAT(data.error().what, HasSubstr("2 prompts on both sides"));
  EXPECT_THAT(data.error().what, HasSubstr("1 whole pair"));
  EXPECT_THAT(data.error().what, HasSubstr("t.jsonl:1 = " + folder.path("v.jsonl:1")));
  options.overlap = Overlap::kDropFromTrain;
  const auto dropped = *open_data(options, folder);
  EXPECT_THAT(ids_of(*dropped, dropped->train()), ElementsAre("\"3\""));
  EXPECT_EQ(dropped->valid().size(), 3u);
  EXPECT_EQ(dropped->counts().dropped_overlap, 2u);
  options.overlap = Overlap::kAllow;
  const auto allowed = *open_data(options, folder);
  EXPECT_EQ(allowed->train().size(), 3u);
  EXPECT_EQ(allowed->counts().shared_prompts, 2u);
  EXPECT_EQ(allowed->counts().shared_pairs, 1u);
}

TEST(Dataset, TreatsTiesAsItsSourceSays) {
  const WorkFolder folder;
  auto options = training_on(
      {folder.write("x.jsonl", row("1", "p", "a", "b", won("tie")) + row("2", "q", "a", "b", won("model_a")) +
                                   row("3", "r", "a", "b", R"("p_b":0.2,"p_tie":0.2)") +
                                   row("4", "s", "a", "b", R"("p_b":0.2,"p_tie":0.7)") +
                                   row("5", "t", "a", "b", won("tie") + R"(,"source":"other")"))});
  options.sources["other"].ties = Ties::kHalf;
  const auto two = *open_data(options, folder);
  EXPECT_THAT(ids_of(*two, two->train()), ElementsAre("\"2\"", "\"3\"", "\"5\""));
  EXPECT_EQ(two->counts().ties_dropped, 2u);
  EXPECT_NEAR(two->target(2)[1], 0.3, 1e-12);
  EXPECT_EQ(two->target(4), Target({.5, .5, 0}));
  EXPECT_EQ(two->load(4)->target, Target({.5, .5, 0}));
  options.classes = 3;
  const auto three = *open_data(options, folder);
  EXPECT_EQ(three->train().size(), 5u);
  EXPECT_EQ(three->target(0), Target({0, 0, 1}));
  EXPECT_EQ(three->target(4), Target({.5, .5, 0}));
  options.classes = 2;
  options.other_sources.ties = Ties::kKeep;
  EXPECT_THAT(fault_of(options, folder), HasSubstr("ties: keep, but the head has two classes"));
}

TEST(Dataset, CountsWhichTiesWereThoseOfValidation) {
  const WorkFolder folder;
  const std::string ties = row("1", "p", "a", "b", won("tie")) + row("2", "q", "a", "b", won("model_a"));
  auto options = training_on({folder.write("x.jsonl", ties)});
  options.valid = {folder.write("y.jsonl", row("3", "r", "a", "b", won("tie")) +
                                               row("4", "s", "a", "b", won("tie")) +
                                               row("5", "t", "a", "b", won("model_b")))};
  const auto dropped = *open_data(options, folder);
  EXPECT_EQ(dropped->counts().ties_dropped, 3u);
  EXPECT_EQ(dropped->counts().ties_dropped_valid, 2u);
  options.other_sources.ties = Ties::kHalf;
  const auto half = *open_data(options, folder);
  EXPECT_EQ(half->counts().ties_dropped, 2u);
  EXPECT_EQ(half->counts().ties_dropped_valid, 2u);
}

TEST(Dataset, LimitsAndWeighsSources) {
  const WorkFolder folder;
  auto options = training_on({folder.write("big.jsonl", many(1)), folder.write("small.jsonl", many(2))});
  options.duplicates = Duplicates::kKeep;
  options.sources["big"] = {.weight = 0.5, .ties = Ties::kAuto, .limit = 10, .labels = Labels::kAuto};
  const auto data = *open_data(options, folder);
  EXPECT_EQ(data->train().size(), 610u);
  EXPECT_EQ(data->counts().over_limit, 590u);
  EXPECT_EQ(data->weight(data->train().front()), 0.5);
  EXPECT_EQ(data->weight(data->train().back()), 1);
  EXPECT_TRUE(std::is_sorted(data->train().begin(), data->train().end()));
  options.sources["gone"] = {};
  EXPECT_THAT(fault_of(options, folder), HasSubstr("sources.gone: no row has this source"));
}

TEST(Dataset, RefusesWhatCannotBe) {
  const WorkFolder folder;
  EXPECT_THAT(fault_of({}, folder), HasSubstr("train: no file"));
  auto options = training_on({kSamples + "arena_train.jsonl.gz"}, {kSamples + "arena_valid.jsonl.gz"});
  EXPECT_EQ(fault_of(options, folder), "");
  options.valid_share = .1;
  EXPECT_THAT(fault_of(options, folder), HasSubstr("valid_share: given beside valid files"));
  options.valid.clear();
  options.valid_share = 1;
  EXPECT_THAT(fault_of(options, folder), HasSubstr("from 0 to below 1"));
  options = training_on({folder.write("x.jsonl", row("1", "p", "a", "b", won("tie")))});
  EXPECT_THAT(fault_of(options, folder), HasSubstr("train: no example is left of 1 row (0 bad rows"));
  options.other_sources.weight = 0;
  EXPECT_THAT(fault_of(options, folder), HasSubstr("sources.*.weight"));
}

std::string taught(std::string_view id, std::string_view rest) {
  return joined({"{\"id\":", id, ",", rest, "}\n"});
}
const std::string kSure = R"("probabilities":{"model_a":0.9,"model_b":0.1},"logits":[-2])";
const std::string kUnsure = R"("probabilities":{"model_a":0.5,"model_b":0.25,"tie":0.25},"logits":[0])";

TEST(Teachers, AreJoinedByIdAndAveraged) {
  const WorkFolder folder;
  auto options = training_on({
      folder.write("x.jsonl", row("1", "p", "a", "b", won("model_b")) + row("2", "q", "a", "b", "")),
  });
  options.other_sources.labels = Labels::kAuto;
  options.teachers = {
      folder.write("t.jsonl", taught("2", kSure) + taught("\"1\"", kSure) + taught("9", "\"x\":1"))};
  EXPECT_THAT(fault_of(options, folder), HasSubstr("x.jsonl:2: no label"));
  options.other_sources.labels = Labels::kTeacher;
  const auto pseudo = *open_data(options, folder);
  EXPECT_EQ(pseudo->train().size(), 2u);
  EXPECT_NEAR(pseudo->target(0)[0], 0.9, 1e-6);
  EXPECT_NEAR(pseudo->load(1)->teacher->probabilities[1], 0.1, 1e-6);
  EXPECT_EQ(pseudo->load(1)->teacher->logits[0], -2);
  EXPECT_EQ(pseudo->load(1)->teacher->logit_count, 1);

  options.teachers.push_back(folder.write("u.jsonl", taught("2", kUnsure) + taught("1", kUnsure)));
  options.classes = 3;
  const auto mean = *open_data(options, folder);
  EXPECT_NEAR(mean->target(0)[0], 0.7, 1e-6);
  EXPECT_NEAR(mean->target(0)[2], 0.125, 1e-6);
  EXPECT_EQ(mean->teacher(0)->logits[0], -1);
  options.classes = 2;
  EXPECT_NEAR((*open_data(options, folder))->teacher(0)->probabilities[0], 0.7 + 0.0625, 1e-6);

  options.train = {folder.write("y.jsonl", row("1", "p", "a", "b", won("model_b")))};
  options.other_sources.labels = Labels::kAuto;
  const auto labelled = *open_data(options, folder);
  EXPECT_EQ(labelled->target(0), Target({0, 1, 0}));
  EXPECT_NEAR(labelled->teacher(0)->probabilities[0], 0.7625, 1e-6);
}

TEST(Teachers, ThatLackLabelsAreRefused) {
  const WorkFolder folder;
  auto options = training_on({folder.write(
      "x.jsonl", row("1", "p", "a", "b", won("model_b")) + row("2", "q", "a", "b", won("model_a")))});
  const auto with = [&](const std::vector<std::string>& files) {
    options.teachers.clear();
    for (std::size_t i = 0; i < files.size(); ++i)
      options.teachers.push_back(folder.write(joined({"t", std::to_string(i), ".jsonl"}), files[i]));
    return fault_of(options, folder);
  };
  EXPECT_EQ(with({taught("1", kSure) + taught("2", kSure)}), "");
  EXPECT_EQ(with({taught("1", kSure), taught("2", kSure)}), "");
  EXPECT_THAT(with({taught("1", kSure)}),
              HasSubstr("1 of 2 examples have no label: " + options.train[0] + ":2"));
  EXPECT_THAT(with({taught("3", kSure)}), HasSubstr("2 of 2 examples have no label"));
  EXPECT_THAT(with({taught("1", kSure) + taught("2", kSure), taught("1", kSure)}),
              HasSubstr("fewer than the 2 labels of others"));
  EXPECT_THAT(with({taught("1", kSure) + taught("1", kSure)}), HasSubstr("t0.jsonl:2: the id occurs twice"));
  EXPECT_THAT(with({taught("1", R"("probabilities":{"model_a":0.9})")}), HasSubstr("probabilities.model_b"));
  EXPECT_THAT(with({taught("1", R"("probabilities":{"model_a":0.9,"model_b":0.2})")}),
              HasSubstr("sum to 1.1"));
  EXPECT_THAT(with({taught("1", kSure) + taught("2", R"("probabilities":{"model_a":1,"model_b":0})")}),
              HasSubstr("0 logits, rows before have 1"));
  EXPECT_THAT(with({taught("1", R"("probabilities":{"model_a":1,"model_b":0},"logits":["x"])")}),
              HasSubstr("logits is not a list"));
  EXPECT_THAT(with({"{\"probabilities\":{}}\n"}), HasSubstr("id is missing"));
  EXPECT_THAT(with({"junk\n"}), HasSubstr("t0.jsonl:1: line 1: not valid JSON"));
  options.train = {
      folder.write("y.jsonl", row("1", "p", "a", "b", won("tie")) + row("1", "q", "a", "b", won("tie")))};
  options.classes = 3;
  EXPECT_THAT(with({taught("1", kSure)}), HasSubstr("1 training example with the id of another"));
}

TEST(Teachers, DoNotMakeValidationRows) {
  const WorkFolder folder;
  auto options = training_on({folder.write("x.jsonl", many(1, R"("source":"pseudo")"))});
  options.sources["pseudo"].labels = Labels::kTeacher;
  options.valid_share = .25;
  std::string labels;
  for (int i = 0; i < 600; ++i) labels += taught(joined({"\"1-", std::to_string(i), "\""}), kSure);
  options.teachers = {folder.write("t.jsonl", labels)};
  EXPECT_THAT(fault_of(options, folder), HasSubstr("valid: no example is left"));
  options.train.push_back(folder.write("y.jsonl", row("k", "prompt 0", "x", "y", won("model_a")) +
                                                      row("l", "prompt 3", "x", "y", won("model_a")) +
                                                      row("m", "prompt 5", "x", "y", won("model_a")) +
                                                      row("n", "prompt 6", "x", "y", won("model_a"))));
  options.valid_share = .5;
  options.teachers.push_back(folder.write("u.jsonl", taught("\"k\"", kSure) + taught("\"l\"", kSure) +
                                                         taught("\"m\"", kSure) + taught("\"n\"", kSure)));
  const auto data = open_data(options, folder);
  ASSERT_TRUE(data) << data.error().what;
  EXPECT_GT((*data)->counts().unlabelled_valid, 200u);
  for (const std::uint32_t e : (*data)->valid()) EXPECT_EQ((*data)->source(e), "y");
}

TEST(Teachers, EmbeddingsAreFoundById) {
  const WorkFolder folder;
  const auto train = folder.write(
      "t.jsonl", row("1", "p", "a", "b", won("model_a")) + row("2", "q", "a", "b", won("model_b")));
  const auto label = [](const std::string& id, const std::string& numbers) {
    return "{\"id\":\"" + id + R"(","probabilities":{"model_a":0.5,"model_b":0.5},"embedding":)" + numbers +
           "}\n";
  };
  DataOptions options = training_on({train});
  options.embeddings = ReadEmbeddings::kYes;
  options.teachers = {folder.write("e.jsonl", label("2", "[0.5,-1,2,3]") + label("1", "[1,2,3,4e-3]"))};
  const auto data = open_data(options, folder);
  ASSERT_TRUE(data) << data.error().what;
  EXPECT_EQ((*data)->embedding_numbers(), 4u);
  EXPECT_EQ(*(*data)->teacher_embedding(0), (std::vector<float>{1, 2, 3, 4e-3F}));
  EXPECT_EQ(*(*data)->teacher_embedding(1), (std::vector<float>{.5F, -1, 2, 3}));

  const auto fault = [&](const std::string& second) {
    options.teachers = {folder.write("e.jsonl", label("1", "[1,2]") + second)};
    return fault_of(options, folder);
  };
  EXPECT_THAT(fault(label("2", "[1]")),
              testing::HasSubstr(":2: embedding has 1 numbers, rows before have 2"));
  EXPECT_THAT(fault(label("2", "[]")), testing::HasSubstr("embedding has no numbers"));
  EXPECT_THAT(fault(label("2", "[1,1e99]")), testing::HasSubstr("in the range of floats"));
  EXPECT_THAT(fault(label("2", "null")), testing::HasSubstr("embedding is missing"));
  EXPECT_THAT(fault(""), testing::HasSubstr("1 of 2 examples have no label"));
  options.teachers.assign(2, folder.write("f.jsonl", label("1", "[1,2]") + label("2", "[1,2]")));
  EXPECT_THAT(fault_of(options, folder), testing::HasSubstr("expected those of one teacher"));
  options.embeddings = ReadEmbeddings::kNo;
  ASSERT_EQ(fault_of(options, folder), "");
}

}  // namespace
}  // namespace preferd::training
