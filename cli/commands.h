// The commands of `preferd`. Each takes its arguments without program and command name, and returns the exit
// code: 0 done, 1 failed while running (a refused package too), 2 bad usage or configuration, 3 rows failed.
#pragma once

#include <string>
#include <vector>

namespace preferd::cli {

using Arguments = std::vector<std::string>;

int serve(const Arguments& arguments);
int health(const Arguments& arguments);
int score(const Arguments& arguments);
int compare(const Arguments& arguments);
int inspect(const Arguments& arguments);
int quantize(const Arguments& arguments);
int pack(const Arguments& arguments);
int merge(const Arguments& arguments);

}  // namespace preferd::cli
