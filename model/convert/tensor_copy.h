// Processes large mapped tensors piece by piece, so that memory holds only a few megabytes of them.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "model/checkpoint/checkpoint_writer.h"
#include "model/checkpoint/safetensors.h"

namespace preferd::convert {

// Calls `visit` with the bytes of `mapped` (files, not buffers) in order, whole elements at a time, and
// releases each piece after the call.
Status in_pieces(const checkpoint::StoredTensor& mapped,
                 const std::function<Status(std::span<const std::byte>)>& visit);

// Copies the tensor unchanged.
Status copy_tensor(const std::string& name, const checkpoint::StoredTensor& mapped,
                   checkpoint::CheckpointWriter& out);

// all_finite() for a mapped tensor.
bool finite_in_pieces(const checkpoint::StoredTensor& mapped);

}  // namespace preferd::convert
