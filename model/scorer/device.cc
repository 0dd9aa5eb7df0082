#include "model/scorer/device.h"

#include <algorithm>
#include <charconv>

#include "model/backend/cuda/gpu.h"

namespace preferd::scorer {
namespace {

Error wrong(std::string_view text) {
  return invalid("device is '" + std::string(text) +
                 "', expected cpu, cuda, cuda:N, several of these as cuda:0,cuda:1, or cuda:all");
}

Result<Device> parse_device(std::string_view text) {
  if (text == "cpu") return Device{};
  if (text == "cuda") return Device{Device::Kind::kCuda, 0};
  constexpr std::string_view kPrefix = "cuda:";
  if (!text.starts_with(kPrefix)) return wrong(text);
  Device device{Device::Kind::kCuda, 0};
  const std::string_view number = text.substr(kPrefix.size());
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), device.index);
  if (error != std::errc() || end != number.data() + number.size() || device.index < 0) return wrong(text);
  return device;
}

}  // namespace

std::string name_of(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

int gpu_count() { return backend::cuda::device_count(); }

Result<std::vector<Device>> parse_devices(std::string_view text) {
  std::vector<Device> devices;
  if (text == "cuda:all") {
    for (int i = 0; i < gpu_count(); ++i) devices.push_back({Device::Kind::kCuda, i});
    if (devices.empty()) return invalid("device is cuda:all, this build or machine has no GPU");
    return devices;
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto device = parse_device(text.substr(begin, end - begin));
    if (!device) return device.error();
    if (std::find(devices.begin(), devices.end(), *device) != devices.end())
      return invalid("device names " + name_of(*device) + " twice");
    devices.push_back(*device);
    begin = end + 1;
  }
  const auto on_cpu = [](const Device& d) { return d.kind == Device::Kind::kCpu; };
  if (devices.size() > 1 && std::any_of(devices.begin(), devices.end(), on_cpu))
    return invalid("device is '" + std::string(text) + "', expected either cpu or GPUs");
  return devices;
}

}  // namespace preferd::scorer
