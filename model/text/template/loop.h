// The variable `loop` of a for loop.
#pragma once

#include <optional>

#include "model/text/template/objects.h"

namespace preferd::text::jinja {

class Loop : public Object {
 public:
  Loop(Value iterable, std::shared_ptr<Iterator> items)
      : iterable_(std::move(iterable)), items_(std::move(items)) {}

  // The next item of the loop, or missing. Looks at the one behind it only if the template asks for it.
  Value next(Rendering& r);
  std::int64_t length(Rendering& r);

  const char* type_name() const override { return "LoopContext"; }
  bool callable() const override { return true; }
  Value call(Rendering& r, Arguments arguments) override;
  Value attribute(Rendering& r, std::string_view name) override;
  Text repr(Rendering& r) override;
  void clear() override;

 private:
  const Value& peek(Rendering& r);
  Value cycle(Arguments arguments) const;
  Value changed(Rendering& r, Arguments arguments);

  Value iterable_;
  std::shared_ptr<Iterator> items_;
  std::int64_t index0_ = -1;
  std::optional<std::int64_t> length_;
  Value before_, current_, after_, last_changed_;
};

}  // namespace preferd::text::jinja
