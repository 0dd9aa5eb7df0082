// Checks which kernels each generation of GPUs gets, and what is said where there are none. PREFERD_GPU_KERNELS
// is set by this program itself. Exits nonzero if something is off.
#include <cstdlib>
#include <string>
#include <vector>

#include "model/kernels/cuda/hopper/attention.h"
#include "model/kernels/cuda/kernel_set.h"
#include "tests/cuda/attention_case.h"

namespace preferd::kernels::cuda {
namespace {

struct Case {
  Capability gpu;
  std::string want;  // the kernels' name, or words of the error
};

void check(const std::vector<Case>& cases) {
  for (const auto& [gpu, want] : cases) {
    const auto got = kernels_for(gpu);
    const std::string said = got ? word_of(*got) : got.error().what;
    report(got ? said == want : said.find(want) != std::string::npos,
           text("%d.%d: %s", gpu.major, gpu.minor, said.c_str()));
  }
}

int check_all(const std::string& asked) {
  if (asked == "ampere")
    check({{{7, 5}, "expected 8.0 or above"}, {{8, 0}, "ampere"}, {{9, 0}, "ampere"}});
  else if (asked == "hopper")
    check({{{8, 6}, "PREFERD_GPU_KERNELS is hopper, which needs 9.0"},
           {{9, 0}, hopper::kBuilt ? "hopper" : "no hopper kernels in this build"}});
  else if (asked == "volta")
    report(!gpu_kernels_as_asked() && gpu_kernels_as_asked().error().what ==
                                          "PREFERD_GPU_KERNELS: 'volta' is not one of ampere, hopper",
           "volta is refused by name");
  else
    check({{{7, 5}, "compute capability 7.5, expected 8.0 or above"},
           {{8, 0}, "ampere"},
           {{8, 6}, "ampere"},
           {{8, 9}, "ampere"},
           {{9, 0}, hopper::kBuilt ? "hopper" : "ampere"},
           {{10, 0}, "ampere"},
           {{12, 0}, "ampere"}});
  report(multiplies_fp8({9, 0}) && !multiplies_fp8({8, 9}) && !multiplies_fp8({12, 0}), "fp8 needs 9.0");
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace preferd::kernels::cuda

// Runs itself once for each value, since the variable is read once.
int main(int argc, char** argv) {
  if (argc > 1) return preferd::kernels::cuda::check_all(argv[1]);
  int failed = 0;
  for (const std::string value : {"", "ampere", "hopper", "volta"}) {
    setenv("PREFERD_GPU_KERNELS", value.c_str(), 1);
    failed += std::system((std::string(argv[0]) + " " + (value.empty() ? "none" : value)).c_str()) != 0;
  }
  std::printf("%d failed\n", failed);
  return failed;
}
