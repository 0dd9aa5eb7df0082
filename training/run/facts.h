// Lines for people about what was scored and with what, at the top of a report.
#pragma once

#include <string>
#include <vector>

#include "model/scorer/scorer.h"
#include "training/data/dataset.h"
#include "training/report/html.h"

namespace preferd::training {

// "NAME, revision R, difference head, llama base, quantization nf4"
std::string package_text(const scorer::ScorerInfo& info);

// "fp32 on AVX2, 2 threads", "bf16 on cuda:0 NVIDIA H200, dense"
std::string compute_text(const scorer::ScorerInfo& info, int threads);

// "208 rows; 3 bad rows skipped; 12 ties dropped"
std::string counts_text(const DataCounts& counts);

// "arena/a.jsonl, b.csv.gz": each with at most one folder
std::string files_text(const std::vector<std::string>& files);

// "1 h 12 min", "48 s".
std::string duration_text(double seconds);

}  // namespace preferd::training
