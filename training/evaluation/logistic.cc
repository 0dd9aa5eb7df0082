#include "training/evaluation/logistic.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace preferd::training {
namespace {

constexpr double kInterceptPenalty = 1e-6;
constexpr int kIterations = 100;

double sigmoid(double z) { return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z)); }

// ln(1 + exp z).
double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

double margin(const LogisticModel& model, std::span<const double> row) {
  double z = model.intercept;
  for (std::size_t j = 0; j < row.size(); ++j) z += row[j] * model.weights[j];
  return z;
}

double loss(const Table& table, std::span<const double> targets, double penalty, const LogisticModel& model) {
  double sum = kInterceptPenalty / 2 * model.intercept * model.intercept;
  for (const double w : model.weights) sum += penalty / 2 * w * w;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const double z = margin(model, table.row(i));
    sum += softplus(z) - targets[i] * z;
  }
  return sum;
}

// Solves a x = b in place, where a is a positive definite [n, n] matrix of which only the lower half is read
// (Cholesky).
void solve(std::vector<double>& a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) a[j * n + j] -= a[j * n + k] * a[j * n + k];
    PREFERD_CHECK(a[j * n + j] > 0);
    a[j * n + j] = std::sqrt(a[j * n + j]);
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) a[i * n + j] -= a[i * n + k] * a[j * n + k];
      a[i * n + j] /= a[j * n + j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

// The Newton step: (X^T W X + penalty)^-1 gradient, the intercept last.
std::vector<double> newton_step(const Table& table, std::span<const double> targets, double penalty,
                                const LogisticModel& model) {
  const std::size_t d = table.columns, n = d + 1;
  std::vector<double> curvature(n * n), gradient(n), row(n, 1.0);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    std::copy_n(table.row(i).begin(), d, row.begin());
    const double p = sigmoid(margin(model, table.row(i))), weight = p * (1 - p);
    for (std::size_t j = 0; j < n; ++j) {
      gradient[j] += (p - targets[i]) * row[j];
      for (std::size_t k = 0; k <= j; ++k) curvature[j * n + k] += weight * row[j] * row[k];
    }
  }
  for (std::size_t j = 0; j < d; ++j) {
    gradient[j] += penalty * model.weights[j];
    curvature[j * n + j] += penalty;
  }
  gradient[d] += kInterceptPenalty * model.intercept;
  curvature[d * n + d] += kInterceptPenalty;
  solve(curvature, gradient);
  return gradient;
}

}  // namespace

LogisticModel fit_logistic(const Table& table, std::span<const double> targets, double penalty) {
  PREFERD_CHECK(penalty > 0 && table.rows() == targets.size());
  LogisticModel model{std::vector<double>(table.columns), 0};
  double best = loss(table, targets, penalty, model);
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    const std::vector<double> step = newton_step(table, targets, penalty, model);
    double length = 1, next = best;
    LogisticModel tried;
    for (; length > 1e-6; length /= 2) {
      tried = model;
      for (std::size_t j = 0; j < table.columns; ++j) tried.weights[j] -= length * step[j];
      tried.intercept -= length * step[table.columns];
      next = loss(table, targets, penalty, tried);
      if (next < best) break;
    }
    if (!(next < best)) break;
    model = std::move(tried);
    if (best - next <= 1e-13 * std::max(1.0, best)) break;
    best = next;
  }
  return model;
}

double logistic(const LogisticModel& model, std::span<const double> row) {
  return sigmoid(margin(model, row));
}

}  // namespace preferd::training
