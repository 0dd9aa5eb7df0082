// POST /rank: the responses to one prompt, best first.
//
// A package whose responses have rewards scores each of them once; all others judge every two, in a round robin.
// Either way the model computes the prompt once, and each response once where it is read by itself, because one
// forward shares what sequences start with.
#include <algorithm>

#include "model/scorer/ranking.h"
#include "server/api/deadline.h"
#include "server/api/pairs.h"
#include "server/api/service.h"
#include "server/http/http_error.h"
#include "server/scheduling/admission.h"

namespace preferd::server {
namespace {

constexpr std::size_t kMaxValues = 1 << 17;  // JSON values in a body
constexpr std::size_t kJobsPerTurn = 32;     // encoded before others may have the slot

using Match = std::pair<std::size_t, std::size_t>;

// What the model is asked: each response, or every two of them.
struct Questions {
  scorer::Rewards rewards;
  std::size_t responses;
  std::vector<Match> matches;  // empty: the responses themselves
  // Of matches: the second response is asked as response_a; both are the same text.
  std::vector<bool> exchanged{}, equal{};

  std::size_t size() const { return matches.empty() ? responses : matches.size(); }
};

Questions questions_of(const scorer::ScorerInfo& info, const RankRequest& r) {
  Questions out{.rewards = info.rewards, .responses = r.responses.size(), .matches = {}};
  if (info.rewards == scorer::Rewards::kAlone) return out;
  out.matches = scorer::round_robin(r.responses.size());
  // The order of the texts decides, not that of the list: any order of the list then gives the same bits.
  for (const auto& [i, j] : out.matches) {
    out.exchanged.push_back(r.responses[j] < r.responses[i]);
    out.equal.push_back(r.responses[j] == r.responses[i]);
  }
  return out;
}

Job encode(const Context& context, const Questions& questions, const RankRequest& r, std::size_t k,
           Clock::time_point arrived) {
  if (!questions.matches.empty()) {
    auto [i, j] = questions.matches[k];
    if (questions.exchanged[k]) std::swap(i, j);
    PairRequest pair;
    const scorer::Swap swap = questions.equal[k] ? scorer::Swap::kAverage : r.swap;  // neither wins
    pair.ask = {{r.prompt.text, r.responses[i], r.responses[j], r.prompt.turns}, r.adapter, swap, r.overflow};
    pair.timeout = r.timeout;
    return encode(context, pair, {}, arrived);
  }
  return encode(context, {text::Single{r.prompt.text, r.responses[k], r.prompt.turns}, r.adapter, r.overflow},
                r.timeout, arrived);
}

void exchange(scorer::Verdict& v) {
  std::swap(v.probabilities[0], v.probabilities[1]);
  if (v.logits.size() == 2) std::swap(v.logits[0], v.logits[1]);
  std::swap(v.tokens.response_a, v.tokens.response_b);
  std::swap(v.truncated[static_cast<std::size_t>(text::Part::kResponseA)],
            v.truncated[static_cast<std::size_t>(text::Part::kResponseB)]);
}

// What was read of one response, over all that it was asked in: the fewest of its tokens, the most that was lost.
struct Reading {
  std::int64_t response = -1, total = 0;
  text::Lost prompt, own, frame;

