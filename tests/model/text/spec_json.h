// The manifest's `input` object to InputSpec, without checks: for tests and the driver.
#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "model/text/input.h"

namespace preferd::text {

inline Truncation read_truncation(const Json& j) {
  static const std::map<std::string, Cut> kModes = {{"right", Cut::kRight},
                                                    {"left", Cut::kLeft},
                                                    {"ratio", Cut::kRatio},
                                                    {"proportional", Cut::kProportional}};
  Truncation out;
  out.mode = kModes.at(j.at("mode"));
  out.prompt = j.value("prompt", out.prompt);
  out.response = j.value("response", out.response);
  out.marker = j.value("marker", out.marker);
  if (j.contains("head")) out.head = j["head"].get<double>();
  return out;
}

inline ChatSpec read_chat(const Json& j) {
  ChatSpec out;
  if (j.contains("system")) out.system = j["system"].get<std::string>();
  out.generation_prompt = j.value("generation_prompt", false);
  out.suffix = j.value("suffix", "");
  return out;
}

inline InputSpec read_input_spec(const Json& j) {
  InputSpec out;
  out.layout = j.at("layout") == "pair" ? Layout::kPair : Layout::kPerResponse;
  for (const Json& s : j.at("template"))
    out.segments.push_back({s.value("field", ""), s.value("text", ""), s.value("special", false)});
  out.joining = j.value("tokenize", "joined") == "joined" ? Joining::kJoined : Joining::kSegments;
  out.add_bos = j.value("add_bos", false);
  out.add_eos = j.value("add_eos", false);
  out.max_tokens = j.at("max_tokens");
  if (j.contains("truncation")) out.truncation = read_truncation(j["truncation"]);
  if (j.contains("chat")) out.chat = read_chat(j["chat"]);
  return out;
}

inline Json inputs_json(const Inputs& inputs) {
  Json truncated = Json::object();
  for (std::size_t part = 0; part < inputs.truncated.size(); ++part)
    if (const Lost& lost = inputs.truncated[part]; lost.any())
      truncated[kPartNames[part]] = {{"tokens", lost.tokens}, {"chars", lost.chars}};
  const TokenCounts& n = inputs.tokens;
  return {{"sequences", inputs.sequences},
          {"tokens",
           {{"prompt", n.prompt},
            {"response_a", n.response_a},
            {"response_b", n.response_b},
            {"total", n.total}}},
          {"truncated", truncated}};
}

}  // namespace preferd::text
