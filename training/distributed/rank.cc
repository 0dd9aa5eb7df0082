#include <optional>

#include "base/numbers.h"
#include "training/distributed/group.h"

namespace preferd::training {
namespace {

constexpr int kDefaultPort = 29500;

class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  std::optional<std::string> text(const std::string& name) const {
    const auto it = environment_.find(name);
    if (it == environment_.end() || it->second.empty()) return std::nullopt;
    return it->second;
  }

  // A number in [low, high]; the first failure is kept.
  int number(const std::string& name, int low, int high, std::optional<int> otherwise = std::nullopt) {
    const auto found = text(name);
    if (!found && otherwise) return *otherwise;
    const auto value = found ? parse_number<int>(*found) : std::nullopt;
    if (value && *value >= low && *value <= high) return *value;
    if (!failure)
      failure = invalid("variable " + name + " is " + (found ? "'" + *found + "'" : "missing") +
                        ", expected a number from " + std::to_string(low) + " to " + std::to_string(high));
    return low;
  }

  std::optional<Error> failure;

 private:
  const Environment& environment_;
};

}  // namespace

std::string first_slurm_node(const std::string& list) {
  std::string node;
  for (std::size_t i = 0; i < list.size() && list[i] != ',';) {
    if (list[i] != '[') {
      node += list[i++];
      continue;
    }
    const std::size_t end = list.find_first_of(",-]", i);
    node += list.substr(i + 1, end - i - 1);
    i = list.find(']', i);
    if (i != std::string::npos) ++i;
  }
  return node;
}

Result<Rank> find_rank(const Environment& environment) {
  constexpr int kMost = 1 << 20, kPorts = 65535;
  Variables v(environment);
  Rank self;
  if (v.text("WORLD_SIZE") || v.text("RANK")) {
    self.size = v.number("WORLD_SIZE", 1, kMost);
    self.rank = v.number("RANK", 0, self.size - 1);
    self.local_rank = v.number("LOCAL_RANK", 0, kMost, self.rank);
    if (self.size > 1) {
      self.address = v.text("MASTER_ADDR").value_or("");
      self.port = v.number("MASTER_PORT", 1, kPorts);
      if (self.address.empty() && !v.failure)
        v.failure = invalid("variable MASTER_ADDR is missing, expected the address of rank 0");
      if (v.text("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True")
        self.port = self.port < kPorts ? self.port + 1 : kPorts - 1;
    }
  } else if (v.text("SLURM_NTASKS") && v.text("SLURM_PROCID")) {
    self.size = v.number("SLURM_NTASKS", 1, kMost);
    self.rank = v.number("SLURM_PROCID", 0, self.size - 1);
    self.local_rank = v.number("SLURM_LOCALID", 0, kMost, 0);
    self.port = v.number("MASTER_PORT", 1, kPorts, kDefaultPort);
    self.address =
        v.text("MASTER_ADDR").value_or(first_slurm_node(v.text("SLURM_JOB_NODELIST").value_or("")));
    if (self.size > 1 && self.address.empty() && !v.failure)
      v.failure =
          invalid("variables SLURM_JOB_NODELIST and MASTER_ADDR are missing, expected the address of rank 0");
  }
  if (v.failure) return *v.failure;
  return self;
}

}  // namespace preferd::training
