// The examples of a split as a package's text side makes them, encoded once and kept on disk: token ids,
// feature columns, costs. Nothing of it stays in memory but 16 bytes an example.
//
// A folder holds tokens-KEY.bin. KEY is the SHA-256 of what makes the encoding: TextSide::key; the corpus;
// the list of examples; the orders. A file with another key, cut short or with a damaged index is built anew;
// each example carries a checksum of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/result.h"
#include "training/data/dataset.h"
#include "training/data/orders.h"
#include "training/data/text_side.h"

namespace preferd::training {

struct StoreOptions {
  std::string folder;
  Orders orders = Orders::kBoth;  // difference heads always have kGiven
  BadRows bad_rows = BadRows::kStop;
};

// Immutable; any thread.
class EncodedStore {
 public:
  // Opens the file or makes it, on the pool's threads. Errors: the folder cannot be written; Dataset::load;
  // with BadRows::kStop, examples that cannot be encoded (kDataFault; those of an empty sequence, say), all
  // counted; kCancelled.
  static Result<std::shared_ptr<const EncodedStore>> open(const Dataset& data, const Numbers& examples,
                                                          const TextSide& text, const StoreOptions& options,
                                                          ThreadPool& pool, const DataEvents& events);

  std::size_t size() const { return examples_.size(); }
  Orders orders() const { return orders_; }
  // By place in the store: the example's number in the dataset; its tokens, all sequences whole, of the
  // longer order.
  const Numbers& examples() const { return examples_; }
  const std::vector<std::uint32_t>& tokens() const { return tokens_; }
  std::uint64_t bad_count() const { return bad_count_; }
  bool reused() const { return reused_; }
  const std::string& path() const { return path_; }

  // orders[0] is the given order; orders[1], where the store has both, the exchanged one. Errors: the file
  // was damaged since it was opened.
  Result<scorer::Encoded> load(std::size_t place) const;

 private:
  class Build;
  bool read(const std::string& key);

  std::string path_;
  Orders orders_ = Orders::kGiven;
  std::shared_ptr<const FileReader> file_;
  std::vector<std::uint64_t> offsets_;  // size() + 1
  Numbers examples_;
  std::vector<std::uint32_t> tokens_;
  std::vector<std::string> bad_rows_;
  std::uint64_t bad_count_ = 0;
  bool reused_ = false;
};

}  // namespace preferd::training
