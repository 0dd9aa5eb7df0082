// TF-IDF cosine similarity of two responses to their prompt, as scikit-learn computes it.
#pragma once

#include <string_view>

namespace preferd::features {

struct Similarities {
  double a = 0, b = 0;
  bool comparable = false;  // false: a text is blank or the prompt has no word of two characters; then a = b
                            // = 0
};

// Bit for bit TfidfVectorizer(max_features=200) fitted on the prompt, then cosine_similarity; among equally
// frequent words at the limit, those with smaller code points stay. n log n in the length of the texts,
// whatever they contain. Requires valid UTF-8.
Similarities similarities(std::string_view prompt, std::string_view response_a, std::string_view response_b);

}  // namespace preferd::features
