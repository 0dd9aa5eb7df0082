#include "model/checkpoint/checkpoint_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/json.h"
#include "model/checkpoint/safetensors_writer.h"

namespace preferd::checkpoint {
namespace {

const SafetensorsMetadata kMetadata = {{"format", "pt"}};

struct Slot {
  SafetensorsEntry entry;
  PlannedTensor::Length length = PlannedTensor::Length::kShape;
  std::string late;  // the bytes of a kAtMost tensor
  std::size_t written = 0;
  bool done = false;
};

// Wider types first, quantization states last.
bool before(const Slot* a, const Slot* b) {
  const auto key = [](const Slot* s) {
    return std::tuple(s->length, -static_cast<int>(quant::size_of(s->entry.dtype)), s->entry.name);
  };
  return key(a) < key(b);
}

Error failed(const std::string& path, const char* what) {
  return invalid(path + ": cannot " + what + ": " + std::strerror(errno));
}

Status put(int file, const std::string& path, std::span<const std::byte> bytes, std::size_t at) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(path, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::size_t>(n);
  }
  return Ok{};
}

// Lays the slots one after the other; returns the header.
std::string lay_out(std::vector<Slot*>& slots, std::size_t room) {
  std::vector<SafetensorsEntry> entries;
  std::size_t at = 0;
  for (Slot* s : slots) {
    s->entry.begin = at;
    at += s->entry.bytes();
    entries.push_back(s->entry);
  }
  return safetensors_header(entries, kMetadata, room);
}

}  // namespace

struct CheckpointWriter::Shard {
  std::string file;
  std::vector<Slot*> slots;  // in the order of their bytes
  std::size_t header = 0;    // bytes kept for it
  std::size_t left = 0;      // tensors not yet written
  int descriptor = -1;
};

struct CheckpointWriter::State {
  std::string folder;
  std::vector<std::unique_ptr<Slot>> slots;
  std::vector<Shard> shards;
  std::map<std::string, std::pair<Slot*, Shard*>> by_name;
  std::size_t bytes = 0;
};

CheckpointWriter::CheckpointWriter(std::string folder, const std::vector<PlannedTensor>& plan,
                                   std::size_t shard_bytes)
    : state_(std::make_unique<State>()) {
  state_->folder = std::move(folder);
  std::size_t filled = 0;
  for (const PlannedTensor& p : plan) {
    state_->slots.push_back(
        std::make_unique<Slot>(Slot{{p.name, p.dtype, p.shape, 0}, p.length, {}, 0, false}));
    Slot* slot = state_->slots.back().get();
    const std::size_t size = slot->entry.bytes();
    if (state_->shards.empty() || (filled > 0 && filled + size > shard_bytes)) {
      state_->shards.emplace_back();
      filled = 0;
    }
    filled += size;
    state_->shards.back().slots.push_back(slot);
  }
  const std::size_t count = state_->shards.size();
  for (std::size_t i = 0; i < count; ++i) {
    Shard& shard = state_->shards[i];
    char name[64] = "model.safetensors";
    if (count > 1) std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, count);
    shard.file = name;
    shard.left = shard.slots.size();
    std::sort(shard.slots.begin(), shard.slots.end(), before);
    shard.header = lay_out(shard.slots, 0).size();
    for (Slot* slot : shard.slots)
      PREFERD_CHECK(state_->by_name.emplace(slot->entry.name, std::pair{slot, &shard}).second);
  }
}

CheckpointWriter::~CheckpointWriter() {
  for (const Shard& shard : state_->shards)
    if (shard.descriptor >= 0) ::close(shard.descriptor);
}

std::size_t CheckpointWriter::shards() const { return state_->shards.size(); }
std::size_t CheckpointWriter::bytes() const { return state_->bytes; }

Status CheckpointWriter::write(const std::string& name, std::span<const std::byte> bytes) {
  const auto found = state_->by_name.find(name);
  PREFERD_CHECK(found != state_->by_name.end());
  auto& [slot, shard] = found->second;
  PREFERD_CHECK(!slot->done && slot->written + bytes.size() <= slot->entry.bytes());
  const std::string path = state_->folder + "/" + shard->file;
  if (shard->descriptor < 0) {
    shard->descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (shard->descriptor < 0) return failed(path, "open for writing");
  }
  state_->bytes += bytes.size();
  if (slot->length == PlannedTensor::Length::kAtMost) {
    slot->late.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    slot->done = true;
  } else {
    const std::size_t at = shard->header + slot->entry.begin + slot->written;
    if (const Status s = put(shard->descriptor, path, bytes, at); !s) return s.error();
    slot->written += bytes.size();
    slot->done = slot->written == slot->entry.bytes();
  }
  if (!slot->done || --shard->left > 0) return Ok{};
  return complete(*shard);
}

Status CheckpointWriter::complete(Shard& shard) {
  const std::string path = state_->folder + "/" + shard.file;
  for (Slot* slot : shard.slots)
    if (slot->length == PlannedTensor::Length::kAtMost)
      slot->entry.shape = {static_cast<std::int64_t>(slot->late.size())};
  const std::string header = lay_out(shard.slots, shard.header);
  PREFERD_CHECK(header.size() == shard.header);
  if (const Status s = put(shard.descriptor, path, std::as_bytes(std::span(header)), 0); !s) return s.error();
  for (const Slot* slot : shard.slots)
    if (slot->length == PlannedTensor::Length::kAtMost)
      if (const Status s = put(shard.descriptor, path, std::as_bytes(std::span(slot->late)),
                               shard.header + slot->entry.begin);
          !s)
        return s.error();
  if (::fsync(shard.descriptor) != 0) return failed(path, "sync");
  if (::close(std::exchange(shard.descriptor, -1)) != 0) return failed(path, "close");
  return Ok{};
}

Status CheckpointWriter::finish() {
  for (const Shard& shard : state_->shards) PREFERD_CHECK(shard.left == 0);
  if (state_->shards.size() == 1) return Ok{};
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = state_->bytes;
  for (const auto& [name, place] : state_->by_name) index["weight_map"][name] = place.second->file;
  return write_file_atomically(state_->folder + "/model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace preferd::checkpoint
