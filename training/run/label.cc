#include "training/run/label.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/softmax.h>

#include "base/json.h"
#include "base/parallel.h"
#include "rows/records.h"
#include "training/data/corpus.h"
#include "training/data/identity.h"
#include "training/data/reader.h"
#include "training/data/sampler.h"

namespace preferd::training {
namespace {

constexpr std::size_t kChunk = 1024;

struct Closer {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using File = std::unique_ptr<std::FILE, Closer>;

// Opens for appending and cuts off an incomplete last line.
Result<File> open_output(const std::string& path) {
  File file(std::fopen(path.c_str(), "ab+"));
  if (!file) return invalid("output " + path + ": cannot open for writing: " + std::strerror(errno));
  std::rewind(file.get());
  std::uint64_t at = 0, whole = 0;
  for (int c; (c = std::fgetc(file.get())) != EOF; ++at)
    if (c == '\n') whole = at + 1;
  std::error_code ec;
  std::filesystem::resize_file(path, whole, ec);
  if (ec) return invalid("output " + path + ": " + ec.message());
  return file;
}

// The ids of the existing lines, in order.
Result<std::vector<Key>> ids_of(const std::string& path) {
  auto reader = rows::RecordReader::open(path, rows::RowFormat::kJsonLines);
  if (!reader) return reader.error();
  std::vector<Key> ids;
  for (;;) {
    const auto row = (*reader)->next();
    if (!row) return row.error();
    if (!*row) return ids;
    if (!(*row)->fields)
      return invalid("output " + path + ":" + std::to_string((*row)->line) + ": " +
                     (*row)->fields.error().what + "; expected teacher labels");
    ids.push_back(id_key((*row)->id));
  }
}

struct Item {
  std::string id;
  scorer::Encoded encoded;
  std::vector<double> probabilities, logits;
  std::vector<float> embedding;
};

class Labeller {
 public:
  Labeller(TrainableModel& model, const LabelOptions& options, const LabelEvents& events)
      : model_(model),
        options_(options),
        events_(events),
        pool_(options.threads),
        temperature_(model.encoder().manifest().temperature) {}

  Result<LabelCounts> run() {
    auto file = open_output(options_.output);
    if (!file) return file.error();
    file_ = std::move(*file);
    const auto kept = ids_of(options_.output);
    if (!kept) return kept.error();
    std::vector<Example> chunk;
    for (const std::string& input : options_.inputs) {
      auto reader = ExampleReader::open(input, [](const std::string&) { return Labels::kTeacher; });
      if (!reader) return reader.error();
      for (;;) {
        auto row = (*reader)->next();
        if (!row) return row.error();
        if (!*row) break;
        if (!(**row).fault.empty()) {
          fail((**row).fault);
          continue;
        }
        Example& example = (**row).example;
        if (counts_.kept < kept->size() && (*kept)[counts_.kept] == id_key(example.id)) {
          ++counts_.kept;
          continue;
        }
        chunk.push_back(std::move(example));
        if (chunk.size() == kChunk)
          if (const Status s = write(chunk, kept->size()); !s) return s.error();
      }
    }
    if (const Status s = write(chunk, kept->size()); !s) return s.error();
    return counts_.kept == kept->size() ? Result<LabelCounts>(counts_) : foreign();
  }

 private:
  void fail(const std::string& line) {
    if (counts_.failed++ < kListedRows && events_.bad_row) events_.bad_row(line);
  }

  Error foreign() const {
    return invalid("output " + options_.output +
                   ": holds lines of other rows than the inputs, or in another order; expected another name");
  }

