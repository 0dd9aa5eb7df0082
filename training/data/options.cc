#include "training/data/options.h"

#include <filesystem>

namespace preferd::training {

DataOptions DataOptions::resolved() const {
  DataOptions out = *this;
  for (auto* files : {&out.train, &out.valid, &out.teachers})
    for (std::string& file : *files) file = (std::filesystem::path(folder) / file).string();
  out.folder.clear();
  return out;
}

}  // namespace preferd::training
