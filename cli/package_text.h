// What a package is made of, printed for people.
#pragma once

#include <string>

#include "model/scorer/inspect.h"

namespace preferd::cli {

void print_row(const char* name, const std::string& value);  // a line of such a description
void print_package(const scorer::PairEncoder& encoder, const scorer::Inspection& seen);
void print_tensors(const scorer::Inspection& seen);  // a table of all in files

}  // namespace preferd::cli