  // `kept`: number of existing lines. Before the last of them only rows that had failed may come.
  Status write(std::vector<Example>& rows, std::size_t kept) {
    std::vector<Result<scorer::Encoded>> encoded(rows.size(), Result<scorer::Encoded>(Error{}));
    const scorer::Swap swap =
        options_.orders == LabelOrders::kBoth ? scorer::Swap::kAverage : scorer::Swap::kNone;
    pool_.run(rows.size(), [&](std::size_t i, int) {
      encoded[i] = model_.encoder().encode({.pair = rows[i].pair, .adapter = {}, .swap = swap});
    });
    std::vector<Item> items;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (encoded[i])
        items.push_back({rows[i].id, std::move(*encoded[i]), {}, {}, {}});
      else
        fail(rows[i].file + ":" + std::to_string(rows[i].line) + ": " + encoded[i].error().what);
    if (!items.empty() && counts_.kept < kept) return foreign();
    std::vector<std::uint32_t> costs;
    for (const Item& item : items) costs.push_back(static_cast<std::uint32_t>(item.encoded.cost_tokens));
    for (const MicroBatch& batch :
         evaluation_batches(costs, static_cast<std::size_t>(options_.batch_tokens))) {
      score(items, batch);
      if (events_.progress) events_.progress(counts_);
    }
    if (const Status s = model_.encoder().intact(Look::kQuick); !s) return s;
    for (const Item& item : items)
      if (const Status s = line(item); !s) return s;
    rows.clear();
    if (std::fflush(file_.get()) == 0) return Ok{};
    return invalid("output " + options_.output + ": cannot write: " + std::strerror(errno));
  }

  void score(std::vector<Item>& items, const MicroBatch& batch) {
    const at::NoGradGuard no_grad;
    std::vector<scorer::Encoded> orders;
    for (const Sample& sample : batch)
      for (const scorer::EncodedOrder& order : items[sample.example].encoded.orders) {
        scorer::Encoded one = items[sample.example].encoded;
        one.orders = {order};
        one.swap = scorer::Swap::kNone;
        orders.push_back(std::move(one));
      }
    std::vector<const scorer::Encoded*> views;
    for (const scorer::Encoded& e : orders) views.push_back(&e);
    const Forward f = model_.forward(views);
    const at::Tensor logits = f.logits.to(at::kCPU, at::kDouble).contiguous();
    const at::Tensor probabilities = at::softmax(logits.div(temperature_), 1);
    const at::Tensor states = f.states.to(at::kCPU, at::kFloat).contiguous();
    const std::int64_t sequences = states.size(0) / logits.size(0), classes = logits.size(1);
    std::int64_t row = 0;
    for (const Sample& sample : batch) {
      Item& item = items[sample.example];
      const auto count = static_cast<std::int64_t>(item.encoded.orders.size());
      const double* z = logits.data_ptr<double>() + row * classes;
      item.logits.assign(z, z + classes);
      at::Tensor p = probabilities[row].clone();
      if (count == 2) {
        at::Tensor mirror = probabilities[row + 1].clone();
        mirror[0].copy_(probabilities[row + 1][1]);
        mirror[1].copy_(probabilities[row + 1][0]);
        p = p.add(mirror).div(2);
      }
      item.probabilities.assign(p.data_ptr<double>(), p.data_ptr<double>() + classes);
      if (options_.embeddings == Embeddings::kWrite) {
        const float* e = states.data_ptr<float>() + row * sequences * states.size(1);
        item.embedding.assign(e, e + sequences * states.size(1));
      }
      row += count;
      ++counts_.rows;
      counts_.tokens += item.encoded.tokens.total * count;
    }
  }

  Status line(const Item& item) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("id").raw(item.id).key("probabilities").begin_object();
    for (std::size_t c = 0; c < item.probabilities.size(); ++c)
      json.member(scorer::kClassNames[c], item.probabilities[c]);
    json.end_object().key("logits").begin_array();
    for (const double z : item.logits) json.value(z);
    json.end_array();
    if (!item.embedding.empty()) {
      json.key("embedding").begin_array();
      for (const float v : item.embedding) json.value(v);
      json.end_array();
    }
    json.end_object();
    text += '\n';
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size()) return Ok{};
    return invalid("output " + options_.output + ": cannot write: " + std::strerror(errno));
  }

  TrainableModel& model_;
  const LabelOptions& options_;
  const LabelEvents& events_;
  ThreadPool pool_;
  double temperature_;
  File file_;
  LabelCounts counts_;
};

}  // namespace

Result<LabelCounts> label(TrainableModel& model, const LabelOptions& options, const LabelEvents& events) {
  return Labeller(model, options, events).run();
}

}  // namespace preferd::training
