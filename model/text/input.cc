#include "model/text/input.h"
