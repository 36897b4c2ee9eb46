#include "auth/account.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

// Shells that are there to keep an account from being logged in to.
static bool lets_in(const char *shell) {
    const char *name = strrchr(shell, '/');
    name = name != NULL ? name + 1 : shell;
    return strcmp(name, "nologin") != 0 && strcmp(name, "false") != 0;
}

bool account_find(struct account *account, const char *name) {
    *account = (struct account){0};
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL || entry->pw_uid == 0 || !lets_in(entry->pw_shell))
        return false;
    account->name = strdup(entry->pw_name);
    account->home = strdup(entry->pw_dir);
    account->shell = strdup(entry->pw_shell);
    account->uid = entry->pw_uid;
    account->gid = entry->pw_gid;
    if (account->name != NULL && account->home != NULL && account->shell != NULL && account->home[0] == '/')
        return true;
    account_free(account);
    return false;
}

void account_free(struct account *account) {
    free(account->name);
    free(account->home);
    free(account->shell);
    *account = (struct account){0};
}
