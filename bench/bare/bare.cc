// A process that has loaded libtorch and made one tensor, and nothing else: the baseline of startup.py and
// memory.py. Prints its peak memory in KiB.
#include <sys/resource.h>

#include <cstdio>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

int main() {
  at::set_num_threads(1);
  at::empty({1}, at::kFloat).data_ptr<float>()[0] = 1;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%ld\n", usage.ru_maxrss);
  return 0;
}
