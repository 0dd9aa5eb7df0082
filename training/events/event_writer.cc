#include "training/events/event_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "training/events/crc32c.h"

namespace preferd::training {
namespace {

// Fields of Event, SessionLog, Summary, Summary.Value, SummaryMetadata, PluginData, TensorProto and its
// shape.
enum EventField { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
enum SessionLogField { kStatus = 1 };
enum SummaryField { kValue = 1 };
enum ValueField { kTag = 1, kSimpleValue = 2, kTensor = 8, kMetadata = 9 };
enum MetadataField { kPluginData = 1 };
enum PluginField { kPluginName = 1 };
enum TensorField { kDtype = 1, kShape = 2, kStringValue = 8 };
enum ShapeField { kDimension = 2 };
enum DimensionField { kSize = 1 };

constexpr std::uint64_t kSessionStart = 1, kDtypeString = 7;
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

class Message {
 public:
  Message& number(int field, std::uint64_t value) {
    key(field, kVarint);
    varint(value);
    return *this;
  }
  Message& real(int field, double value) {
    key(field, kFixed64);
    return fixed(std::bit_cast<std::uint64_t>(value));
  }
  Message& real(int field, float value) {
    key(field, kFixed32);
    return fixed(std::bit_cast<std::uint32_t>(value));
  }
  Message& bytes(int field, std::string_view value) {
    key(field, kBytes);
    varint(value.size());
    out_.append(value);
    return *this;
  }
  Message& message(int field, const Message& inner) { return bytes(field, inner.out_); }

  template <class T>
  Message& fixed(T word) {
    for (std::size_t i = 0; i < sizeof word; ++i) out_ += static_cast<char>(word >> (8 * i) & 0xff);
    return *this;
  }

  const std::string& out() const { return out_; }

 private:
  void key(int field, WireType type) { varint(static_cast<std::uint64_t>(field) << 3 | type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>((value & 0x7f) | 0x80);
    out_ += static_cast<char>(value);
  }

  std::string out_;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Message event(std::int64_t step) {
  Message out;
  out.real(kWallTime, seconds());
  if (step != 0) out.number(kStep, static_cast<std::uint64_t>(step));
  return out;
}

std::string host() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

}  // namespace

EventWriter::EventWriter(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

EventWriter::EventWriter(EventWriter&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

EventWriter& EventWriter::operator=(EventWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

EventWriter::~EventWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<EventWriter> EventWriter::create(const std::string& folder, std::int64_t first_step) {
  std::error_code ec;
  std::filesystem::create_directories(folder, ec);
  if (ec) return invalid(folder + ": cannot create the folder: " + ec.message());
  char second[24];
  std::snprintf(second, sizeof second, "%010lld", static_cast<long long>(seconds()));
  const std::string stem =
      folder + "/events.out.tfevents." + second + "." + host() + "." + std::to_string(::getpid()) + ".";
  std::string path;
  int descriptor = -1;
  for (int number = 0; descriptor < 0; ++number) {
    path = stem + std::to_string(number);
    descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor < 0 && errno != EEXIST) return invalid(path + ": cannot create: " + std::strerror(errno));
  }
  EventWriter writer(std::move(path), descriptor);
  if (const Status s = writer.write(event(0).bytes(kFileVersion, "brain.Event:2").out()); !s)
    return s.error();
  if (first_step > 0) {
    const Message start = event(first_step).message(kSessionLog, Message().number(kStatus, kSessionStart));
    if (const Status s = writer.write(start.out()); !s) return s.error();
  }
  return writer;
}

Status EventWriter::scalar(std::string_view tag, std::int64_t step, double value) {
  Message point;
  point.bytes(kTag, tag).real(kSimpleValue, static_cast<float>(value));
  return write(event(step).message(kSummary, Message().message(kValue, point)).out());
}

Status EventWriter::text(std::string_view tag, std::int64_t step, std::string_view markdown) {
  const Message shape = Message().message(kDimension, Message().number(kSize, 1));
  const Message tensor =
      Message().number(kDtype, kDtypeString).message(kShape, shape).bytes(kStringValue, markdown);
  const Message metadata = Message().message(kPluginData, Message().bytes(kPluginName, "text"));
  const Message value = Message().bytes(kTag, tag).message(kTensor, tensor).message(kMetadata, metadata);
  return write(event(step).message(kSummary, Message().message(kValue, value)).out());
}

Status EventWriter::write(std::string_view event) {
  const std::string length = Message().fixed(static_cast<std::uint64_t>(event.size())).out();
  std::string frame = length;
  frame += Message().fixed(masked_crc32c(length)).out();
  frame += event;
  frame += Message().fixed(masked_crc32c(event)).out();
  std::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(descriptor_, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return invalid(path_ + ": cannot write: " + std::strerror(errno));
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return Ok{};
}

}  // namespace preferd::training
