// A key that somebody has shown.
#pragma once

#include "keys/certificate.h"

struct shown_key {
    const struct key_type *type;
    struct bytes blob;                     // of the certificate, where it is one
    const struct certificate *certificate; // NULL: it is a key
};
