// What one rendering of a template may spend, and the only makers of texts and containers while it runs: nothing grows
// past a limit because nothing is made elsewhere.
//
// The unit of work is a step: a node of the template that is evaluated, an item that is iterated over, a code point
// that is copied or searched. Steps bound memory and time alike on every machine; the clock, read every few thousand
// steps, bounds time on a slow one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/template/refusal.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

struct Limits {
  std::size_t output = std::size_t{1} << 20;  // bytes of the whole result
  std::chrono::milliseconds time{100};
  std::uint64_t steps = 20'000'000;
  std::size_t text = std::size_t{1} << 20;   // code points of any string
  std::size_t items = std::size_t{1} << 17;  // of any list or dict
  std::int64_t range = 100'000;              // of range(), as the sandbox of jinja2 has it
  int depth = 100;     // of lists in lists, of iterators over iterators, of printed namespaces
  int nesting = 1000;  // of nodes in evaluation, macros in macros included
};

// A day, for strftime_now(). The clock is never read.
struct Date {
  int year = 1970, month = 1, day = 1;
};

class Rendering {
 public:
  Rendering(const Limits& limits, const Date& today);
  ~Rendering();
  Rendering(const Rendering&) = delete;
  Rendering& operator=(const Rendering&) = delete;

  void spend(std::size_t steps) {
    steps_ += steps;
    if (steps_ >= next_look_) look();
  }

  Value text(Text text);  // within the limits on texts
  Value list(std::vector<Value> items, List::Form form = List::Form::kList);
  Value tuple(std::vector<Value> items) { return list(std::move(items), List::Form::kTuple); }
  Value dict(std::vector<Pair> items);
  // An object over others of this depth.
  std::shared_ptr<Object> object(std::shared_ptr<Object> made, int depth_below);
  // Keeps what can change until the end, then clears it, so that cycles end with the rendering.
  void keep(std::shared_ptr<Object> object);

  // Requires product == a * b without overflow to be at most the limit: refuses before memory is spent.
  void check_text(std::size_t a, std::size_t b = 1) const;
  void check_items(std::size_t a, std::size_t b = 1) const;
  void check_depth(int depth) const;

  const Limits& limits() const { return limits_; }
  const Date& today() const { return today_; }

  int line = 1;     // of the template, where evaluation is
  int nesting = 0;  // of nodes in evaluation

 private:
  void look();

  const Limits& limits_;
  const Date today_;
  std::uint64_t steps_ = 0, next_look_ = 0;
  std::chrono::steady_clock::time_point end_;
  std::vector<std::shared_ptr<Object>> kept_;
};

// A text in the making, within the limits.
class TextBuilder {
 public:
  explicit TextBuilder(Rendering& r) : r_(r) {}

  void add(const Text& text) { add(text, 0, text.size()); }
  void add(const Text& text, std::size_t begin, std::size_t end) {
    room(end - begin);
    out_.append(text, begin, end);
  }
  void add(char32_t c, Source source, std::size_t times = 1);
  void add(std::u32string_view chars, Source source) {
    room(chars.size());
    out_.append(chars, source);
  }
  void add(std::string_view ascii, Source source = kTemplate) { add(to_utf32(ascii), source); }

  std::size_t size() const { return out_.size(); }
  Value done();
  Value done_as(const Text& model);  // markup if the model is
  Text take() { return std::move(out_); }

 private:
  void room(std::size_t more) {
    r_.check_text(out_.size() + more);
    r_.spend(more + 1);
  }

  Rendering& r_;
  Text out_;
};

}  // namespace preferd::text::jinja
