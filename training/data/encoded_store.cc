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
                                         't', 'o', 'k', 'e', 'n', 's', '/', '1'};
constexpr std::size_t kChunk = 256;

struct Header {
  std::array<char, 16> magic = kMagic;
  std::array<char, 64> key{};
  std::uint64_t index_offset = 0, file_bytes = 0;
  std::uint64_t index_crc = 0;
};

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

Result<std::string> digest_of(const Files& files, std::string_view name) {
  const auto bytes = files.open(name);
  if (!bytes) return bytes.error();
  return hex(sha256(bytes->view));
}

// What the text side reads besides the two sections: everything small beside the weights.
bool is_text_side(std::string_view name) {
  const auto ends = [&](std::string_view e) { return name.ends_with(e); };
  return (ends(".json") && !ends(".index.json")) || ends(".model") || ends(".txt") || ends(".jinja");
}

Result<std::string> key_of(const Dataset& data, const Numbers& examples, const Encoder& encoder,
                           Orders orders, BadRows bad_rows) {
  const auto text = encoder.package().open("package.json");
  if (!text) return text.error();
  const auto manifest = parse_json(text->text());
  if (!manifest) return manifest.error();
  Packer packer;
  packer.put(kMagic).put(data.corpus().key()).put(examples).put(orders).put(bad_rows);
  packer.put((*manifest)["input"].dump()).put(manifest->value("features", Json()).dump());
  packer.put(std::string(output_name(encoder.manifest().output())));
  for (const std::string& name : encoder.base().list("")) {
    if (!is_text_side(name)) continue;
    const auto digest = digest_of(encoder.base(), name);
    if (!digest) return digest.error();
    packer.put(name).put(*digest);
  }
  if (encoder.manifest().features.standardize) {
    const auto digest = digest_of(encoder.package(), encoder.manifest().features.file);
    if (!digest) return digest.error();
    packer.put(*digest);
  }
  return hex(sha256(packer.bytes()));
}

std::string packed(const Encoded& encoded) {
  Packer out;
  out.put(static_cast<std::uint64_t>(encoded.orders.size()));
  for (const EncodedOrder& order : encoded.orders) out.put(order.sequences).put(order.features);
  out.put(encoded.tokens).put(encoded.truncated).put(static_cast<std::uint64_t>(encoded.cost_tokens));
  out.put(crc_of(out.bytes()));
  return std::move(out.bytes());
}

std::uint32_t tokens_of(const Encoded& encoded) {
  std::size_t most = 0;
  for (const EncodedOrder& order : encoded.orders) {
    std::size_t sum = 0;
    for (const auto& sequence : order.sequences) sum += sequence.size();
    most = std::max(most, sum);
  }
  return static_cast<std::uint32_t>(most);
}

}  // namespace

class EncodedStore::Build {
 public:
  Build(EncodedStore& store, const Dataset& data, const Encoder& encoder, FileWriter& file,
        const DataEvents& events)
      : store_(store), data_(data), encoder_(encoder), file_(file), events_(events) {}

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
    std::optional<Error> error;  // that ends the run
  };

  Item encode(std::uint32_t example) const {
    Item item;
    auto loaded = data_.load(example);
    if (!loaded) {
      item.error = loaded.error();
      return item;
    }
    const Swap swap = store_.orders_ == Orders::kBoth ? Swap::kAverage : Swap::kNone;
    const auto encoded = encoder_.encode({std::move(loaded->pair), "", swap, Overflow::kPackage});
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
  const Encoder& encoder_;
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
                                                               const Encoder& encoder,
                                                               const StoreOptions& options, ThreadPool& pool,
                                                               const DataEvents& events) {
  auto self = std::make_shared<EncodedStore>();
  const bool is_mirrored = encoder.manifest().output() == Output::kDifference;
  const Orders orders = is_mirrored ? Orders::kGiven : options.orders;
  const auto key = key_of(data, examples, encoder, orders, options.bad_rows);
  if (!key) return key.error();
  const std::string path = options.folder + "/tokens-" + key->substr(0, 16) + ".bin";
  self->orders_ = orders;
  self->path_ = path;
  self->reused_ = self->read(*key);
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
  if (const Status s = Build(*self, data, encoder, **file, events).run(examples, *key, pool); !s)
    return s.error();
  if (self->bad_count_ > 0 && options.bad_rows == BadRows::kStop)
    return invalid(std::to_string(self->bad_count_) + " of " + std::to_string(examples.size()) +
                       " examples cannot be encoded, the first is " + self->bad_rows_.front() +
                       "; correct them, or set bad_rows to skip",
                   kDataFault);
  if (const Status s = (*file)->commit(); !s) return s.error();
  auto opened = FileReader::open(path);
  if (!opened) return opened.error();
  self->file_ = std::move(*opened);
  return std::shared_ptr<const EncodedStore>(self);
}

Result<Encoded> EncodedStore::load(std::size_t place) const {
  PREFERD_CHECK(place < size());
  const auto bytes = file_->read(offsets_[place], offsets_[place + 1] - offsets_[place]);
  if (!bytes) return bytes.error();
  std::uint32_t crc = 0;
  const std::string_view body = std::string_view(*bytes).substr(0, bytes->size() - sizeof crc);
  std::memcpy(&crc, bytes->data() + body.size(), sizeof crc);
  Encoded encoded;
  Unpacker in(body);
  std::uint64_t orders = 0, cost = 0;
  if (crc == crc_of(body)) in.get(orders);
  encoded.orders.resize(std::min<std::uint64_t>(orders, 2));
  for (EncodedOrder& order : encoded.orders) {
    in.get(order.sequences);
    in.get(order.features);
  }
  in.get(encoded.tokens);
  in.get(encoded.truncated);
  in.get(cost);
  if (orders == 0 || !in.done())
    return invalid(path_ + ": example " + std::to_string(place) +
                   " is damaged, expected what was written; remove the file");
  encoded.cost_tokens = cost;
  encoded.swap = encoded.orders.size() == 2 ? Swap::kAverage : Swap::kNone;
  return encoded;
}

}  // namespace preferd::training
