// From a TOML file to a typed configuration.
//
//   [defaults]            what every run has
//   [runs.NAME]           what run NAME has instead; tables are merged key by key, arrays replaced whole
//   key=value             on the command line, over both: optimizer.lr=1e-4, data.train='["a.jsonl"]';
//                         data=a.jsonl is the same as the latter
//
// What [package] and [adapter] leave out is the start's (start.h) or made for the base (reward_model.h). A file without [defaults] and [runs] is
// one run. Errors, all kInvalid: an unreadable file, no TOML, an unknown run (with the names there are), an
// unknown key (with the keys there are; before anything else that is wrong), a wrong type, a value out of
// range, a start that cannot be or that a key contradicts.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "training/config/config.h"

namespace preferd::training {

// `path` empty: the arguments are all there is. `run` empty: the only run there is, or the defaults alone.
Result<TrainConfig> load_config(const std::string& path, const std::string& run,
                                const std::vector<std::string>& overrides);

// What load_config() gives, as TOML with a comment to each key that says where its value comes from:
// "default", "start NAME", "FILE", "FILE: [runs.NAME]", "argument KEY=VALUE"; several of them where they made
// a table together.
Result<std::string> config_with_origins(const std::string& path, const std::string& run,
                                        const std::vector<std::string>& overrides);

// The whole configuration as TOML that load_config() reads back to the same.
std::string to_toml(const TrainConfig& config);

// Every key with its default and meaning, for --help.
std::string config_help();

}  // namespace preferd::training
