// The one style sheet of all reports. Charts name colours by class, so that dark and light are decided here.
#pragma once

namespace preferd::training {

extern const char* const kStyle;

}  // namespace preferd::training
