#include "model/scorer/adapter_files.h"

#include "base/check.h"

namespace preferd::scorer {

Result<AdapterFiles> read_adapter(const PairEncoder& encoder, const ModelShape& shape,
                                  const package::AdapterSpec& spec) {
  PREFERD_CHECK(spec.path.has_value());
  const auto folder = encoder.package().folder(*spec.path);
  if (!folder) return invalid("package.json: adapter.path: " + folder.error().what);
  std::string wrapper = shape.prefix;
  if (!wrapper.empty()) wrapper.pop_back();  // the dot
  auto peft = checkpoint::read_peft(**folder, shape.tensors, wrapper,
                                    package::traits(spec.head.output).reads_lm_head()
                                        ? checkpoint::Wrapping::kCausalLm
                                        : checkpoint::Wrapping::kBody);
  if (!peft) return peft.error();
  return AdapterFiles{std::move(*peft), (*folder)->name()};
}

}  // namespace preferd::scorer
