// A process that has loaded libtorch and made one tensor, and nothing else: what startup.py and memory.py
// hold preferd against. Prints the most memory it held, in KiB.
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
