// The examples of a split as a package's text side encodes them, encoded once and kept on disk: token ids,
// feature columns, costs. Memory holds only 16 bytes per example.
//
// A folder holds tokens-KEY.bin. KEY is the SHA-256 of everything that determines the encoding:
// TextSide::key; the corpus; the list of examples; the orders. A file with another key, that is truncated or
// that has a damaged index is built anew; each example has a checksum of its own.
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
  Orders orders = Orders::kBoth;  // difference heads always use kGiven
  BadRows bad_rows = BadRows::kStop;
};

// Immutable; any thread.
class EncodedStore {
 public:
  // Opens the file or makes it, on the pool's threads. Errors: the folder cannot be written; Dataset::load;
  // with BadRows::kStop, examples that cannot be encoded (kDataFault; for example with an empty sequence),
  // all counted; kCancelled.
  static Result<std::shared_ptr<const EncodedStore>> open(const Dataset& data, const Numbers& examples,
                                                          const TextSide& text, const StoreOptions& options,
                                                          ThreadPool& pool, const DataEvents& events);

  std::size_t size() const { return examples_.size(); }
  Orders orders() const { return orders_; }
  // By place in the store: the example's number in the dataset; its tokens, with all sequences whole, in the
  // longer order.
  const Numbers& examples() const { return examples_; }
  const std::vector<std::uint32_t>& tokens() const { return tokens_; }
  std::uint64_t bad_count() const { return bad_count_; }
  bool reused() const { return reused_; }
  const std::string& path() const { return path_; }

  // orders[0] is the given order; orders[1], if the store has both, is the exchanged one. Errors: the file
  // was damaged after it was opened.
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
