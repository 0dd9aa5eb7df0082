// The scorer of one package. It encodes through its PairEncoder and scores by packing items that share a body
// and a pooling into forwards of bounded size. Internal to the room.
#pragma once

#include <memory>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/load.h"
#include "model/scorer/scorer.h"

namespace preferd::ops {
class Compute;
}

namespace preferd::scorer {

struct Placement;

// `cpu` may serve several scorers, one at a time.
Result<std::shared_ptr<Scorer>> load_package(std::shared_ptr<const Files> package,
                                             std::shared_ptr<ops::Compute> cpu, const Placement& placement,
                                             Golden golden);

}  // namespace preferd::scorer
