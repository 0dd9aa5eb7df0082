// One package on several devices: a replica of the scorer for each device, and a thread for each call that a
// replica takes at a time.
//
// A call's items are cut into pieces of about one forward, and whichever replica is free takes the next
// piece. A replica that fails as a device (kDevice) is lost: it takes no more work, its piece goes to another
// replica, and capacity() reports it. The last replica stays in use, and counts as lost until it answers
// again. Replicas on devices of the same kind give the same bits.
#pragma once

#include <memory>
#include <vector>

#include "model/scorer/scorer.h"

namespace preferd::scorer {

// `replicas`: at least one, all of one package. `piece_tokens`: the size of one piece. The result accepts as
// many calls at a time as there are replicas, or more.
std::shared_ptr<Scorer> make_replicas(std::vector<std::shared_ptr<Scorer>> replicas,
                                      std::size_t piece_tokens);

}  // namespace preferd::scorer
