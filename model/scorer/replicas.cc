#include "model/scorer/replicas.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "model/scorer/prefixes.h"

namespace preferd::scorer {
namespace {

// Items of one call that are scored together.
struct Piece {
  std::span<const Encoded* const> items;
  Result<Verdict>* verdicts;  // one per item
  std::size_t* left;          // pieces of the call that are not done; guarded like everything below
};

// The error of the device that failed, or null.
const Error* lost_device(std::span<const Result<Verdict>> verdicts) {
  const auto lost = std::find_if(verdicts.begin(), verdicts.end(), [](const Result<Verdict>& v) {
    return !v && v.error().code == Code::kDevice;
  });
  return lost == verdicts.end() ? nullptr : &lost->error();
}

class Replicas : public Scorer {
 public:
  Replicas(std::vector<std::shared_ptr<Scorer>> replicas, std::size_t piece_tokens)
      : replicas_(std::move(replicas)),
        piece_tokens_(piece_tokens),
        info_(replicas_.front()->info()),
        working_(static_cast<int>(replicas_.size())) {
    for (std::size_t i = 1; i < replicas_.size(); ++i) info_.device += ", " + replicas_[i]->info().device;
    for (const auto& scorer : replicas_) {
      const int calls = 1 + scorer->capacity().ahead;
      ahead_ += calls - 1;
      states_.push_back({scorer.get(), calls});
    }
    for (Replica& replica : states_)
      for (int i = 0; i < replica.calls; ++i)
        threads_.emplace_back([this, &replica](std::stop_token stop) { run(replica, stop); });
  }

  ~Replicas() override {
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();
  }

  const ScorerInfo& info() const override { return info_; }
  Result<Encoded> encode(const Ask& ask) const override { return replicas_.front()->encode(ask); }
  Result<Encoded> encode_response(const ResponseAsk& ask) const override {
    return replicas_.front()->encode_response(ask);
  }
  std::vector<float> features(const text::Pair& pair) const override {
    return replicas_.front()->features(pair);
  }

  Status intact(Look look) const override {
    for (const auto& replica : replicas_)
      if (const Status s = replica->intact(look); !s) return s;
    return Ok{};
  }

  Capacity capacity() const override {
    const std::lock_guard lock(mutex_);
    Capacity all{working_ - last_fails_, static_cast<int>(replicas_.size()), lost_, ahead_};
    for (const auto& replica : replicas_) {
      Capacity own = replica->capacity();
      if (!own.note.empty()) all.note = std::move(own.note);
      all.halved += own.halved;
    }
    return all;
  }

  std::vector<Result<Verdict>> score(std::span<const Encoded* const> items) override {
    std::vector<Result<Verdict>> verdicts(items.size(), Result<Verdict>(Error{}));
    std::size_t left = 0;
    std::unique_lock lock(mutex_);
    for (std::size_t begin = 0, end; begin < items.size(); begin = end) {
      end = end_of_piece(items, begin);
      pieces_.push_back({items.subspan(begin, end - begin), verdicts.data() + begin, &left});
      ++left;
    }
    work_.notify_all();
    done_.wait(lock, [&] { return left == 0; });
    return verdicts;
  }

 private:
  std::size_t end_of_piece(std::span<const Encoded* const> items, std::size_t begin) const {
    std::size_t end = begin;
    ForwardCost cost;
    for (; end < items.size(); ++end) {
      if (end > begin && cost.tokens() + cost.of(*items[end]) > piece_tokens_) break;
      cost.add(*items[end]);
    }
    return end;
  }

  struct Replica {
    Scorer* scorer;
    int calls;        // calls at a time
    int running = 0;  // how many of them are running; guarded by mutex_, like everything below
    bool lost = false;
  };

  // A replica that is computing leaves the last pieces to replicas that are not.
  bool takes(const Replica& replica) const {
    const auto idle = std::count_if(states_.begin(), states_.end(),
                                    [](const Replica& r) { return !r.lost && r.running == 0; });
    return !pieces_.empty() && (replica.running == 0 || std::ssize(pieces_) > idle);
  }

  void run(Replica& replica, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    while (work_.wait(lock, stop, [&] { return takes(replica) || replica.lost; }) && !replica.lost) {
      const Piece piece = pieces_.front();
      pieces_.pop_front();
      if (replica.running++ == 0) work_.notify_all();
      lock.unlock();
      std::vector<Result<Verdict>> verdicts = replica.scorer->score(piece.items);
      PREFERD_CHECK(verdicts.size() == piece.items.size());
      lock.lock();
      --replica.running;
      const Error* lost = lost_device(verdicts);
      if (lost != nullptr) lost_ = lost->what;
      if (lost != nullptr && (replica.lost || working_ > 1)) {
        working_ -= !replica.lost;
        replica.lost = true;
        pieces_.push_front(piece);
        work_.notify_all();
        return;
      }
      if (!replica.lost) last_fails_ = lost != nullptr;
      std::move(verdicts.begin(), verdicts.end(), piece.verdicts);
      if (--*piece.left == 0) done_.notify_all();
    }
  }

  const std::vector<std::shared_ptr<Scorer>> replicas_;
  const std::size_t piece_tokens_;
  ScorerInfo info_;
  mutable std::mutex mutex_;
  std::condition_variable_any work_, done_;
  std::deque<Piece> pieces_;  // guarded by mutex_, like everything below
  int working_, ahead_ = 0;
  bool last_fails_ = false;  // whether the only remaining replica failed in its last call
  std::string lost_;
  std::vector<Replica> states_;
  std::vector<std::jthread> threads_;
};

}  // namespace

std::shared_ptr<Scorer> make_replicas(std::vector<std::shared_ptr<Scorer>> replicas,
                                      std::size_t piece_tokens) {
  PREFERD_CHECK(!replicas.empty());
  return std::make_shared<Replicas>(std::move(replicas), piece_tokens);
}

}  // namespace preferd::scorer
