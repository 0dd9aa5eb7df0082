#include "training/data/encoded_store.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/json.h"
#include "base/sha256.h"
#include "training/data/checksum.h"
#include "training/data/packing.h"

namespace preferd::training {
namespace {

constexpr std::array<char, 16> kMagic = {'p', 'r', 'e', 'f', 'e', 'r', 'd', '-',
                                         't', 'o', 'k', 'e', 'n', 's', '/', '2'};
constexpr std::size_t kChunk = 256;

struct Header {
  std::array<char, 16> magic = kMagic;
  std::array<char, 64> key{};
  std::uint64_t index_offset = 0, file_bytes = 0;
  std::uint64_t index_crc = 0;
};

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string key_of(const Dataset& data, const Numbers& examples, const TextSide& text, Orders orders,
                   BadRows bad_rows) {
  Packer packer;
  packer.put(kMagic).put(data.corpus().key()).put(examples).put(orders).put(bad_rows).put(text.key);
  return hex(sha256(packer.bytes()));
}

void put(Packer& out, const scorer::Encoded& encoded) {
  out.put(static_cast<std::uint64_t>(encoded.orders.size()));
  for (const scorer::EncodedOrder& order : encoded.orders) out.put(order.sequences).put(order.features);
  out.put(encoded.swap).put(encoded.adapter).put(encoded.tokens).put(encoded.truncated);
  out.put(static_cast<std::uint64_t>(encoded.cost_tokens));
  out.put(static_cast<std::uint64_t>(encoded.members.size()));
  for (const scorer::Encoded& member : encoded.members) put(out, member);
}

constexpr std::uint64_t kMostMembers = 64;  // of an ensemble or a cascade
constexpr int kDeepest = 8;

// False for bytes that put() cannot have written.
bool get(Unpacker& in, scorer::Encoded& encoded, int depth) {
  std::uint64_t orders = 0, cost = 0, members = 0;
  in.get(orders);
  if (orders > 2) return false;
  encoded.orders.resize(orders);
  for (scorer::EncodedOrder& order : encoded.orders) {
    in.get(order.sequences);
    in.get(order.features);
  }
  in.get(encoded.swap);
  in.get(encoded.adapter);
  in.get(encoded.tokens);
  in.get(encoded.truncated);
  in.get(cost);
  in.get(members);
  encoded.cost_tokens = cost;
  if (!in.ok() || members > kMostMembers || depth == kDeepest) return false;
  encoded.members.resize(members);
  for (scorer::Encoded& member : encoded.members)
    if (!get(in, member, depth + 1)) return false;
  return orders + members > 0;
}

std::string packed(const scorer::Encoded& encoded) {
  Packer out;
  put(out, encoded);
  out.put(crc_of(out.bytes()));
  return std::move(out.bytes());
}

std::uint32_t tokens_of(const scorer::Encoded& encoded) {
  std::size_t most = 0;
  for (const scorer::Encoded& member : encoded.members) most += tokens_of(member);
  for (const scorer::EncodedOrder& order : encoded.orders) {
    std::size_t sum = 0;
    for (const auto& sequence : order.sequences) sum += sequence.size();
    most = std::max(most, sum);
  }
  return static_cast<std::uint32_t>(most);
}

}  // namespace

class EncodedStore::Build {
 public:
  Build(EncodedStore& store, const Dataset& data, const TextSide& text, FileWriter& file,
        const DataEvents& events)
      : store_(store), data_(data), text_(text), file_(file), events_(events) {}

  Status run(const Numbers& examples, const std::string& key, ThreadPool& pool) {
    Header header;
    std::copy(key.begin(), key.end(), header.key.begin());
    if (const Status s = file_.append(std::as_bytes(std::span(&header, 1))); !s) return s.error();
    for (std::size_t from = 0; from < examples.size(); from += kChunk) {
      const std::size_t count = std::min(kChunk, examples.size() - from);
      if (const Status s = chunk(std::span(examples).subspan(from, count), pool); !s) return s.error();
      if (events_.progress)
        events_.progress(static_cast<double>(from + count) / static_cast<double>(examples.size()));
    }
    store_.offsets_.push_back(file_.size());
    Packer index;
    index.put(store_.offsets_).put(store_.examples_).put(store_.tokens_);
    index.put(store_.bad_rows_).put(store_.bad_count_);
    header.index_offset = file_.size();
    header.index_crc = crc_of(index.bytes());
    if (const Status s = file_.append(bytes_of(index.bytes())); !s) return s.error();
    header.file_bytes = file_.size();
    return file_.overwrite(0, std::as_bytes(std::span(&header, 1)));
  }

 private:
  struct Item {
    std::string bytes, fault;
    std::uint32_t tokens = 0;
    std::optional<Error> error;  // ends the run
  };

