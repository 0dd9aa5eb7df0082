// demo_events FOLDER: a run of ten steps that ended in its eighth and was resumed from its fifth.
#include <string>

#include "training/events/event_writer.h"

int main(int argc, char** argv) {
  using preferd::training::EventWriter;
  if (argc != 2) return 2;
  for (const auto& [first, end] : {std::pair{0, 8}, std::pair{5, 10}}) {
    auto writer = EventWriter::create(argv[1], first);
    if (!writer) return 1;
    for (int step = first; step < end; ++step)
      if (!writer->scalar("train/loss", step, first * 100 + step)) return 1;
    if (!writer->text("config", first,
                      "| key | value |\n|---|---|\n| r\xC3\xA9sum\xC3\xA9 | " + std::to_string(first) + " |"))
      return 1;
  }
  return 0;
}
