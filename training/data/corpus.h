// All good rows of a run's files: memory holds what selection needs (104 bytes per row), and the texts are in
// a spool on disk, so that neither formats nor gzip are ever read twice and no text stays in memory.
//
// A work folder holds data-KEY.spool and data-KEY.index. KEY is a hash of the files' paths, sizes and
// modification times and of the options below; while it stays the same, both files are reused.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/words.h"
#include "training/data/disk_file.h"
#include "training/data/example.h"
#include "training/data/identity.h"
#include "training/data/reader.h"

namespace preferd::training {

// Errors with this `param` are the data's fault: exit code 3 (bad rows, overlap, missing teacher labels).
inline constexpr const char* kDataFault = "data";

enum class BadRows { kStop, kSkip };
constexpr auto words(BadRows) {
  return word_list<BadRows>({{"stop", BadRows::kStop}, {"skip", BadRows::kSkip}});
}
inline constexpr std::size_t kListedRows = 20;

struct CorpusOptions {
  std::vector<std::string> files;  // in this order: of several duplicates the first is kept
  LabelRule rule;                  // must be the same for the same rule_name
  std::string rule_name;           // identifies `rule` in KEY
  BadRows bad_rows = BadRows::kStop;
  rows::InvalidText invalid_text = rows::InvalidText::kError;
};

struct DataEvents {
  std::function<void(double share)> progress;            // 0..1, progress of the reading; may be empty
  std::function<void(const std::string& line)> bad_row;  // called for the first kListedRows; may be empty
  std::function<bool()> cancelled{};                     // stops the work with kCancelled; may be empty

  bool is_cancelled() const { return cancelled && cancelled(); }
};

inline Error cancelled_work() { return {Code::kCancelled, "the rows: interrupted", {}}; }

struct IndexEntry {
  std::uint64_t offset = 0;  // in the spool
  std::uint32_t bytes = 0;
  std::uint16_t file = 0, language = 0, source = 0;  // indices into files(), languages(), sources()
  bool exchanged = false;                            // identity.h
  bool labelled = false;                             // false: Labels::kTeacher
  std::array<std::uint32_t, 3> lengths{};            // prompt, response_a, response_b in code points
  std::uint64_t line = 0;
  std::uint64_t group = 0;
  Key key{}, id{};
  Target target{};
};

// Immutable; any thread.
class Corpus {
 public:
  // Errors: a file that cannot be opened or is damaged, a work folder that cannot be written, more than
  // 65,535 files, sources or languages; with BadRows::kStop bad rows (kDataFault), counted over all files;
  // kCancelled.
  static Result<std::shared_ptr<const Corpus>> open(const CorpusOptions& options,
                                                    const std::string& work_folder, const DataEvents& events);

  std::span<const IndexEntry> entries() const { return entries_; }
  const std::vector<std::string>& files() const { return files_; }
  const std::vector<std::string>& languages() const { return languages_; }
  const std::vector<std::string>& sources() const { return sources_; }
  std::uint64_t bad_count() const { return bad_count_; }
  const std::vector<std::string>& bad_rows() const { return bad_rows_; }  // the first kListedRows
  const std::string& key() const { return key_; }                         // hexadecimal
  bool reused() const { return reused_; }

  std::string place(std::size_t entry) const;  // "FILE:LINE"
  // weight is 1, teacher is empty. Errors: the spool was damaged after it was opened.
  Result<Example> load(std::size_t entry) const;

 private:
  friend class Ingest;
  bool read_index(const std::string& path);
  Status write_index(const std::string& path) const;

  std::vector<IndexEntry> entries_;
  std::vector<std::string> files_, languages_, sources_, bad_rows_;
  std::uint64_t bad_count_ = 0, spool_bytes_ = 0;
  std::string key_;
  bool reused_ = false;
  std::shared_ptr<const FileReader> spool_;
};

}  // namespace preferd::training
