// Values stored one after the other in a byte string, in the machine's own form: for files of this machine's
// work folder, never of a package. Strings and vectors are preceded by their size.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace preferd::training {

class Packer {
 public:
  template <class T>
  Packer& put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Packer& put(std::string_view text) {
    put(static_cast<std::uint64_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  Packer& put(const std::string& text) { return put(std::string_view(text)); }
  template <class T>
  Packer& put(const std::vector<T>& values) {
    put(static_cast<std::uint64_t>(values.size()));
    if constexpr (std::is_trivially_copyable_v<T>)
      bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    else
      for (const T& value : values) put(value);
    return *this;
  }

  const std::string& bytes() const { return bytes_; }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

// Reads what Packer wrote. If something does not fit, the value stays empty and ok() is false from then on.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  void get(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    value = T{};
    if (!has(1, sizeof(T))) return;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
  }
  void get(std::string& text) {
    const std::size_t size = count(1);
    text.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }
  template <class T>
  void get(std::vector<T>& values) {
    if constexpr (std::is_trivially_copyable_v<T>) {
      values.resize(count(sizeof(T)));
      if (!values.empty()) std::memcpy(values.data(), rest_.data(), values.size() * sizeof(T));
      rest_.remove_prefix(values.size() * sizeof(T));
    } else {
      values.resize(count(sizeof(std::uint64_t)));
      for (T& value : values) get(value);
    }
  }

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  bool has(std::uint64_t items, std::size_t size) { return ok_ = ok_ && items <= rest_.size() / size; }
  std::size_t count(std::size_t size) {
    std::uint64_t items = 0;
    get(items);
    return has(items, size) ? static_cast<std::size_t>(items) : 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace preferd::training
