#include "training/data/dataset.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "training/data/teacher.h"

namespace preferd::training {
namespace {

constexpr std::uint32_t kNoTeacher = ~std::uint32_t{0};
constexpr std::size_t kShown = 5;

bool is_tie(const Target& t) { return t[2] > 0 && t[2] >= t[0] && t[2] >= t[1]; }

Ties resolved(Ties ties, int classes) {
  if (ties != Ties::kAuto) return ties;
  return classes == 3 ? Ties::kKeep : Ties::kDrop;
}

Target halved(const Target& t) { return {t[0] + t[2] / 2, t[1] + t[2] / 2, 0}; }

Status check(const DataOptions& options) {
  PREFERD_CHECK(options.classes == 2 || options.classes == 3);
  if (options.train.empty() && options.valid.empty())
    return invalid("train: no file, expected at least one", "train");
  if (!options.valid.empty() && options.valid_share != 0)
    return invalid("valid_share: given beside valid files, expected one of the two", "valid_share");
  if (!(options.valid_share >= 0 && options.valid_share < 1))
    return invalid("valid_share: expected a number from 0 to below 1", "valid_share");
  const auto rule = [&](const std::string& name, const SourceRule& r) -> Status {
    if (!(r.weight > 0) || r.weight > 1e6)
      return invalid("sources." + name + ".weight: expected a number above 0, at most 1e6", "sources");
    if (r.ties == Ties::kKeep && options.classes == 2)
      return invalid("sources." + name + ".ties: keep, but the head has two classes; expected half or drop",
                     "sources");
    if (r.labels == Labels::kTeacher && options.teachers.empty())
      return invalid("sources." + name + ".labels: teacher, but no teachers files are given", "sources");
    return Ok{};
  };
  for (const auto& [name, r] : options.sources)
    if (const Status s = rule(name, r); !s) return s.error();
  if (options.valid_ties == Ties::kKeep && options.classes == 2)
    return invalid("valid_ties: keep, but the head has two classes; expected half or drop", "valid_ties");
  return rule("*", options.other_sources);
}

std::string rule_name(const DataOptions& options) {
  std::string name = std::to_string(static_cast<int>(options.other_sources.labels));
  for (const auto& [source, rule] : options.sources)
    if (rule.labels != options.other_sources.labels)
      name += '\n' + source + '\n' + std::to_string(static_cast<int>(rule.labels));
  return name;
}

std::string plural(std::size_t n, const char* what) {
  return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
}

}  // namespace

Result<std::shared_ptr<const Dataset>> Dataset::open(const DataOptions& options,
                                                     const std::string& work_folder,
                                                     const DataEvents& events) {
  if (const Status s = check(options); !s) return s.error();
  CorpusOptions reading;
  reading.files = options.train;
  reading.files.insert(reading.files.end(), options.valid.begin(), options.valid.end());
  reading.rule = [&options](const std::string& source) { return options.rule(source).labels; };
  reading.rule_name = rule_name(options);
  reading.bad_rows = options.bad_rows;
  reading.invalid_text = options.invalid_text;
  auto corpus = Corpus::open(reading, work_folder, events);
  if (!corpus) return corpus.error();

  auto self = std::make_shared<Dataset>();
  self->corpus_ = std::move(*corpus);
  self->classes_ = options.classes;
  for (const auto& [name, rule] : options.sources)
    if (const auto& known = self->corpus_->sources();
        std::find(known.begin(), known.end(), name) == known.end())
      return invalid("sources." + name + ": no row has this source, expected a source of the data",
                     "sources");
  for (const std::string& source : self->corpus_->sources()) self->rules_.push_back(options.rule(source));
  if (const Status s = self->select(options); !s) return s.error();
  if (const Status s = self->join_teachers(options, work_folder); !s) return s.error();
  return std::shared_ptr<const Dataset>(self);
}

Status Dataset::select(const DataOptions& options) {
  const auto entries = corpus_->entries();
  counts_.rows = entries.size();
  counts_.bad = corpus_->bad_count();
  for (std::uint32_t i = 0; i < entries.size(); ++i)
    (entries[i].file < options.train.size() ? train_ : valid_).push_back(i);
  if (options.duplicates == Duplicates::kDrop)
    for (Numbers* side : {&train_, &valid_}) {
      auto distinct = deduplicate(entries, *side);
      *side = std::move(distinct.kept);
      counts_.repeated += distinct.repeated;
      counts_.contradictory += distinct.contradictory;
    }
  train_ = without_ties(train_);
  const std::size_t of_train = counts_.ties_dropped;
  valid_ = without_ties(valid_);
  if (options.valid_share > 0) {
    const auto to_valid = [&](std::uint32_t i) {
      return in_share(entries[i].group, options.valid_share, options.split_seed);
    };
    std::copy_if(train_.begin(), train_.end(), std::back_inserter(valid_), to_valid);
    std::erase_if(train_, to_valid);
  }
  if (resolved(options.valid_ties, classes_) == Ties::kDrop)
    counts_.ties_dropped += std::erase_if(
        valid_, [&](std::uint32_t i) { return entries[i].labelled && is_tie(entries[i].target); });
  counts_.ties_dropped_valid = counts_.ties_dropped - of_train;
  counts_.unlabelled_valid = std::erase_if(valid_, [&](std::uint32_t i) { return !entries[i].labelled; });
  if (const Status s = separate(options); !s) return s.error();
  train_ = within_limits(options, train_);
  valid_ = within_limits(options, valid_);
  counts_.train = train_.size();
  counts_.valid = valid_.size();
  const bool lacks_train = !options.train.empty() && train_.empty();
  if (lacks_train || ((!options.valid.empty() || options.valid_share > 0) && valid_.empty()))
    return invalid(std::string(lacks_train ? "train" : "valid") + ": no example is left of " +
                       plural(counts_.rows, "row") + " (" + plural(counts_.bad, "bad row") + ", " +
                       plural(counts_.repeated + counts_.contradictory, "duplicate") + ", " +
                       plural(counts_.ties_dropped, "tie") + " dropped)",
                   kDataFault);
  return Ok{};
}

Status Dataset::separate(const DataOptions& options) {
  const Shared shared = shared_between(corpus_->entries(), train_, valid_);
  counts_.shared_prompts = shared.prompts;
  counts_.shared_pairs = shared.pairs;
  if (shared.prompts == 0 || options.overlap == Overlap::kAllow) return Ok{};
  if (options.overlap == Overlap::kDropFromTrain) {
    Numbers kept;
    std::set_difference(train_.begin(), train_.end(), shared.train_rows.begin(), shared.train_rows.end(),
                        std::back_inserter(kept));
    train_ = std::move(kept);
    counts_.dropped_overlap = shared.train_rows.size();
    return Ok{};
  }
  std::string some;
  for (const auto& [t, v] : shared.some)
    some += (some.empty() ? "" : ", ") + corpus_->place(t) + " = " + corpus_->place(v);
  return invalid(plural(shared.prompts, "prompt") + " on both sides, train and valid (" +
                     plural(shared.train_rows.size(), "training row") + ", " +
                     plural(shared.pairs, "whole pair") + "), the first are " + some +
                     "; set overlap to drop_from_train or allow",
                 kDataFault);
}

Numbers Dataset::without_ties(const Numbers& from) {
  Numbers kept;
  for (const std::uint32_t i : from) {
    const IndexEntry& e = corpus_->entries()[i];
    const bool drop =
        e.labelled && is_tie(e.target) && resolved(rules_[e.source].ties, classes_) == Ties::kDrop;
    if (drop)
      ++counts_.ties_dropped;
    else
      kept.push_back(i);
  }
  return kept;
}

Numbers Dataset::within_limits(const DataOptions& options, const Numbers& from) {
  std::vector<Numbers> by_source(rules_.size());
  for (const std::uint32_t i : from) by_source[corpus_->entries()[i].source].push_back(i);
  Numbers kept;
  for (std::size_t s = 0; s < rules_.size(); ++s) {
    const Numbers of_source =
        rules_[s].limit ? limited(corpus_->entries(), by_source[s], *rules_[s].limit, options.split_seed)
                        : by_source[s];
    kept.insert(kept.end(), of_source.begin(), of_source.end());
  }
  std::sort(kept.begin(), kept.end());
  counts_.over_limit += from.size() - kept.size();
  return kept;
}

Status Dataset::join_teachers(const DataOptions& options, const std::string& work_folder) {
  if (options.teachers.empty()) return Ok{};
  const auto entries = corpus_->entries();
  Slots slots;
  std::size_t same = 0;
  std::string some;
  for (std::uint32_t slot = 0; slot < train_.size(); ++slot) {
    const auto [it, fresh] = slots.emplace(entries[train_[slot]].id, slot);
    if (!fresh && ++same <= kShown)
      some += (some.empty() ? "" : ", ") + corpus_->place(train_[it->second]) + " = " +
              corpus_->place(train_[slot]);
  }
  if (same > 0)
    return invalid("teachers: " + plural(same, "training example") + " with the id of another one: " + some +
                       "; teacher labels are found by id, which must be unique",
                   kDataFault);
  std::unique_ptr<EmbeddingWriter> embeddings;
  if (options.embeddings == ReadEmbeddings::kYes) {
    auto writer =
        EmbeddingWriter::create(work_folder + "/embeddings-" + corpus_->key() + ".bin", train_.size());
    if (!writer) return writer.error();
    embeddings = std::move(*writer);
  }
  auto labels = read_teachers(
      options.teachers, slots, [&](std::uint32_t slot) { return corpus_->place(train_[slot]); },
      embeddings.get());
  if (!labels) return labels.error();
  if (embeddings) {
    auto found = embeddings->finish();
    if (!found) return found.error();
    embeddings_ = std::move(*found);
  }
  teachers_ = std::move(*labels);
  if (classes_ == 2)
    for (TeacherLabel& label : teachers_) {
      auto& p = label.probabilities;
      p = {p[0] + p[2] / 2, p[1] + p[2] / 2, 0};
    }
  teacher_slots_.assign(entries.size(), kNoTeacher);
  for (std::uint32_t slot = 0; slot < train_.size(); ++slot) teacher_slots_[train_[slot]] = slot;
  return Ok{};
}

const TeacherLabel* Dataset::teacher(std::uint32_t example) const {
  if (teacher_slots_.empty() || teacher_slots_[example] == kNoTeacher) return nullptr;
  return &teachers_[teacher_slots_[example]];
}

std::size_t Dataset::embedding_numbers() const { return embeddings_ ? embeddings_->numbers() : 0; }

Result<std::vector<float>> Dataset::teacher_embedding(std::uint32_t example) const {
  PREFERD_CHECK(embeddings_ != nullptr && teacher_slots_[example] != kNoTeacher);
  return embeddings_->load(teacher_slots_[example]);
}

Target Dataset::target(std::uint32_t example) const {
  const IndexEntry& e = corpus_->entries()[example];
  Target t = e.target;
  if (!e.labelled) {
    const TeacherLabel* label = teacher(example);
    PREFERD_CHECK(label != nullptr);
    std::copy(label->probabilities.begin(), label->probabilities.end(), t.begin());
    const double sum = t[0] + t[1] + t[2];
    for (double& p : t) p /= sum;
  }
  return classes_ == 2 || resolved(rules_[e.source].ties, classes_) == Ties::kHalf ? halved(t) : t;
}

double Dataset::weight(std::uint32_t example) const {
  return rules_[corpus_->entries()[example].source].weight;
}

const std::string& Dataset::source(std::uint32_t example) const {
  return corpus_->sources()[corpus_->entries()[example].source];
}

const std::string& Dataset::language(std::uint32_t example) const {
  return corpus_->languages()[corpus_->entries()[example].language];
}

Result<Example> Dataset::load(std::uint32_t example) const {
  auto loaded = corpus_->load(example);
  if (!loaded) return loaded.error();
  loaded->target = target(example);
  loaded->weight = weight(example);
  if (const TeacherLabel* label = teacher(example)) loaded->teacher = *label;
  return loaded;
}

}  // namespace preferd::training
