#include "training/data/corpus.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <unordered_map>

#include "base/sha256.h"
#include "base/utf8.h"
#include "training/data/checksum.h"
#include "training/data/packing.h"

namespace preferd::training {
namespace {

constexpr std::string_view kMagic = "preferd-index/3\n";
constexpr std::size_t kMaxNames = 65535;
constexpr std::size_t kProgressEvery = 256;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

Result<std::string> key_of(const CorpusOptions& options, std::uint64_t& total) {
  Packer packer;
  packer.put(kMagic).put(static_cast<std::uint64_t>(sizeof(IndexEntry)));
  packer.put(options.rule_name).put(options.bad_rows).put(options.invalid_text);
  for (const std::string& file : options.files) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0)
      return Error{Code::kNotFound, file + ": cannot open: " + std::strerror(errno), {}};
    if (!S_ISREG(info.st_mode)) return invalid(file + ": is not a plain file, expected JSON Lines or CSV");
    total += static_cast<std::uint64_t>(info.st_size);
    packer.put(file).put(info.st_size).put(info.st_mtim.tv_sec).put(info.st_mtim.tv_nsec);
  }
  return hex(sha256(packer.bytes()));
}

// Distinct names in order of first appearance.
class Names {
 public:
  explicit Names(std::vector<std::string>& names) : names_(names) {}

  Result<std::uint16_t> place(const std::string& name, const char* what) {
    const auto [it, fresh] = places_.emplace(name, names_.size());
    if (!fresh) return static_cast<std::uint16_t>(it->second);
    if (names_.size() == kMaxNames)
      return invalid("more than " + std::to_string(kMaxNames) + " different " + what + " in the data",
                     kDataFault);
    names_.push_back(name);
    return static_cast<std::uint16_t>(it->second);
  }

 private:
  std::vector<std::string>& names_;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace

// The single pass over the files.
class Ingest {
 public:
  Ingest(Corpus& corpus, FileWriter& spool, const CorpusOptions& options, const DataEvents& events,
         std::uint64_t total)
      : corpus_(corpus),
        spool_(spool),
        options_(options),
        events_(events),
        total_(static_cast<double>(total)),
        languages_(corpus.languages_),
        sources_(corpus.sources_) {}

  Status run() {
    for (std::size_t file = 0; file < options_.files.size(); ++file)
      if (const Status s = read(file); !s) return s.error();
    corpus_.spool_bytes_ = spool_.size();
    if (corpus_.bad_count_ > 0 && options_.bad_rows == BadRows::kStop)
      return invalid(std::to_string(corpus_.bad_count_) + " bad rows of " +
                         std::to_string(corpus_.bad_count_ + corpus_.entries_.size()) + ", the first is " +
                         corpus_.bad_rows_.front() + "; correct them, or set data.bad_rows to skip",
                     kDataFault);
    return Ok{};
  }

 private:
  Status read(std::size_t file) {
    const std::string& path = options_.files[file];
    auto reader = ExampleReader::open(path, options_.rule, options_.invalid_text);
    if (!reader) return reader.error();
    const auto size = static_cast<double>(std::filesystem::file_size(path));
    for (std::size_t rows = 1;; ++rows) {
      auto next = (*reader)->next();
      if (!next) return next.error();
      if (!*next) break;
      const ExampleRead& row = **next;
      if (!row.fault.empty())
        bad(row.fault);
      else if (const Status s = add(row.example, file); !s)
        return s.error();
      if (rows % kProgressEvery != 0) continue;
      if (events_.is_cancelled()) return cancelled_work();
      report(done_ + size * (*reader)->progress().value_or(0));
    }
    report(done_ += size);
    return Ok{};
  }

  void report(double bytes) const {
    if (events_.progress) events_.progress(total_ > 0 ? bytes / total_ : 1);
  }

  void bad(const std::string& line) {
    ++corpus_.bad_count_;
    if (corpus_.bad_rows_.size() == kListedRows) return;
    corpus_.bad_rows_.push_back(line);
    if (events_.bad_row) events_.bad_row(line);
  }

  Status add(const Example& example, std::size_t file) {
    const auto language = languages_.place(example.language, "languages");
    if (!language) return language.error();
    const auto source = sources_.place(example.source, "sources");
    if (!source) return source.error();
    const Identity identity = identity_of(example.pair);
    Packer record;
    for (const std::string* text : {&example.id, &example.pair.prompt, &example.pair.response_a,
                                    &example.pair.response_b, &example.model_a, &example.model_b})
      record.put(*text);
    record.put(static_cast<std::uint32_t>(example.pair.turns.size()));
    for (const rows::Turn& turn : example.pair.turns) record.put(turn.role).put(turn.content);
    record.put(crc_of(record.bytes()));

    IndexEntry entry;
    entry.offset = spool_.size();
    entry.bytes = static_cast<std::uint32_t>(record.bytes().size());
    entry.file = static_cast<std::uint16_t>(file);
    entry.language = *language;
    entry.source = *source;
    entry.exchanged = identity.exchanged;
    entry.labelled = options_.rule(example.source) != Labels::kTeacher;
    entry.lengths = {static_cast<std::uint32_t>(utf8::length(example.pair.prompt)),
                     static_cast<std::uint32_t>(utf8::length(example.pair.response_a)),
                     static_cast<std::uint32_t>(utf8::length(example.pair.response_b))};
    entry.line = example.line;
    entry.group = identity.group;
    entry.key = identity.key;
    entry.id = id_key(example.id);
    entry.target = example.target;
    corpus_.entries_.push_back(entry);
    return spool_.append(bytes_of(record.bytes()));
  }

