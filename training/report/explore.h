// explore.html: what is in a set of labelled pairs, before anything is trained on it.
#pragma once

#include <cstdint>
#include <string>

#include "training/data/explore.h"
#include "training/report/html.h"

namespace preferd::training {

struct ExploreReport {
  std::string name, subtitle;
  Facts facts;  // files ...
  DataFacts data;
};

// A share and its 95 % Wilson interval (Wilson, JASA 22, 1927); undefined for n = 0.
Estimate wilson(std::uint64_t successes, std::uint64_t n);

// Training files first, then validation files; a side without rows is left out.
std::string explore_html(const ExploreReport& report);

}  // namespace preferd::training
