// TensorBoard event files: scalars and texts by step.
//
// A file is a sequence of TFRecord frames (length, CRC, bytes, CRC; little-endian), each with an Event
// message of tensorflow/core/util/event.proto, of which five fields are written. They are written by hand
// because libtorch has a protobuf of its own, and two of them in one process are known to clash.
//
// One thread. A process that continues a run makes a new file beside the old ones; a session-log event tells
// TensorBoard to ignore what the old files hold at and after the new file's first step.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace preferd::training {

class EventWriter {
 public:
  // Creates `folder` if it is missing, and in it "events.out.tfevents.SECONDS.HOST.PID.NUMBER". first_step:
  // the first step that this process will write; 0 if nothing was written before.
  static Result<EventWriter> create(const std::string& folder, std::int64_t first_step);

  EventWriter(EventWriter&& other) noexcept;
  EventWriter& operator=(EventWriter&& other) noexcept;
  ~EventWriter();

  const std::string& path() const { return path_; }

  // Each is in the file when the call returns, so a process that is killed loses none. NaN and infinity are
  // valid values. Tags are paths ("train/loss"); texts are Markdown. Both must be valid UTF-8. Errors: cannot
  // write.
  Status scalar(std::string_view tag, std::int64_t step, double value);
  Status text(std::string_view tag, std::int64_t step, std::string_view markdown);

 private:
  EventWriter(std::string path, int descriptor);
  Status write(std::string_view event);

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace preferd::training
