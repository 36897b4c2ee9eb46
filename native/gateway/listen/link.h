// Gets the settings from the daemon, and hears when they change.
#pragma once

#include "err.h"
#include "settings.h"

// `take` gets them, and owns them. Connects again whenever the daemon has gone.
void link_open(const char *run_folder, void (*take)(struct settings *settings));
