// trainer: makes the packages that preferd serves.
#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("trainer %s\n", PREFERD_VERSION);
    return 0;
  }
  std::fputs(
      "trainer: this version cannot train yet; the embedded default was trained with the script in "
      "training/interim, and packages made with Hugging Face tools load as they are (docs/packages.md)\n",
      stderr);
  return 2;
}
