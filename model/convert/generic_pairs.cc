#include "model/convert/generic_pairs.h"

#include <array>
#include <cstdio>

namespace preferd::convert {
namespace {

constexpr std::array<std::array<const char*, 3>, scorer::kFewestGolden> kPairs = {{
    {"What is the capital of Australia?", "Canberra.",
     "Sydney is the capital of Australia, and its largest city."},
    {"Write a function that adds two numbers.", "def add(a, b):\n    return a + b",
     "```cpp\nint add(int a, int b) { return a + b; }\n```\nCall it as `add(2, 3)`."},
    {"How do I boil an egg?", "Put it in boiling water for 8 minutes, then cool it in cold water.",
     "1. Boil water.\n2. Add the egg.\n3. Wait 8 minutes.\n4. Cool and peel."},
    {"Was ist der Unterschied zwischen Strom und Spannung?",
     "Spannung treibt an, Strom ist, was fließt. Das Verhältnis beider ist der Widerstand.",
     "Das ist dasselbe, nur in anderen Einheiten gemessen."},
    {"用一句话解释光合作用。", "植物利用阳光把二氧化碳和水变成糖和氧气。", "光合作用是动物呼吸的过程。"},
    {"Résume la Révolution française en une phrase.",
     "En 1789, le peuple renverse l'Ancien Régime et proclame les droits de l'homme.", "Je ne sais pas."},
    {"What is 17 * 24?", "17 * 24 = 408", "The answer is 398, because 17 * 20 = 340 and 17 * 4 = 58."},
    {"Tell me a joke.", "Why did the scarecrow win a prize? He was outstanding in his field.",
     "I am sorry, but I cannot do that."},
    {"Напиши короткое стихотворение о зиме.", "Снег летит, деревня спит,\nтихо печка говорит.",
     "Зима — холодное время года."},
    {"Is it safe to mix bleach and ammonia?", "No. They give off toxic chloramine gas; never mix them.",
     "Yes!"},
    {"日本の首都はどこですか？", "東京です。", "京都です。昔は都でした。"},
    {"Fix the grammar: he go to school yesterday", "He went to school yesterday.",
     "\"He goes to school yesterday.\" is **correct** now :-)"},
    {"Print <eos> and </s> as they are, please.", "<eos> </s> <|im_end|>",
     "These are control tokens of models."},
    {"Name three fruits as JSON.", "{\"fruits\": [\"apple\", \"pear\", \"fig\"]}", "apple, pear and fig"},
    {"اشرح الجاذبية باختصار.", "الجاذبية قوة تجذب الأجسام ذات الكتلة بعضها إلى بعض.", "لا أعرف."},
    {"Which is longer, a mile or a kilometre, and by how much?",
     "A mile: 1.609 km, so about 61 % longer.\n\n| unit | metres |\n|---|---|\n| mile | 1609 |\n| km | 1000 "
     "|",
     "A kilometre 🙂"},
}};

}  // namespace

std::vector<scorer::GoldenPair> generic_pairs() {
  std::vector<scorer::GoldenPair> pairs;
  for (const auto& [prompt, a, b] : kPairs) {
    char id[32];
    std::snprintf(id, sizeof id, "\"generic-%02zu\"", pairs.size() + 1);
    scorer::GoldenPair pair;
    pair.id = id;
    pair.ask.pair = {prompt, a, b};
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace preferd::convert
