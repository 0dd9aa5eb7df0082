#include "training/run/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

#include "base/atomic_file.h"
#include "base/json.h"
#include "model/checkpoint/safetensors_writer.h"

namespace preferd::training {
namespace {

namespace fs = std::filesystem;
constexpr const char* kPrefix = "step-";
constexpr const char* kFormat = "preferd-checkpoint/1";

// Calls f(name, tensor) for every tensor of the optimizer.
template <class F>
void each_tensor(AdamW& optimizer, F f) {
  for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
    const Parameter& p = optimizer.parameters()[i];
    f("weight/" + p.name, p.tensor);
    f("first/" + p.name, optimizer.moments()[i].first);
    f("second/" + p.name, optimizer.moments()[i].second);
    if (optimizer.average() != nullptr) f("average/" + p.name, optimizer.average()->tensors()[i]);
  }
}

quant::DType dtype_of(const at::Tensor& t) {
  return t.scalar_type() == at::kDouble ? quant::DType::kF64 : quant::DType::kF32;
}

std::vector<std::string> sorted_folders(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && name.starts_with(kPrefix) && !name.ends_with(".part")) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string to_json(const RunState& s, std::int64_t optimizer_steps) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().member("format", kFormat).member("step", s.step);
  json.member("optimizer_steps", optimizer_steps).member("tokens", s.tokens).member("seconds", s.seconds);
  json.member("best_log_loss", s.best_log_loss).member("best_step", s.best_step);
  json.member("evaluations_without_gain", s.evaluations_without_gain);
  json.member("evaluated_step", s.evaluated_step);
  json.member("metrics_bytes", s.metrics_bytes).member("identity", s.identity).end_object();
  return text + "\n";
}

Result<RunState> read_state(const Files& files, const std::string& folder, AdamW& optimizer) {
  const auto bytes = files.open("state.json");
  if (!bytes) return bytes.error();
  const auto json = parse_json(bytes->text());
  if (!json) return invalid(folder + "/state.json: " + json.error().what);
  if (!json->is_object() || json->value("format", Json()) != kFormat)
    return invalid(folder + "/state.json: format is not " + kFormat);
  auto tensors = checkpoint::read_safetensors(files, "state.safetensors");
  if (!tensors) return tensors.error();

  std::string wrong;
  const at::NoGradGuard no_grad;
  each_tensor(optimizer, [&](const std::string& key, at::Tensor t) {
    const auto it = tensors->find(key);
    if (it == tensors->end() || it->second.shape != t.sizes().vec() || it->second.dtype != dtype_of(t)) {
      if (wrong.empty()) wrong = key;
      return;
    }
    at::Tensor host = t.device().is_cpu() ? t : t.cpu();
    std::memcpy(host.data_ptr(), it->second.bytes.data(), it->second.bytes.size());
    if (!t.device().is_cpu()) t.copy_(host);
    tensors->erase(it);
  });
  if (wrong.empty() && !tensors->empty()) wrong = tensors->begin()->first;
  if (!wrong.empty())
    return invalid(folder + "/state.safetensors: tensor " + wrong + " differs from the one in this run");
  RunState s;
  try {
    const Json& j = *json;
    s.step = j.at("step");
    s.tokens = j.at("tokens");
    s.seconds = j.at("seconds");
    if (!j.at("best_log_loss").is_null()) s.best_log_loss = j.at("best_log_loss");
    s.best_step = j.at("best_step");
    s.evaluations_without_gain = j.at("evaluations_without_gain");
    s.evaluated_step = j.value("evaluated_step", s.step);
    s.metrics_bytes = j.at("metrics_bytes");
    s.identity = j.at("identity");
    optimizer.set_steps(j.at("optimizer_steps"));
  } catch (const Json::exception& e) {
    return invalid(folder + "/state.json: " + e.what());
  }
  return s;
}

}  // namespace

std::uint64_t Checkpoints::size_of(AdamW& optimizer) {
  const std::uint64_t copies = optimizer.average() == nullptr ? 3 : 4;
  std::uint64_t bytes = 4096;
  for (const Parameter& p : optimizer.parameters())
    bytes += copies * static_cast<std::uint64_t>(p.tensor.numel()) * p.tensor.element_size();
  return bytes;
}

Status Checkpoints::save(const RunState& state, AdamW& optimizer) const {
  char name[32];
  std::snprintf(name, sizeof name, "%s%08lld", kPrefix, static_cast<long long>(state.step));
  auto folder = AtomicFolder::create(folder_ + "/" + name);
  if (!folder) return folder.error();
  checkpoint::TensorMap tensors;
  each_tensor(optimizer, [&](const std::string& key, const at::Tensor& t) {
    auto owner = std::make_shared<at::Tensor>(t.detach().to(at::kCPU).contiguous());
    const auto* bytes = static_cast<const std::byte*>(owner->data_ptr());
    tensors[key] = {dtype_of(t), t.sizes().vec(), {bytes, owner->nbytes()}, owner};
  });
  if (const Status s = folder->write("state.safetensors", checkpoint::safetensors_text(tensors)); !s)
    return s;
  if (const Status s = folder->write("state.json", to_json(state, optimizer.steps())); !s) return s;
  if (const Status s = folder->commit(); !s) return s;
  const auto all = sorted_folders(folder_);
  std::error_code ec;
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep_) < all.size(); ++i)
    fs::remove_all(folder_ + "/" + all[i], ec);
  return Ok{};
}

std::optional<std::string> Checkpoints::newest() const {
  const auto all = sorted_folders(folder_);
  if (all.empty()) return std::nullopt;
  return folder_ + "/" + all.back();
}

Result<RunState> Checkpoints::load(const std::string& folder, AdamW& optimizer) {
  const auto files = open_directory(folder);
  if (!files) return files.error();
  return if_intact(**files, read_state(**files, folder, optimizer));
}

}  // namespace preferd::training
