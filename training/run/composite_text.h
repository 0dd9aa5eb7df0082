// The text side of an ensemble or a cascade.
#pragma once

#include <memory>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/scorer.h"
#include "training/data/text_side.h"

namespace preferd::training {

// When asked for both orders, it returns an Encoded whose members are the pair in the given and in the
// exchanged order, each asked alone: a cascade asked for both at once takes one path for both, but the
// figures are for the given order. Borrows the scorer, which was loaded from `folder`.
Result<TextSide> composite_text(const std::shared_ptr<const Files>& folder, const scorer::Scorer& scorer);

}  // namespace preferd::training
