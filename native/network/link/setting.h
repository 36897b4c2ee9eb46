// Writes settings of the network namespace that the caller is in: /proc/sys/net shows everybody their own.
#pragma once

#include "err.h"

// `family` is a folder of /proc/sys/net, `link` one of its conf or NULL.
int setting_write(const char *family, const char *link, const char *setting, const char *value,
                  struct err *err);
// The same where the kernel has it; otherwise there is nothing to set.
int setting_write_if_there(const char *family, const char *link, const char *setting, const char *value,
                           struct err *err);
