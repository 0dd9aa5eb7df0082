// One package on several devices: a replica of the scorer for each, and a thread for each call that it takes
// at a time.
//
// A call's items are cut into pieces of about one forward, and whichever replica is free takes the next. A
// replica that fails as a device (kDevice) is lost: it takes no more, its piece goes to another, and
// capacity() tells; the last one stays, and counts as lost until it answers again. What the replicas say of a
// pair is the same bits where their devices are alike.
#pragma once

#include <memory>
#include <vector>

#include "model/scorer/scorer.h"

namespace preferd::scorer {

// Of one package, at least one. `piece_tokens`: of one piece. As many calls at a time as there are replicas,
// or more.
std::shared_ptr<Scorer> make_replicas(std::vector<std::shared_ptr<Scorer>> replicas,
                                      std::size_t piece_tokens);

}  // namespace preferd::scorer
