// package.json of any format: the file, and how it is read (base/object_reader.h).
#pragma once

#include <string>

#include "base/files.h"
#include "base/object_reader.h"
#include "base/result.h"

namespace preferd::package {

// "package.json: package.head.output is 'x', expected one of sigmoid_b, ..."
class ManifestVoice : public ReaderVoice {
 public:
  ManifestVoice() { wording = {.range = " in ", .to = ".."}; }
  Error failed(const std::string& what) const override { return invalid("package.json: " + what); }
};

// Errors: absent, unreadable, no JSON object.
struct ManifestFile {
  Json json;
  std::string digest;  // SHA-256, hexadecimal
};
Result<ManifestFile> read_manifest_file(const Files& package);

}  // namespace preferd::package
