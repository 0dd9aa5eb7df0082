// TensorBoard event files: scalars and texts by step.
//
// A file is a sequence of TFRecord frames (length, CRC, bytes, CRC; little-endian), each an Event message of
// tensorflow/core/util/event.proto, of which five fields are written. They are written by hand: libtorch
// brings a protobuf of its own, and two of them in one process are known to clash.
//
// One thread. A process that goes on with a run makes a new file beside the old ones; what they hold at and
// after its first step is void, and TensorBoard is told so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace preferd::training {

class EventWriter {
 public:
  // Creates `folder` where it is missing, and in it "events.out.tfevents.SECONDS.HOST.PID.NUMBER".
  // first_step: of the steps that this process will write; 0 when nothing was written before.
  static Result<EventWriter> create(const std::string& folder, std::int64_t first_step);

  EventWriter(EventWriter&& other) noexcept;
  EventWriter& operator=(EventWriter&& other) noexcept;
  ~EventWriter();

  const std::string& path() const { return path_; }

  // Each is in the file when the call returns, so that a process which is killed loses none. NaN and infinity
  // are values too. Tags are paths ("train/loss"); texts are Markdown. Both valid UTF-8. Errors: cannot
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
