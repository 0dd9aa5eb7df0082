// A state of the machine is a list of places in the program, best first, that a backtracking engine might
// reach: the subset construction keeps their order. What lies ahead decides assertions, so a place is only
// followed through forks and assertions when the next symbol is known; a match is noticed then too, one
// symbol late, and all places behind it in the list are dropped, because the engine would have stopped there.
// Code points that belong to the same sets of the program are one symbol.
#include "model/text/pattern.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/utf8.h"

namespace preferd::text {
namespace {

constexpr std::size_t kMostStates = 2048;
constexpr std::size_t kMostSets = 64;

using Places = std::vector<std::uint32_t>;

// Which sets hold a code point, one bit each; no bit and kEnd stands for the end of the text.
using Membership = std::uint64_t;

// What one symbol makes of a state.
struct Advance {
  Places next;
  bool accepts = false;
};

class Follower {
 public:
  explicit Follower(const PatternProgram& program) : code_(program.code), seen_(code_.size()) {}

  Advance advance(const Places& from, Membership symbol) {
    Advance out;
    std::fill(seen_.begin(), seen_.end(), false);
    for (const std::uint32_t place : from)
      if (!follow(place, symbol, out)) break;
    return out;
  }

 private:
  // False once a match is found.
  bool follow(std::uint32_t start, Membership symbol, Advance& out) {
    stack_.assign(1, start);
    while (!stack_.empty()) {
      const std::uint32_t at = stack_.back();
      stack_.pop_back();
      if (seen_[at]) continue;
      seen_[at] = true;
      const Instruction& i = code_[at];
      const bool member = (symbol >> i.set & 1) != 0;
      switch (i.kind) {
        case Instruction::Kind::kTake:
          if (member) out.next.push_back(at + 1);
          break;
        case Instruction::Kind::kFork:
          stack_.push_back(i.second);
          stack_.push_back(i.first);
          break;
        case Instruction::Kind::kAhead:
          if (member) stack_.push_back(at + 1);
          break;
        case Instruction::Kind::kNotAhead:
          if (!member) stack_.push_back(at + 1);
          break;
        case Instruction::Kind::kAccept: out.accepts = true; return false;
      }
    }
    return true;
  }

  const std::vector<Instruction>& code_;
  std::vector<bool> seen_;
  std::vector<std::uint32_t> stack_;
};

Membership membership(const std::vector<CodePoints>& sets, char32_t c) {
  Membership out = 0;
  for (std::size_t i = 0; i < sets.size(); ++i)
    if (sets[i].contains(c)) out |= Membership{1} << i;
  return out;
}

}  // namespace

Result<Pattern> Pattern::of_regex(std::string_view regex) {
  const Result<PatternProgram> program = parse_pattern(regex);
  if (!program) return program.error();
  return compile(*program);
}

Result<Pattern> Pattern::of_text(std::string_view text) {
  const Result<PatternProgram> program = literal_pattern(text);
  if (!program) return program.error();
  return compile(*program);
}

Result<Pattern> Pattern::compile(const PatternProgram& program) {
  if (program.sets.size() > kMostSets)
    return invalid("it has more than " + std::to_string(kMostSets) + " different sets of characters");
  Pattern out;
  const std::vector<Membership> symbols = out.number_symbols(program.sets);
  Follower follower(program);
  std::map<Places, std::size_t> known{{{0}, 0}};
  std::vector<Places> states{{0}};
  for (std::size_t s = 0; s < states.size(); ++s) {
    for (const Membership symbol : symbols) {
      Advance advance = follower.advance(states[s], symbol);
      if (s == 0 && advance.accepts) return invalid("it matches an empty text");
      std::uint32_t row = kDead;
      if (!advance.next.empty()) {
        const auto [at, added] = known.emplace(std::move(advance.next), states.size());
        if (added) states.push_back(at->first);
        if (states.size() > kMostStates)
          return invalid("it needs more than " + std::to_string(kMostStates) + " states");
        row = static_cast<std::uint32_t>(at->second) * out.symbol_count_;
      }
      out.steps_.push_back({row & kDead, advance.accepts});
    }
  }
  return out;
}

std::vector<std::uint64_t> Pattern::number_symbols(const std::vector<CodePoints>& sets) {
  std::vector<char32_t> borders{0, 0x110000};
  for (const CodePoints& set : sets)
    for (const CodePoints::Range& range : set.ranges()) {
      borders.push_back(range.first);
      borders.push_back(range.last + 1);
    }
  std::ranges::sort(borders);
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());

  std::vector<Membership> symbols;
  std::vector<std::uint16_t> all(0x110000);
  for (std::size_t i = 0; i + 1 < borders.size(); ++i) {
    const Membership member = membership(sets, borders[i]);
    const auto at = std::ranges::find(symbols, member);
    std::fill(all.begin() + borders[i], all.begin() + borders[i + 1],
              static_cast<std::uint16_t>(at - symbols.begin()));
    if (at == symbols.end()) symbols.push_back(member);
  }
  symbols.push_back(0);
  symbol_count_ = static_cast<std::uint32_t>(symbols.size());

  std::map<std::vector<std::uint16_t>, std::uint32_t> known;
  for (auto page = all.begin(); page != all.end(); page += 0x100) {
    const auto [at, added] = known.emplace(std::vector<std::uint16_t>(page, page + 0x100),
                                           static_cast<std::uint32_t>(symbols_.size()));
    if (added) symbols_.insert(symbols_.end(), page, page + 0x100);
    pages_.push_back(at->second);
  }
  for (char32_t c = 0; c < ascii_.size(); ++c) ascii_[c] = symbol(c);
  return symbols;
}

std::size_t Pattern::match_end(std::string_view text, std::size_t begin) const {
  std::size_t best = begin;
  const Step* row = steps_.data();
  for (std::size_t at = begin; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    std::size_t after = at + 1;
    const Step step = row[byte < 0x80 ? ascii_[byte] : symbol(utf8::next(text, after = at))];
    if (step.accepts != 0) best = at;
    if (step.row == kDead) return best;
    row = steps_.data() + step.row;
    at = after;
  }
  return row[symbol_count_ - 1].accepts != 0 ? text.size() : best;
}

}  // namespace preferd::text
