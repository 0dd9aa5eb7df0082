// `preferd serve` with a fake model, for tests/e2e/hostile.py and for measuring the server alone.
#include <cstdio>

#include "base/settings.h"
#include "server/serve.h"
#include "tests/server/fake_scorer.h"

int main(int argc, char** argv) {
  using namespace preferd;
  server::ServeOptions options;
  server::FakeOptions fake;
  std::int64_t load_ms = 0;
  bool fail = false;
  const auto describe_all = [&](Schema& s) {
    describe(s, options);
    s.integer("fake-batch-us", fake.batch_delay_us, 0, 60'000'000, "microseconds of a batch");
    s.integer("fake-token-ns", fake.token_delay_ns, 0, 1'000'000'000, "nanoseconds of a token");
    s.integer("fake-classes", fake.classes, 2, 3, "classes");
    s.integer("fake-load-ms", load_ms, 0, 600'000, "milliseconds of loading");
    s.toggle("fake-fail", fail, "loading fails");
  };
  const auto loaded =
      load_settings({.program = "fake_server", .summary = "The HTTP service with a model that only sleeps."},
                    describe_all, {argv + 1, argv + argc}, environment());
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().what.c_str());
    return 2;
  }
  if (loaded->text) {
    std::fputs(loaded->text->c_str(), stdout);
    return 0;
  }
  return server::serve(options, [&]() -> Result<std::shared_ptr<scorer::Scorer>> {
    std::this_thread::sleep_for(std::chrono::milliseconds(load_ms));
    if (fail) return invalid("package 'fake': asked to fail");
    return std::static_pointer_cast<scorer::Scorer>(std::make_shared<server::FakeScorer>(fake));
  });
}
