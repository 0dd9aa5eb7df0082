// `preferd serve` with a fake model, for tests/e2e/hostile.py and for measuring the server alone.
#include <cstdio>

#include "server/serve.h"
#include "tests/server/fake_scorer.h"

int main(int argc, char** argv) {
  using namespace preferd;
  server::ServeOptions options;
  server::FakeOptions fake;
  std::int64_t load_ms = 0;
  bool fail = false;
  Settings settings("fake_server", "The HTTP service with a model that only sleeps.");
  server::declare(settings, options);
  settings.integer("fake-batch-us", fake.batch_delay_us, 0, 60'000'000, "microseconds of a batch")
      .integer("fake-token-ns", fake.token_delay_ns, 0, 1'000'000'000, "nanoseconds of a token")
      .integer("fake-classes", fake.classes, 2, 3, "classes")
      .integer("fake-load-ms", load_ms, 0, 600'000, "milliseconds of loading")
      .toggle("fake-fail", fail, "loading fails");
  const auto loaded = settings.load({argv + 1, argv + argc}, environment());
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().what.c_str());
    return 2;
  }
  if (loaded->stop) {
    std::fputs(loaded->text.c_str(), stdout);
    return 0;
  }
  return server::serve(options, [&]() -> Result<std::shared_ptr<scorer::Scorer>> {
    std::this_thread::sleep_for(std::chrono::milliseconds(load_ms));
    if (fail) return invalid("package 'fake': asked to fail");
    return std::static_pointer_cast<scorer::Scorer>(std::make_shared<server::FakeScorer>(fake));
  });
}
