// Where the memory of large CPU tensors comes from: one Region of the process, so that a forward reuses the
// pages of the one before. Applies to every tensor of the process that is made after the first call. Any
// thread. Does nothing if the system refuses the addresses, or if a sanitizer has to see each tensor by
// itself.
#pragma once

namespace preferd::ops {

void use_tensor_memory();

}  // namespace preferd::ops
