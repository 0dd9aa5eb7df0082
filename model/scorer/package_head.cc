#include "model/scorer/package_head.h"

#include "model/package/head_tensors.h"

namespace preferd::scorer {

Result<layers::Head> make_head(const PairEncoder& encoder, const package::HeadSpec& spec,
                               checkpoint::TensorMap saved, const std::string& folder, std::int64_t width) {
  std::string where = folder.empty() ? encoder.package().name() : folder;
  if (spec.file && !saved.empty())
    return invalid(where + ": tensors not consumed, as package.json has head.file: " + saved.begin()->first);
  auto tensors = spec.file ? checkpoint::read_safetensors(encoder.package(), *spec.file)
                           : package::head_from_adapter(spec, std::move(saved), where);
  if (!tensors && spec.file) return invalid("package.json: head.file: " + tensors.error().what);
  if (!tensors) return tensors.error();
  if (spec.file) where = encoder.package().name() + "/" + *spec.file;
  return layers::Head::create(spec, width, encoder.columns(), std::move(*tensors), where);
}

}  // namespace preferd::scorer
