// A source that changes while it is made into something else: an error that says so, and nothing is made.
#include "model/convert/merge.h"
#include "model/convert/quantize.h"
#include "tests/support/package_copy.h"

namespace preferd::convert {
namespace {

namespace fs = std::filesystem;
using testing_support::PackageCopy;

enum class How { kNot, kWrittenTo, kCut };

void change(const std::string& path, How how) {
  if (how == How::kCut) fs::resize_file(path, 100);
  if (how == How::kWrittenTo)
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end) << 'x';
}

// `make` with the progress that it is to call, after whose first report the file changes.
template <class Make>
void expect_told(const std::string& file, Make make) {
  install_bus_guard();
  const std::string told = fs::canonical(file).string() + " changed while it was in use";
  for (const How how : {How::kNot, How::kWrittenTo, How::kCut}) {
    const std::string before = testing_support::read_text(file);
    std::size_t reports = 0;
    const auto made = make([&](std::size_t, std::size_t) {
      if (reports++ == 0) change(file, how);
    });
    EXPECT_GT(reports, 0);
    EXPECT_EQ(static_cast<bool>(made), how == How::kNot);
    if (!made) {
      EXPECT_EQ(made.error().code, Code::kChanged) << made.error().what;
      EXPECT_NE(made.error().what.find(told), std::string::npos) << made.error().what;
    }
    fs::remove(file);
    std::ofstream(file, std::ios::binary) << before;
  }
}

AtomicFolder new_folder(const PackageCopy& beside) { return *AtomicFolder::create_new(beside.path("made")); }

TEST(ChangedSourceTest, QuantizeSaysSo) {
  const PackageCopy package("dense");
  QuantizeOptions options;
  options.form.scheme = checkpoint::Quantization::Scheme::kNf4;
  expect_told(package.path("base/model.safetensors"), [&](const ByteProgress& progress) {
    AtomicFolder folder = new_folder(package);
    return quantize_checkpoint(package.path("base"), options, folder, progress);
  });
}

TEST(ChangedSourceTest, MergeSaysSo) {
  const PackageCopy package("lora");
  package.edit("package.json", [](Json& j) { j.erase("quantization"); });
  package.edit("package.json", [](Json& j) { j.erase("golden"); });
  MergeOptions options;
  for (const char* file : {"base/model.safetensors", "adapter/adapter_model.safetensors"})
    expect_told(package.path(file), [&](const ByteProgress& progress) {
      AtomicFolder folder = new_folder(package);
      return merge_package(package.path(), options, folder, progress);
    });
}

}  // namespace
}  // namespace preferd::convert
