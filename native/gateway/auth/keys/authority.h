// Judges certificates: whose count, for whom, and what they give.
#pragma once

#include "auth/keys/options.h"
#include "keys/certificate.h"

struct monitor;

// Whether the CA is one of the settings', and the certificate names the account.
bool authority_is_trusted(const struct monitor *monitor, const struct certificate *certificate,
                          struct key_options *options);
// Whether the certificate names one of the principals, or where there are none the account.
bool authority_names(const struct certificate *certificate, const char *principals, const char *account);
// Takes over what the certificate itself says, and says of whether it counts now, and here.
bool authority_grants(const struct monitor *monitor, const struct certificate *certificate,
                      struct key_options *options);
