// A possessive repetition never gives back what it took. Here it is compiled as a greedy one, which is the
// same where giving back could never help: where nothing that it repeats can begin what follows it.
#include <algorithm>

#include "model/text/pattern_tree.h"

namespace preferd::text {
namespace {

using Kind = Instruction::Kind;

constexpr std::size_t kLongest = 4096;  // instructions

class Writer {
 public:
  Status write(const PatternNode& node) {
    if (out_.code.size() > kLongest) return invalid("it is too long when its repetitions are written out");
    switch (node.kind) {
      case PatternNode::Kind::kSet: put({Kind::kTake, number(node.set)}); return Ok{};
      case PatternNode::Kind::kAhead: put({Kind::kAhead, number(node.set)}); return Ok{};
      case PatternNode::Kind::kNotAhead: put({Kind::kNotAhead, number(node.set)}); return Ok{};
      case PatternNode::Kind::kSequence:
        for (const PatternNode& part : node.parts)
          if (Status s = write(part); !s) return s;
        return Ok{};
      case PatternNode::Kind::kEither: return write_either(node.parts);
      case PatternNode::Kind::kRepeat: return write_repeat(node);
    }
    return Ok{};
  }

  Result<PatternProgram> take() {
    put({Kind::kAccept});
    for (const Kept& kept : kept_)
      if (gives_back(kept))
        return invalid("a possessive repetition is followed by what it repeats, which is not supported");
    return std::move(out_);
  }

 private:
  struct Kept {
    CodePoints set;
    std::uint32_t after;
  };

  std::uint32_t here() const { return static_cast<std::uint32_t>(out_.code.size()); }
  std::uint32_t put(Instruction instruction) {
    out_.code.push_back(instruction);
    return here() - 1;
  }

  std::uint32_t number(const CodePoints& set) {
    const auto at = std::ranges::find(out_.sets, set);
    const auto index = static_cast<std::uint32_t>(at - out_.sets.begin());
    if (at == out_.sets.end()) out_.sets.push_back(set);
    return index;
  }

  Status write_either(const std::vector<PatternNode>& parts) {
    std::vector<std::uint32_t> ends;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool last = i + 1 == parts.size();
      const std::uint32_t fork = last ? 0 : put({Kind::kFork, 0, here() + 1});
      if (Status s = write(parts[i]); !s) return s;
      if (last) break;
      ends.push_back(put({Kind::kFork}));
      out_.code[fork].second = here();
    }
    for (const std::uint32_t end : ends) out_.code[end].first = out_.code[end].second = here();
    return Ok{};
  }

  Status write_repeat(const PatternNode& node) {
    const PatternNode& body = node.parts[0];
    const bool endless = node.most == PatternNode::kNoLimit, lazy = node.greed == PatternNode::Greed::kLazy;
    const std::uint32_t single = endless ? std::max(node.least, 1u) - 1 : node.least;
    for (std::uint32_t i = 0; i < single; ++i)
      if (Status s = write(body); !s) return s;
    std::vector<std::uint32_t> forks;  // that leave the repetition
    const auto fork = [&] { forks.push_back(put({Kind::kFork, 0, here() + 1, here() + 1})); };
    const std::uint32_t begin = here();
    if (endless) {
      if (node.least == 0) fork();
      const std::uint32_t loop = here();
      if (Status s = write(body); !s) return s;
      const std::uint32_t back = put({Kind::kFork, 0, loop, here() + 1});
      if (lazy) std::swap(out_.code[back].first, out_.code[back].second);
    }
    for (std::uint32_t i = node.least; !endless && i < node.most; ++i) {
      fork();
      if (Status s = write(body); !s) return s;
    }
    for (const std::uint32_t at : forks) (lazy ? out_.code[at].first : out_.code[at].second) = here();
    if (node.greed == PatternNode::Greed::kPossessive && here() > begin) {
      if (body.kind != PatternNode::Kind::kSet)
        return invalid("a possessive repetition of more than one character is not supported");
      kept_.push_back({body.set, here()});
    }
    return Ok{};
  }

  // Whether a character of the set may come next at `after`.
  bool gives_back(const Kept& kept) const {
    std::vector<bool> seen(out_.code.size());
    std::vector<std::uint32_t> stack{kept.after};
    while (!stack.empty()) {
      const std::uint32_t at = stack.back();
      stack.pop_back();
      if (seen[at]) continue;
      seen[at] = true;
      const Instruction& i = out_.code[at];
      if (i.kind == Kind::kAccept) continue;
      if (i.kind == Kind::kFork) {
        stack.push_back(i.first);
        stack.push_back(i.second);
        continue;
      }
      const CodePoints& set = out_.sets[i.set];
      if (i.kind == Kind::kNotAhead ? kept.set.meets(set.inverted()) : kept.set.meets(set)) return true;
      if (i.kind != Kind::kTake) stack.push_back(at + 1);
    }
    return false;
  }

  PatternProgram out_;
  std::vector<Kept> kept_;
};

}  // namespace

Result<PatternProgram> program_of(const PatternNode& tree) {
  Writer writer;
  if (Status s = writer.write(tree); !s) return s.error();
  return writer.take();
}

}  // namespace preferd::text