  static void most(text::Lost& kept, const text::Lost& other) {
    kept = {std::max(kept.tokens, other.tokens), std::max(kept.chars, other.chars)};
  }
  void add(const scorer::Verdict& v, text::Part part) {
    const std::int64_t tokens = part == text::Part::kResponseA ? v.tokens.response_a : v.tokens.response_b;
    response = response < 0 ? tokens : std::min(response, tokens);
    total = std::max(total, v.tokens.total);
    most(prompt, v.truncated[static_cast<std::size_t>(text::Part::kPrompt)]);
    most(own, v.truncated[static_cast<std::size_t>(part)]);
    most(frame, v.truncated[static_cast<std::size_t>(text::Part::kTemplate)]);
  }
};

std::vector<Reading> readings_of(const Questions& questions, const std::vector<scorer::Verdict>& verdicts) {
  std::vector<Reading> out(questions.responses);
  for (std::size_t k = 0; k < verdicts.size(); ++k) {
    if (questions.matches.empty()) {
      out[k].add(verdicts[k], text::Part::kResponseA);
      continue;
    }
    const auto [i, j] = questions.matches[k];
    for (const auto& [response, part] :
         {std::pair{i, text::Part::kResponseA}, std::pair{j, text::Part::kResponseB}}) {
      out[response].add(verdicts[k], part);
      if (questions.equal[k]) out[response == i ? j : i].add(verdicts[k], part);
    }
  }
  return out;
}

// Of the texts: all, and the most that one sequence may hold.
struct TextBytes {
  std::size_t all = 0, longest = 0;
};
TextBytes text_bytes(const RankRequest& r) {
  std::size_t longest = 0, all = r.prompt.text.size();
  for (const std::string& response : r.responses) {
    longest = std::max(longest, response.size());
    all += response.size();
  }
  return {all, r.prompt.text.size() + 2 * longest};
}

scorer::Ranking ranking_of(const Questions& questions, const std::vector<scorer::Verdict>& verdicts,
                           const scorer::ScorerInfo& info) {
  if (!questions.matches.empty())
    return scorer::rank_verdicts(questions.responses, verdicts, questions.rewards, info.golden_worst);
  std::vector<float> rewards;
  for (const scorer::Verdict& v : verdicts) rewards.push_back(v.logits[0]);
  return scorer::rank_rewards(rewards, info.temperature, info.golden_worst);
}

void render_truncated(const Reading& reading, JsonWriter& json) {
  json.key("truncated").begin_object();
  for (const auto& [name, lost] : {std::pair{"prompt", &reading.prompt}, std::pair{"response", &reading.own},
                                   std::pair{"template", &reading.frame}})
    if (lost->any())
      json.key(name).begin_object().member("tokens", lost->tokens).member("chars", lost->chars).end_object();
  json.end_object();
}

void render(const scorer::Ranking& ranking, const std::vector<Reading>& readings, bool matrix,
            JsonWriter& json) {
  const auto number = [](std::size_t n) { return static_cast<std::uint64_t>(n); };
  json.key("ranking").begin_array();
  for (const std::size_t i : ranking.order) json.value(number(i));
  json.end_array().key("results").begin_array();
  for (std::size_t i = 0; i < ranking.responses.size(); ++i) {
    const scorer::Ranked& r = ranking.responses[i];
    json.begin_object().member("index", number(i)).member("rank", number(r.rank));
    if (r.reward) json.member("reward", *r.reward);
    json.member("score", r.score).member("advantage", r.advantage);
    json.key("tokens").begin_object().member("response", readings[i].response);
    json.member("total", readings[i].total).end_object();
    render_truncated(readings[i], json);
    json.end_object();
  }
  json.end_array();
  if (matrix) {
    json.key("matrix").begin_array();
    for (const auto& row : ranking.wins) {
      json.begin_array();
      for (const float p : row) json.value(p);
      json.end_array();
    }
    json.end_array();
  }
  if (ranking.ties.empty()) return;
  json.key("ties").begin_array();
  for (const auto& [i, j] : ranking.ties) json.begin_array().value(number(i)).value(number(j)).end_array();
  json.end_array();
}

}  // namespace

Reply Service::rank(Request& request) {
  const Context context = this->context();
  const scorer::ScorerInfo& info = context.generation->info();
  const auto give_up = [&](const Error& error, std::size_t jobs) {
    count(metrics_, error, jobs);
    return fail(request, http_error(error));
  };
  const auto refuse_text = [&](HttpError error) {
    metrics_.items(Outcome::kInvalid);
    return fail(request, std::move(error));
  };
  RankRequest r;
  {
    const auto slot = enter_encoding(TrafficClass::kBulk, request);
    if (!slot) return give_up(slot.error(), 1);
    auto json = read_json(request, static_cast<std::size_t>(options_.max_body_bytes), kMaxValues);
    if (auto* error = std::get_if<HttpError>(&json)) return refuse_text(std::move(*error));
    auto parsed = parse_rank(std::get<Json>(json));
    if (!parsed) return refuse_text(http_error(parsed.error()));
    r = *std::move(parsed);
  }
  r.timeout = named_timeout(request.head, r.timeout, context.default_timeout);
  const Questions questions = questions_of(info, r);
  if (info.rewards == scorer::Rewards::kNone &&
      questions.matches.size() > static_cast<std::size_t>(options_.rank_pairs))
    return refuse_text(
        http_error(Error{Code::kTooLarge,
                         "responses: this package judges pairs, and " + std::to_string(r.responses.size()) +
                             " responses make " + std::to_string(questions.matches.size()) +
                             " of them; the limit is " + std::to_string(options_.rank_pairs),
                         "responses"}));
  const TextBytes bytes = text_bytes(r);
  if (bytes.longest > EncodeLimiter::kShortText && !request.lease.grow_to(bytes.all))
    return give_up(server::refuse(kTooManyBytes, metrics_), questions.size());
  std::vector<Job> jobs;
  while (jobs.size() < questions.size()) {
    const auto slot = enter_encoding(TrafficClass::kBulk, request, bytes.longest);
    if (!slot) return give_up(slot.error(), questions.size());
    for (const auto end = std::min(jobs.size() + kJobsPerTurn, questions.size()); jobs.size() < end;) {
      jobs.push_back(encode(context, questions, r, jobs.size(), request.arrived));
      if (!jobs.back().encoded) return refuse_text(http_error(jobs.back().encoded.error()));
    }
  }
  request.lease.release();
  r.responses.clear();
  const auto call = std::make_shared<Call>(context.generation, std::move(jobs));
  const Demand demand{.traffic = TrafficClass::kBulk, .tokens = call->tokens()};
  auto submitted = submit(context, {}, call, demand.traffic);
  if (!submitted) return fail(request, http_error(submitted.error()), demand);
  std::vector<scorer::Verdict> verdicts;
  Timing timing;
  for (std::size_t k = 0; k < questions.size(); ++k) {
    auto verdict = queue_.wait(*submitted->call, k, request.hangup);
    if (!verdict) return give_up(verdict.error(), questions.size() - k);
    const Timing& own = submitted->call->job(k).timing;
    timing.encode += own.encode;
    timing.queue = std::max(timing.queue, own.queue);
    timing.forward = std::max(timing.forward, own.forward);
    count_answer(metrics_, *verdict);
    if (!questions.matches.empty() && questions.exchanged[k]) exchange(*verdict);
    verdicts.push_back(*std::move(verdict));
  }
  Reply reply{.headers = {}, .body = {}, .stream = {}, .items = static_cast<std::int64_t>(questions.size())};
  JsonWriter json(reply.body);
  json.begin_object().member("id", r.id.value_or(request.id)).member("model", info.name);
  json.member("revision", info.revision);
  render(ranking_of(questions, verdicts, info), readings_of(questions, verdicts), r.wants_matrix, json);
  if (r.wants_timing)
    render_timing(timing, std::chrono::duration<double>(Clock::now() - request.arrived).count(), json);
  json.end_object();
  reply.tokens = static_cast<std::int64_t>(submitted->call->tokens());
  return reply;
}

}  // namespace preferd::server
