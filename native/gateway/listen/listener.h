// Accepts connections, and gives each a connection process and a monitor.
#pragma once

#include "listen/pool.h"
#include "monitor/monitor.h"

struct listener_options {
    struct monitor_world world; // its settings and host keys are the listener's own
    struct gateway_program program;
    const char *host_keys_folder, *web_script, *tls_program;
};

int listener_open(const struct listener_options *options, struct err *err);
// Settings that are in force from now on; the listener's, also where it fails: then those from before stay.
// Connections that are there keep theirs.
int listener_configure(struct settings *settings, struct err *err);
// Ends what waits; connections go on.
void listener_close(void);
