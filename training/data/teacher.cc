#include "training/data/teacher.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/json.h"
#include "base/object_reader.h"
#include "rows/records.h"
#include "training/data/corpus.h"

namespace preferd::training {
namespace {

constexpr std::array<const char*, 3> kNames = {"model_a", "model_b", "tie"};
constexpr double kSumSlack = 1e-3;
constexpr std::size_t kShown = 5;

struct Sums {
  std::array<double, 3> probabilities{}, logits{};
  std::size_t logit_count = 0;
  std::uint32_t files = 0;
  std::uint32_t last_file = 0;  // index + 1
};

class TeacherVoice : public ReaderVoice {
 public:
  TeacherVoice() {
    null = Null::kAbsent;
    keys = Keys::kOpen;
  }
};

struct TeacherRow {
  std::array<double, 3> probabilities{};
  std::vector<double> logits;
  std::vector<float> embedding;
};

Status read_logits(const Json& v, std::vector<double>& into) {
  const bool good = v.is_array() && !v.empty() && v.size() <= 3 &&
                    std::all_of(v.begin(), v.end(), [](const Json& x) { return x.is_number(); });
  if (!good) return invalid("logits is not a list of 1 to 3 numbers");
  into = v.get<std::vector<double>>();
  return Ok{};
}

Status read_embedding(const Json& v, std::vector<float>& into) {
  const auto is_good = [](const Json& x) {
    return x.is_number() && std::isfinite(static_cast<float>(x.get<double>()));
  };
  if (!v.is_array() || !std::all_of(v.begin(), v.end(), is_good))
    return invalid("embedding is not a list of numbers in the range of floats");
  into = v.get<std::vector<float>>();
  return Ok{};
}

void describe(Schema& s, TeacherRow& row) {
  s.section("probabilities", "of who wins", [&](Schema& p) {
    for (std::size_t i = 0; i < kNames.size(); ++i)
      p.real(kNames[i], row.probabilities[i], 0, 1, "its share", {.required = i < 2});
  });
  s.other("logits", "a list of 1 to 3 numbers", "of the head",
          [&](const Json& v, const std::string&) { return read_logits(v, row.logits); });
}

void describe_embedding(Schema& s, TeacherRow& row) {
  s.other("embedding", "a list of numbers", "pooled states of the given order",
          [&](const Json& v, const std::string&) { return read_embedding(v, row.embedding); });
}

Result<TeacherRow> teacher_row(const Json& fields, bool with_embedding) {
  const TeacherVoice voice;
  ReadFaults faults;
  ObjectReader reader(fields, "", voice, faults);
  TeacherRow row;
  describe(reader, row);
  if (with_embedding) {
    describe_embedding(reader, row);
    if (!reader.has("embedding"))
      reader.fail("embedding is missing, expected what trainer label --embeddings writes");
  }
  if (const Status s = faults.status(); !s) return s.error();
  const double sum = row.probabilities[0] + row.probabilities[1] + row.probabilities[2];
  if (std::abs(sum - 1) > kSumSlack)
    return invalid("probabilities sum to " + std::to_string(sum) + ", expected 1");
  for (double& p : row.probabilities) p /= sum;
  return row;
}

class Reading {
 public:
  Reading(const Slots& slots, std::vector<Sums>& sums, EmbeddingWriter* embeddings)
      : slots_(slots), sums_(sums), embeddings_(embeddings) {}

  Status file(const std::string& path, std::uint32_t place) {
    auto reader = rows::RecordReader::open(path, rows::RowFormat::kJsonLines);
    if (!reader) return reader.error();
    while (true) {
      auto next = (*reader)->next();
      if (!next) return next.error();
      if (!*next) return Ok{};
      const Status s = (*next)->fields ? row(*(*next)->fields, (*next)->id, place) : (*next)->fields.error();
      if (!s) return invalid(path + ':' + std::to_string((*next)->line) + ": " + s.error().what, kDataFault);
    }
  }

 private:
  Status row(const Json& fields, const std::string& id, std::uint32_t place) {
    if (!fields.contains("id")) return invalid("id is missing");
    const auto slot = slots_.find(id_key(id));
    if (slot == slots_.end()) return Ok{};
    Sums& sums = sums_[slot->second];
    if (sums.last_file == place + 1) return invalid("the id occurs twice in the file");
    const auto read = teacher_row(fields, embeddings_ != nullptr);
    if (!read) return read.error();
    const std::size_t count = read->logits.size();
    if (logit_count_ && *logit_count_ != count)
      return invalid(std::to_string(count) + " logits, rows before have " + std::to_string(*logit_count_));
    logit_count_ = sums.logit_count = count;
    if (embeddings_ != nullptr)
      if (const Status s = embeddings_->put(slot->second, read->embedding); !s) return s;
    sums.last_file = place + 1;
    ++sums.files;
    for (std::size_t i = 0; i < 3; ++i) sums.probabilities[i] += read->probabilities[i];
    for (std::size_t i = 0; i < count; ++i) sums.logits[i] += read->logits[i];
    return Ok{};
  }

  const Slots& slots_;
  std::vector<Sums>& sums_;
  EmbeddingWriter* embeddings_;
  std::optional<std::size_t> logit_count_;
};

}  // namespace

Result<std::vector<TeacherLabel>> read_teachers(const std::vector<std::string>& files, const Slots& slots,
                                                const std::function<std::string(std::uint32_t)>& name,
                                                EmbeddingWriter* embeddings) {
  std::vector<Sums> sums(slots.size());
  Reading reading(slots, sums, embeddings);
  for (std::size_t i = 0; i < files.size(); ++i)
    if (const Status s = reading.file(files[i], static_cast<std::uint32_t>(i)); !s) return s.error();

  std::uint32_t most = 0;
  for (const Sums& s : sums) most = std::max(most, s.files);
  std::size_t missing = 0;
  std::string some;
  for (std::uint32_t i = 0; i < sums.size(); ++i)
    if ((sums[i].files < most || most == 0) && ++missing <= kShown)
      some += (missing > 1 ? ", " : "") + name(i);
  if (missing > 0)
    return invalid(
        "teachers: " + std::to_string(missing) + " of " + std::to_string(sums.size()) + " examples have " +
            (most > 1 ? "fewer than the " + std::to_string(most) + " labels of others" : "no label") + ": " +
            some + (missing > kShown ? ", ..." : ""),
        kDataFault);

  std::vector<TeacherLabel> labels(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      labels[i].probabilities[k] = static_cast<float>(sums[i].probabilities[k] / sums[i].files);
      labels[i].logits[k] = static_cast<float>(sums[i].logits[k] / sums[i].files);
    }
    labels[i].logit_count = static_cast<std::uint8_t>(sums[i].logit_count);
  }
  return labels;
}

}  // namespace preferd::training
