// Where the memory of large CPU tensors comes from: a Region of the process, so that a forward finds the
// pages of the one before. From the first call on, for every tensor of the process that is made later. Any
// thread. Does nothing where the system refuses the addresses, or where a sanitizer is to see each tensor by
// itself.
#pragma once

namespace preferd::ops {

void use_tensor_memory();

}  // namespace preferd::ops
