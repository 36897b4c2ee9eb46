// Reads the settings that the daemon has written into the run folder, now and whenever there are others.
#pragma once

#include "settings.h"

// `take` gets them, and owns them.
void link_open(const char *run_folder, void (*take)(struct settings *settings));