  Item encode(std::uint32_t example) const {
    Item item;
    if (events_.is_cancelled()) {
      item.error = cancelled_work();
      return item;
    }
    auto loaded = data_.load(example);
    if (!loaded) {
      item.error = loaded.error();
      return item;
    }
    const scorer::Swap swap = store_.orders_ == Orders::kBoth ? scorer::Swap::kAverage : scorer::Swap::kNone;
    const auto encoded = text_.encode({std::move(loaded->pair), "", swap, scorer::Overflow::kPackage});
    if (!encoded) {
      item.fault = data_.corpus().place(example) + ": " + encoded.error().what;
    } else {
      item.bytes = packed(*encoded);
      item.tokens = tokens_of(*encoded);
    }
    return item;
  }

  Status chunk(std::span<const std::uint32_t> examples, ThreadPool& pool) {
    std::vector<Item> items(examples.size());
    pool.run(items.size(), [&](std::size_t i, int) { items[i] = encode(examples[i]); });
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Item& item = items[i];
      if (item.error) return *item.error;
      if (!item.fault.empty()) {
        if (store_.bad_count_++ < kListedRows) {
          store_.bad_rows_.push_back(item.fault);
          if (events_.bad_row) events_.bad_row(item.fault);
        }
        continue;
      }
      store_.offsets_.push_back(file_.size());
      store_.examples_.push_back(examples[i]);
      store_.tokens_.push_back(item.tokens);
      if (const Status s = file_.append(bytes_of(item.bytes)); !s) return s.error();
    }
    return Ok{};
  }

  EncodedStore& store_;
  const Dataset& data_;
  const TextSide& text_;
  FileWriter& file_;
  const DataEvents& events_;
};

bool EncodedStore::read(const std::string& key) {
  auto file = FileReader::open(path_);
  if (!file) return false;
  const auto head = (*file)->read(0, sizeof(Header));
  if (!head) return false;
  Header header;
  std::memcpy(&header, head->data(), sizeof header);
  if (header.magic != kMagic || std::string_view(header.key.data(), header.key.size()) != key ||
      header.file_bytes != (*file)->size() || header.index_offset > header.file_bytes)
    return false;
  const auto bytes = (*file)->read(header.index_offset, header.file_bytes - header.index_offset);
  if (!bytes || crc_of(*bytes) != header.index_crc) return false;
  Unpacker in(*bytes);
  in.get(offsets_);
  in.get(examples_);
  in.get(tokens_);
  in.get(bad_rows_);
  in.get(bad_count_);
  file_ = std::move(*file);
  return in.done() && offsets_.size() == examples_.size() + 1 && tokens_.size() == examples_.size();
}

Result<std::shared_ptr<const EncodedStore>> EncodedStore::open(const Dataset& data, const Numbers& examples,
                                                               const TextSide& text,
                                                               const StoreOptions& options, ThreadPool& pool,
                                                               const DataEvents& events) {
  auto self = std::make_shared<EncodedStore>();
  const Orders orders = text.mirrored ? Orders::kGiven : options.orders;
  const std::string key = key_of(data, examples, text, orders, options.bad_rows);
  const std::string path = options.folder + "/tokens-" + key.substr(0, 16) + ".bin";
  self->orders_ = orders;
  self->path_ = path;
  self->reused_ = self->read(key);
  if (self->reused_) {
    if (events.bad_row) std::for_each(self->bad_rows_.begin(), self->bad_rows_.end(), events.bad_row);
    if (events.progress) events.progress(1);
    return std::shared_ptr<const EncodedStore>(self);
  }

  self = std::make_shared<EncodedStore>();
  self->orders_ = orders;
  self->path_ = path;
  auto file = FileWriter::create(path);
  if (!file) return file.error();
  if (const Status s = Build(*self, data, text, **file, events).run(examples, key, pool); !s)
    return s.error();
  if (self->bad_count_ > 0 && options.bad_rows == BadRows::kStop)
    return invalid(std::to_string(self->bad_count_) + " of " + std::to_string(examples.size()) +
                       " examples cannot be encoded, the first is " + self->bad_rows_.front() +
                       "; correct them, or set data.bad_rows to skip",
                   kDataFault);
  if (const Status s = (*file)->commit(); !s) return s.error();
  auto opened = FileReader::open(path);
  if (!opened) return opened.error();
  self->file_ = std::move(*opened);
  return std::shared_ptr<const EncodedStore>(self);
}

Result<scorer::Encoded> EncodedStore::load(std::size_t place) const {
  PREFERD_CHECK(place < size());
  const auto bytes = file_->read(offsets_[place], offsets_[place + 1] - offsets_[place]);
  if (!bytes) return bytes.error();
  std::uint32_t crc = 0;
  const std::string_view body = std::string_view(*bytes).substr(0, bytes->size() - sizeof crc);
  std::memcpy(&crc, bytes->data() + body.size(), sizeof crc);
  scorer::Encoded encoded;
  Unpacker in(body);
  if (crc != crc_of(body) || !get(in, encoded, 0) || !in.done())
    return invalid(path_ + ": example " + std::to_string(place) +
                   " is damaged, expected what was written; remove the file");
  return encoded;
}

}  // namespace preferd::training
