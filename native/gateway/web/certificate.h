// Holds the certificate and the key of the web page, as the files have them just now.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "settings.h"

struct certificate {
    char *bytes; // certificates and key as PEM; NULL: there are none
    size_t length;
    char *names[2];      // of the files
    struct stat seen[2]; // as they were looked at last, whether they were taken or not
};

// Looks whether the files have changed, or are others, and takes them then. Those that do not fit together,
// or are not to be trusted, are told of once, and change nothing. False: there are none.
bool certificate_look(struct certificate *certificate, const struct settings *settings);
// There are none any more.
void certificate_forget(struct certificate *certificate);
