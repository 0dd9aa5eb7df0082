// A package as a run starts from it, over a fixture's base, in a folder of its own; removed with the object.
#pragma once

#include <gtest/gtest.h>

#include "tests/support/package_copy.h"
#include "training/model/package_writer.h"
#include "training/model/trainable_model.h"

namespace preferd::training {

// Of a fixture package: its package.json, without what training makes.
inline TrainConfig config_of(const std::string& fixture, Method method) {
  const std::string folder = testing_support::kPackages + fixture;
  TrainConfig config;
  config.method = method;
  config.adapter.r = 4;
  config.package = *parse_json(testing_support::read_text(folder + "/package.json"));
  for (const char* made : {"adapter", "adapters", "golden", "calibration"}) config.package.erase(made);
  config.package["head"].erase("file");
  config.package["base"]["path"] = folder + "/base";
  if (fixture.starts_with("deberta")) config.adapter.targets = {"query_proj", "key_proj", "dense"};
  if (fixture.starts_with("modernbert")) config.adapter.targets = {"Wqkv", "Wo", "Wi"};
  return config;
}

class StartPackage {
 public:
  StartPackage() : root_(testing::TempDir() + "/preferd_start_" + std::to_string(getpid())) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~StartPackage() { std::filesystem::remove_all(root_); }
  StartPackage(const StartPackage&) = delete;
  StartPackage& operator=(const StartPackage&) = delete;

  std::string path(const std::string& name) const { return root_ + "/" + name; }

  // Writes start/ with fresh tensors.
  void make(const TrainConfig& config, const std::string& features = {}) {
    const auto json = package_json(config);
    ASSERT_TRUE(json) << json.error().what;
    form.json = *json;
    form.features = features;
    if (config.method == Method::kFull) form.stored_base = StoredBase::kTrained;
    const auto manifest = package::parse_manifest(form.json);
    ASSERT_TRUE(manifest) << manifest.error().what;
    const auto base = package::open_base(manifest->base_path);
    ASSERT_TRUE(base) << base.error().what;
    const auto shape = scorer::model_shape(*manifest, **base);
    ASSERT_TRUE(shape) << shape.error().what;
    form.weight_prefix = shape->prefix;
    if (config.method == Method::kLora)
      form.adapter_config = adapter_config(config.adapter, manifest->base_path, *shape);
    const auto tensors = initial_tensors(config, *manifest, *shape);
    ASSERT_TRUE(tensors) << tensors.error().what;
    PackageForm here = form;
    here.stored_base = StoredBase::kNone;
    const auto written = write_package(path("start"), here, *tensors);
    ASSERT_TRUE(written) << written.error().what;
    const auto opened = scorer::PairEncoder::open(*open_directory(path("start")));
    ASSERT_TRUE(opened) << opened.error().what;
    encoder = *opened;
  }

  PackageForm form;
  std::shared_ptr<const scorer::PairEncoder> encoder;

 private:
  std::string root_;
};

}  // namespace preferd::training
