// The sandbox's /dev, made by the supervisor while it is still root of the host: the few devices that every
// sandbox has, and those of the host that policy gives it.
#pragma once

#include "err.h"
#include "spec.h"

int dev_build(const struct spec *spec, int root, struct err *err);
