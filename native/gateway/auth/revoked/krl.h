// Reads OpenSSH's binary lists of revoked keys (ssh-keygen -k, PROTOCOL.krl).
#pragma once

#include "keys/certificate.h"

enum krl_verdict { KRL_FINE, KRL_REVOKED, KRL_DAMAGED };

bool krl_is(struct bytes list);
// Of a key, as a blob, and of the certificate by which it was shown, unless that is NULL. What is not
// understood, or damaged, might name it.
enum krl_verdict krl_look(struct bytes list, struct bytes key, const struct certificate *certificate);
