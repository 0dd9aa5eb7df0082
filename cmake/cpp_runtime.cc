// A program that needs the C++ runtime (cpp_runtime.cmake).
#include <iostream>
#include <stdexcept>
#include <string>

int main(int argc, char** argv) {
  try {
    if (argc > 1) throw std::runtime_error(argv[1]);
  } catch (const std::exception& e) {
    std::cout << std::string(e.what()) << '\n';
  }
}
