// Names that no other request of any process has: 16 random hexadecimal digits of this process, then a count.
#pragma once

#include <string>

namespace preferd::server {

std::string fresh_id();

}  // namespace preferd::server
