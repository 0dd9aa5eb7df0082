// Made-up runs and data with the look of real ones.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "training/report/explore.h"
#include "training/report/run_report.h"

namespace preferd::training {

inline std::vector<Prediction> sample_predictions(std::size_t rows, int classes) {
  std::mt19937 random(4);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  const std::array<const char*, 9> languages = {
      "English", "English", "English", "Chinese", "German", "Spanish", "Russian", "", "Brazilian Portuguese"};
  std::vector<Prediction> out;
  for (std::size_t i = 0; i < rows; ++i) {
    Prediction p;
    p.id = "\"arena-" + std::to_string(1000 + i) + "\"";
    p.classes = classes;
    p.language = languages[random() % languages.size()];
    p.source = random() % 3 == 0 ? "lmsys-arena-55k" : "arena-human-preference-140k";
    const double z = 0.9 * normal(random), tie = classes == 3 ? 0.2 + 0.15 * uniform(random) : 0;
    const double b = 1 / (1 + std::exp(-z));
    p.probability = {(1 - tie) * (1 - b), (1 - tie) * b, tie};
    const double drawn = uniform(random), truth = 1 / (1 + std::exp(-0.8 * z));
    const bool is_tie = uniform(random) < (classes == 3 ? tie : 0.02);
    p.target = is_tie          ? std::array<double, 3>{0, 0, 1}
               : drawn < truth ? std::array<double, 3>{0, 1, 0}
                               : std::array<double, 3>{1, 0, 0};
    p.tokens = static_cast<std::int64_t>(std::exp(5.8 + 0.9 * normal(random)));
    p.prompt_chars = p.tokens / 2;
    p.response_a_chars = p.tokens * 2 + static_cast<std::int64_t>(random() % 400);
    p.response_b_chars =
        p.tokens * 2 + static_cast<std::int64_t>(random() % 400) + (p.target[1] > 0 ? 60 : 0);
    p.order_gap = std::abs(0.06 * normal(random));
    p.prompt = "Explain why the sky is blue, in two sentences, for a child who knows what a prism is.";
    p.response_a =
        "Sunlight holds every colour, and the air throws the blue part around much more than the red.\n\nSo "
        "wherever you look up, some blue light comes down to you.";
    p.response_b = "The sky is blue because it reflects the ocean. 海の色が空に映ります。";
    out.push_back(p);
  }
  return out;
}

inline RunReport sample_run(const std::vector<Prediction>& predictions) {
  RunReport r;
  r.evaluation.name = "smollm2-135m-arena";
  r.evaluation.subtitle = "LoRA r = 16 on an NF4 base, 12 layers, both orders of every pair";
  r.evaluation.facts = {{"data", "arena_train.jsonl.gz, 12 480 rows"},
                        {"validation", "arena_valid.jsonl.gz"},
                        {"device", "CPU, 2 threads, AVX3, fp32"},
                        {"time", "1 h 12 min"}};
  r.evaluation.metrics = evaluate(predictions, {}, {.draws = 200});
  r.evaluation.predictions = predictions;
  r.evaluation.calibration = Calibration{1.1834, 0.6412, 0.6387, Bound::kNone};
  r.config = "[run]\nname = \"smollm2-135m-arena\"\nseed = 707\n\n[optimizer]\nlr = 0.0002\nclip = 1.0\n";
  std::mt19937 random(9);
  std::normal_distribution<double> normal;
  for (std::int64_t step = 1; step <= 780; ++step) {
    const double t = static_cast<double>(step) / 780, warm = std::min(1.0, t / 0.06);
    r.train.push_back({step, 2 * t, 0.632 + 0.075 * std::exp(-4 * t) + 0.045 * normal(random),
                       2e-4 * warm * 0.5 * (1 + std::cos(3.14159 * t)), 880 + 40 * normal(random)});
    if (step % 78 == 0)
      r.validation.push_back(
          {step, 0.6385 + 0.05 * std::exp(-5 * t) + 0.001 * normal(random), 0.638 - 0.09 * std::exp(-5 * t)});
  }
  r.best_step = 702;
  return r;
}

inline SplitFacts sample_split() {
  SplitFacts f;
  f.rows = 57477;
  f.bad = 3;
  f.repeated = 312;
  f.contradictory = 41;
  f.prompts = 51734;
  f.outcomes = {.model_a = 20064, .model_b = 19652, .tie = 17761};
  f.different_length = 39100;
  f.longer_won = 24120;
  f.by_source = {{"lmsys-arena-55k", {18000, 17500, 16200}}, {"arena-140k", {2064, 2152, 1561}}};
  f.by_language = {{"English", {15000, 14600, 13000}},
                   {"", {2100, 2000, 1900}},
                   {"Chinese", {1500, 1480, 1400}},
                   {"Russian", {1464, 1572, 1461}}};
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  const auto length = [&](double middle) {
    return static_cast<std::uint64_t>(std::exp(middle + 1.1 * normal(random)));
  };
  for (int i = 0; i < 5000; ++i) {
    f.prompt_chars.add(length(4.6));
    f.response_chars.add(length(6.9));
    f.prompt_tokens.add(length(3.2));
    f.response_tokens.add(length(5.5));
    f.pair_tokens.add(length(6.3));
  }
  const std::array<const char*, 6> models = {"gpt-4-1106-preview",         "claude-2.1", "vicuna-13b",
                                             "mixtral-8x7b-instruct-v0.1", "palm-2",     "dolly-v2-12b"};
  for (std::size_t i = 0; i < models.size(); ++i)
    f.models.push_back({models[i], 900 - 140 * i, 300 + 110 * i, 400});
  return f;
}

inline ExploreReport sample_data() {
  ExploreReport r;
  r.name = "Arena votes";
  r.subtitle = "What is in the training files";
  r.facts = {{"files", "arena_train.jsonl.gz, kaggle.csv.gz"}};
  r.data.bad_rows = {"arena_train.jsonl.gz:17: winner is \"model_c\", expected model_a, model_b or tie",
                     "kaggle.csv.gz:204: response_b is missing"};
  r.data.train = r.data.valid = sample_split();
  r.data.shared_prompts = 12;
  r.data.shared_pairs = 2;
  return r;
}

}  // namespace preferd::training
