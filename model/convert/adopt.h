// A directory that people publish or train with Hugging Face's tools as a package of ours: its head found,
// its chat template and tokens told, its traps noted.
//
//   DIR with a head among its own tensors      LlamaForSequenceClassification and the reward classes
//   DIR with adapter_config.json               a PEFT adapter over a base, with its head in the adapter, in
//                                              value_head.safetensors beside it, or in the base
//
// The outcome is a package.json and a few small files. It is written beside nothing else (the base is
// referred to), or served from memory as it is.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/result.h"
#include "base/words.h"
#include "model/convert/published_head.h"

namespace preferd::convert {

// What is done about "mean" and "std" of a config.json, as OpenRLHF writes them.
enum class RewardScale { kRaw, kNormalized };

struct AdoptOptions {
  std::string directory;
  std::string base;  // of an adapter; empty: base_model_name_or_path, if that is a directory here
  std::string name;  // empty: the directory's last part
  // Text with {prompt} and {response}, or {prompt}, {response_a} and {response_b}; a chat template in Jinja;
  // empty: the directory's own chat template.
  std::string input_template;
  std::string date;    // YYYY-MM-DD, of templates that write one; empty: kAdoptedDate
  int max_tokens = 0;  // 0: what config.json and the tokenizer allow, at most kAdoptedTokens
  RewardScale scale = RewardScale::kRaw;
  std::vector<std::string> tokens;  // one or two, whose logits are the reward (token_head.h); empty: a head
};

inline constexpr const char* kAdoptedDate = "2024-07-26";
inline constexpr int kAdoptedTokens = 32768;

struct Adopted {
  OrderedJson manifest;                      // base.path is absolute
  std::map<std::string, std::string> files;  // made: path in the package -> contents
  std::string base, adapter;                 // directories; adapter: or empty
  std::vector<std::string> notes;            // what has misled people, and how it was settled
};

// Reads no weights but the head's. Errors: what is missing, ambiguous or not supported, in one sentence.
Result<Adopted> adopt(const AdoptOptions& options);

// As a package that lives in memory; the adapter's files are read where they are.
Result<std::shared_ptr<const Files>> adopted_files(const Adopted& adopted);

// Accounts for every tensor, as loading would, and tokenizes a pair. Returns further notes.
Result<std::vector<std::string>> check_adopted(const std::shared_ptr<const Files>& package);

enum class AdoptedBase { kReferred, kCopied };
Status write_adopted(const Adopted& adopted, AdoptedBase base, AtomicFolder& folder);

// `path` as a package: its own files, or, where it has no package.json but a config.json or
// adapter_config.json, what adopt() makes of it with the defaults. `notes` are added to.
Result<std::shared_ptr<const Files>> open_package_or_adopt(const std::string& path,
                                                           std::vector<std::string>& notes);

}  // namespace preferd::convert
