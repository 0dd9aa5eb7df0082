#include "model/text/template/rendering.h"

#include <algorithm>

namespace preferd::text::jinja {
namespace {

constexpr std::uint64_t kStepsBetweenLooks = 4096;

[[noreturn]] void too_large(const std::string& what, std::size_t limit) {
  throw Refusal{Code::kTooLarge, what + " grows past the limit of " + std::to_string(limit), 0};
}

bool above(std::size_t a, std::size_t b, std::size_t limit) { return b != 0 && a > limit / b; }

}  // namespace

Rendering::Rendering(const Limits& limits, const Date& today)
    : limits_(limits), today_(today), end_(std::chrono::steady_clock::now() + limits.time) {}

Rendering::~Rendering() {
  for (const auto& object : kept_) object->clear();
}

void Rendering::look() {
  if (steps_ > limits_.steps)
    throw Refusal{Code::kTooLarge, "the template takes more than " + std::to_string(limits_.steps) + " steps",
                  line};
  if (std::chrono::steady_clock::now() > end_)
    throw Refusal{Code::kDeadline,
                  "the template takes longer than " + std::to_string(limits_.time.count()) + " ms", line};
  next_look_ = std::min(steps_ + kStepsBetweenLooks, limits_.steps + 1);
}

void Rendering::check_text(std::size_t a, std::size_t b) const {
  if (above(a, b, limits_.text)) too_large("a string", limits_.text);
}

void Rendering::check_items(std::size_t a, std::size_t b) const {
  if (above(a, b, limits_.items)) too_large("a list", limits_.items);
}

void Rendering::check_depth(int depth) const {
  if (depth > limits_.depth) too_large("the nesting of values", static_cast<std::size_t>(limits_.depth));
}

Value Rendering::text(Text text) {
  check_text(text.size());
  spend(text.size() + 1);
  return text;
}

Value Rendering::list(std::vector<Value> items, List::Form form) {
  check_items(items.size());
  spend(items.size() + 1);
  std::shared_ptr<const List> made = make_list(std::move(items), form);
  check_depth(made->depth);
  return made;
}

Value Rendering::dict(std::vector<Pair> items) {
  check_items(items.size());
  spend(items.size() + 1);
  std::shared_ptr<const Dict> made = make_dict(std::move(items));
  check_depth(made->depth);
  return made;
}

std::shared_ptr<Object> Rendering::object(std::shared_ptr<Object> made, int depth_below) {
  made->depth = depth_below + 1;
  check_depth(made->depth);
  spend(1);
  return made;
}

void Rendering::keep(std::shared_ptr<Object> object) {
  spend(16);
  kept_.push_back(std::move(object));
}

void TextBuilder::add(char32_t c, Source source, std::size_t times) {
  room(times);
  out_.append(std::u32string(times, c), source);
}

Value TextBuilder::done() { return std::move(out_); }

Value TextBuilder::done_as(const Text& model) {
  out_.markup = model.markup;
  return done();
}

}  // namespace preferd::text::jinja
