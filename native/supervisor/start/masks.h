// Covers what of /proc and /sys is the whole machine's: what tells of its addresses, interrupts and keys, and
// the sysctls that the sandbox's own root could write to. With nesting nothing is covered: whoever makes
// namespaces can mount proc anew, and where a part of it is covered the kernel refuses that
// (mount_too_revealing), so that no container would start.
#pragma once

#include "spec.h"

// In the sandbox's mount namespace, when /proc and /sys are mounted, and nothing is on /dev/shm and
// /dev/mqueue yet.
int masks_add(const struct spec *spec, int root, struct err *err);
