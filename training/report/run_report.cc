#include "training/report/run_report.h"

#include <algorithm>
#include <cmath>

#include "training/report/chart.h"
#include "training/report/sections.h"

namespace preferd::training {
namespace {

std::string curves(const RunReport& r) {
  std::vector<ChartPoint> loss, rate, speed, valid_loss, accuracy;
  for (const TrainingPoint& p : r.train) {
    const auto step = static_cast<double>(p.step);
    loss.push_back({step, p.loss});
    rate.push_back({step, p.learning_rate});
    speed.push_back({step, p.tokens_per_second});
  }
  for (const ValidationPoint& p : r.validation) {
    valid_loss.push_back({static_cast<double>(p.step), p.log_loss});
    accuracy.push_back({static_cast<double>(p.step), 100 * p.accuracy});
  }
  if (loss.empty() && valid_loss.empty()) return "";
  // A window of about one thirtieth of the run.
  const double keep = 1 - 1 / std::clamp(static_cast<double>(loss.size()) / 30, 1.0, 50.0);
  std::vector<std::string> shown;
  std::vector<Series> losses = {{"", Colour::kBlue, Mark::kFaintLine, loss},
                                {"training, smoothed", Colour::kBlue, Mark::kLine, smoothed(loss, keep)},
                                {"validation", Colour::kOrange, Mark::kLineAndDots, valid_loss}};
  shown.push_back(card("Loss", line_chart(losses, "step")));
  if (!accuracy.empty())
    shown.push_back(
        card("Validation accuracy, %",
             line_chart({{"accuracy, %", Colour::kGreen, Mark::kLineAndDots, accuracy}}, "step")));
  if (!rate.empty()) {
    shown.push_back(
        card("Learning rate", line_chart({{"learning rate", Colour::kBlue, Mark::kLine, rate}}, "step")));
    shown.push_back(
        card("Tokens per second",
             line_chart({{"tokens/s", Colour::kGrey, Mark::kLine, smoothed(speed, keep)}}, "step")));
  }
  std::string note;
  if (!r.train.empty())
    note = count_text(r.train.back().step) + " steps, " + number_text(r.train.back().epoch, 2) + " epochs.";
  if (r.best_step) note += " The weights that were kept are those of step " + count_text(*r.best_step) + ".";
  return section("Training", note, cards(CardWidth::kWide, shown));
}

Facts with_calibration(const EvaluationReport& r) {
  Facts facts = r.facts;
  if (r.calibration) {
    const Calibration& c = *r.calibration;
    const std::string bound = c.bound == Bound::kNone ? "" : ", at the bound of the search";
    facts.emplace_back("temperature", number_text(c.temperature, 4) + bound + " (log-loss " +
                                          number_text(c.log_loss_before, 4) + " → " +
                                          number_text(c.log_loss_after, 4) + ")");
  }
  return facts;
}

std::string measured(const EvaluationReport& r) {
  return baselines_section(r.metrics) + calibration_section(r.metrics, r.predictions) +
         slices_section(r.metrics) + order_section(r.metrics, r.predictions) + errors_section(r.predictions);
}

std::string method(const Metrics& m) {
  return section(
      "How to read this", "",
      "<p class=\"note\">Intervals are 95 % percentile bootstrap intervals over " +
          count_text(static_cast<std::int64_t>(m.resampling.draws)) +
          " draws of the rows. Accuracy and calibration error are over rows with one labelled winner; "
          "with two classes, ties count half for each response in log-loss and Brier score. AUC is over "
          "rows that a response has won.</p>");
}

}  // namespace

std::string evaluation_html(const EvaluationReport& r) {
  return page(r.name, r.subtitle,
              headline(r.metrics) + facts_list(with_calibration(r)) + measured(r) + method(r.metrics));
}

std::string run_html(const RunReport& r) {
  const EvaluationReport& e = r.evaluation;
  std::string body = headline(e.metrics) + facts_list(with_calibration(e)) + curves(r) + measured(e);
  if (!r.config.empty())
    body +=
        section("Configuration", "", details("As it was resolved", "<pre>" + escaped(r.config) + "</pre>"));
  return page(e.name, e.subtitle, body + method(e.metrics));
}

}  // namespace preferd::training
