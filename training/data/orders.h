// In which orders of its two responses an example is shown to a model.
#pragma once

namespace preferd::training {

// kGiven: as in the row, which is the only order if a head's two orders are mirrors (difference). kBoth: also
// exchanged.
enum class Orders { kGiven, kBoth };

}  // namespace preferd::training
