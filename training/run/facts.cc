#include "training/run/facts.h"

#include <filesystem>

#include "model/scorer/build.h"

namespace preferd::training {

std::string package_text(const scorer::ScorerInfo& info) {
  return info.name + (info.revision.empty() ? "" : ", revision " + info.revision) + ", " + info.output +
         " head, " + info.family + " base, quantization " + info.quantization;
}

std::string compute_text(const scorer::ScorerInfo& info, int threads) {
  if (info.device != "cpu")
    return info.compute + " on " + info.device + (info.residency.empty() ? "" : ", " + info.residency);
  return info.compute + " on " + scorer::instruction_set() + ", " + std::to_string(threads) +
         (threads == 1 ? " thread" : " threads");
}

std::string counts_text(const DataCounts& c) {
  std::string text = std::to_string(c.rows) + " rows";
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) text += "; " + std::to_string(count) + " " + what;
  };
  add(c.bad, "bad rows skipped");
  add(c.repeated, "duplicates dropped");
  add(c.contradictory, "duplicates with another label dropped");
  add(c.ties_dropped, c.train == 0 || c.ties_dropped_valid == 0 ? "ties dropped"
                      : c.ties_dropped_valid == c.ties_dropped  ? "ties dropped from validation"
                                                                : "ties dropped");
  if (c.train > 0 && c.ties_dropped_valid > 0 && c.ties_dropped_valid < c.ties_dropped)
    text += " (" + std::to_string(c.ties_dropped_valid) + " from validation)";
  add(c.unlabelled_valid, "rows without a label of their own not validated on");
  add(c.dropped_overlap, "dropped from training because validation has their prompt");
  add(c.over_limit, "over a source's limit");
  return text;
}

std::string files_text(const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& file : files) {
    const std::filesystem::path path(file);
    text += (text.empty() ? "" : ", ") + (path.parent_path().filename() / path.filename()).string();
  }
  return text;
}

std::string duration_text(double seconds) {
  const auto s = static_cast<long long>(seconds + 0.5);
  if (s < 60) return std::to_string(s) + " s";
  if (s < 3600) return std::to_string(s / 60) + " min";
  return std::to_string(s / 3600) + " h " + std::to_string(s / 60 % 60) + " min";
}

}  // namespace preferd::training