  Corpus& corpus_;
  FileWriter& spool_;
  const CorpusOptions& options_;
  const DataEvents& events_;
  double total_, done_ = 0;
  Names languages_, sources_;
};

bool Corpus::read_index(const std::string& path) {
  const auto file = FileReader::open(path);
  if (!file) return false;
  const auto bytes = (*file)->read(0, (*file)->size());
  if (!bytes || bytes->size() < sizeof(std::uint32_t)) return false;
  std::uint32_t crc = 0;
  const std::size_t body = bytes->size() - sizeof crc;
  std::memcpy(&crc, bytes->data() + body, sizeof crc);
  if (crc != crc_of(std::string_view(*bytes).substr(0, body))) return false;
  Unpacker in(std::string_view(*bytes).substr(0, body));
  std::string magic, key;
  in.get(magic);
  in.get(key);
  if (magic != kMagic || key != key_) return false;
  in.get(spool_bytes_);
  in.get(entries_);
  in.get(languages_);
  in.get(sources_);
  in.get(bad_count_);
  in.get(bad_rows_);
  return in.done();
}

Status Corpus::write_index(const std::string& path) const {
  Packer out;
  out.put(kMagic).put(key_).put(spool_bytes_).put(entries_);
  out.put(languages_).put(sources_).put(bad_count_).put(bad_rows_);
  out.put(crc_of(out.bytes()));
  auto file = FileWriter::create(path);
  if (!file) return file.error();
  if (const Status s = (*file)->append(bytes_of(out.bytes())); !s) return s.error();
  return (*file)->commit();
}

Result<std::shared_ptr<const Corpus>> Corpus::open(const CorpusOptions& options,
                                                   const std::string& work_folder, const DataEvents& events) {
  if (options.files.size() > kMaxNames)
    return invalid(std::to_string(options.files.size()) + " files, expected at most " +
                   std::to_string(kMaxNames));
  auto self = std::make_shared<Corpus>();
  std::uint64_t total = 0;
  auto key = key_of(options, total);
  if (!key) return key.error();
  self->key_ = std::move(*key);
  self->files_ = options.files;
  const std::string stem = work_folder + "/data-" + self->key_.substr(0, 16);

  if (self->read_index(stem + ".index")) {
    auto spool = FileReader::open(stem + ".spool");
    if (spool && (*spool)->size() == self->spool_bytes_) {
      self->spool_ = std::move(*spool);
      self->reused_ = true;
      if (events.bad_row) std::for_each(self->bad_rows_.begin(), self->bad_rows_.end(), events.bad_row);
      if (events.progress) events.progress(1);
      return std::shared_ptr<const Corpus>(self);
    }
  }
  auto fresh = std::make_shared<Corpus>();
  fresh->key_ = std::move(self->key_);
  fresh->files_ = std::move(self->files_);
  self = std::move(fresh);
  auto spool = FileWriter::create(stem + ".spool");
  if (!spool) return spool.error();
  if (const Status s = Ingest(*self, **spool, options, events, total).run(); !s) return s.error();
  if (const Status s = (*spool)->commit(); !s) return s.error();
  if (const Status s = self->write_index(stem + ".index"); !s) return s.error();
  auto opened = FileReader::open(stem + ".spool");
  if (!opened) return opened.error();
  self->spool_ = std::move(*opened);
  return std::shared_ptr<const Corpus>(self);
}

std::string Corpus::place(std::size_t entry) const {
  return files_[entries_[entry].file] + ':' + std::to_string(entries_[entry].line);
}

namespace {

void read_turn(Unpacker& in, rows::Turn& turn) {
  in.get(turn.role);
  in.get(turn.content);
}

}  // namespace

Result<Example> Corpus::load(std::size_t entry) const {
  PREFERD_CHECK(entry < entries_.size());
  const IndexEntry& e = entries_[entry];
  const auto bytes = spool_->read(e.offset, e.bytes);
  if (!bytes) return bytes.error();
  const std::string_view body = std::string_view(*bytes).substr(0, e.bytes - sizeof(std::uint32_t));
  std::uint32_t crc = 0;
  std::memcpy(&crc, bytes->data() + body.size(), sizeof crc);
  Example x;
  Unpacker in(body);
  for (std::string* text :
       {&x.id, &x.pair.prompt, &x.pair.response_a, &x.pair.response_b, &x.model_a, &x.model_b})
    in.get(*text);
  std::uint32_t turns = 0;
  in.get(turns);
  for (std::uint32_t i = 0; i < turns && crc == crc_of(body); ++i) read_turn(in, x.pair.turns.emplace_back());
  if (crc != crc_of(body) || !in.done())
    return invalid(spool_->path() + ": the bytes of " + place(entry) +
                   " are damaged, expected what was written; remove the file");
  x.target = e.target;
  x.language = languages_[e.language];
  x.source = sources_[e.source];
  x.group = e.group;
  x.file = files_[e.file];
  x.line = static_cast<std::size_t>(e.line);
  return x;
}

}  // namespace preferd::training
