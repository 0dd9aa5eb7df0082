// Outcome of a call that can fail for a reason the caller has to handle: a bad request, a bad file, a
// full queue. Broken invariants of our own use PREFERD_CHECK (base/check.h) instead.
//
//   Result<Manifest> m = read_manifest(files);
//   if (!m) return m.error();
//   use(*m);
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/words.h"

namespace preferd {

enum class Code {
  kInvalid,      // malformed or out of range: the sender has to change it
  kNotFound,     // a name that does not exist here
  kTooLarge,     // over a stated limit
  kOverloaded,   // try again later
  kDeadline,     // the time given was not enough
  kCancelled,    // the asker went away
  kUnavailable,  // loading or draining
  kEmptyInput,   // nothing to score: the template gives no token
  kNonFinite,    // the model gave NaN or infinity for this input
  kDevice,       // a GPU failed: on another one the same call may go well
  kChanged,      // a file changed while it was in use: what was read of it counts for nothing
  kInternal,     // our fault
};

// As replies over HTTP and lines of preferd score name them.
constexpr auto words(Code) {
  return word_list<Code>({{"invalid", Code::kInvalid},
                          {"not_found", Code::kNotFound},
                          {"too_large", Code::kTooLarge},
                          {"overloaded", Code::kOverloaded},
                          {"deadline_exceeded", Code::kDeadline},
                          {"cancelled", Code::kCancelled},
                          {"unavailable", Code::kUnavailable},
                          {"empty_input", Code::kEmptyInput},
                          {"non_finite", Code::kNonFinite},
                          {"device_failed", Code::kDevice},
                          {"package_changed", Code::kChanged},
                          {"internal", Code::kInternal}});
}

struct Error {
  Code code = Code::kInternal;
  std::string what;   // one sentence: the file, field or flag, what was found, what was expected
  std::string param;  // JSON path of the offending field where there is one: "items[2].swap"
};

inline Error invalid(std::string what, std::string param = {}) {
  return {Code::kInvalid, std::move(what), std::move(param)};
}

struct Ok {};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // `return value;`
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // `return invalid("...");`

  explicit operator bool() const { return state_.index() == 0; }

  T& operator*() & { return value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->value(); }

  const Error& error() const& {
    PREFERD_CHECK(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }

 private:
  T& value() {
    PREFERD_CHECK(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }

  std::variant<T, Error> state_;
};

using Status = Result<Ok>;

}  // namespace preferd
