#include "auth/pam.h"

bool pam_begin(struct monitor *monitor, const char *password) {
    (void)monitor;
    (void)password;
    return false;
}

bool pam_check_account(struct monitor *monitor) {
    auth_later(monitor, OUTCOME_SUCCESS, NULL);
    return true;
}

bool pam_answer(struct monitor *monitor, const struct asked *asked) {
    (void)monitor;
    (void)asked;
    return false;
}

void pam_cancel(struct monitor *monitor) {
    (void)monitor;
}
