// The one style sheet of all reports. Charts name colours by class, so that the dark and light schemes are
// defined here.
#pragma once

namespace preferd::training {

extern const char* const kStyle;

}  // namespace preferd::training
