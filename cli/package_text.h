// What a package is made of, printed for people.
#pragma once

#include <string>

#include "model/scorer/inspect.h"

namespace preferd::cli {

void print_row(const char* name, const std::string& value);  // a line of such a description
void print_package(const PairEncoder& encoder, const Inspection& seen);
void print_tensors(const Inspection& seen);  // a table of all in files

}  // namespace preferd::cli
