#include "auth/keys/allowed.h"

#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/keys/authority.h"
#include "auth/keys/lines.h"
#include "auth/keys/place.h"
#include "auth/keys/source.h"
#include "auth/revoked/revoked.h"
#include "cleanup.h"
#include "keys/match.h"
#include "log.h"
#include "monitor/self.h"

struct look {
    struct key_search search; // first: what finds a line gets this
    const struct monitor *monitor;
    const struct shown_key *shown;
    struct key_options *options;
};

static bool refuse(const struct look *look, const struct key_line *line, const char *why) {
    log_line(LOG_NOTICE, "A key of %s's is not taken, shown from %s: by line %u of %s %s.",
             look->monitor->auth.user, look->monitor->address, line->number, look->search.place, why);
    return false;
}

static bool found(struct key_search *search, struct key_line *line) {
    struct look *look = (struct look *)(void *)search;
    struct key_options *options = &line->options;
    const struct certificate *certificate = look->shown->certificate;
    if (options->authority != (certificate != NULL))
        return false;
    if (options->expired)
        return refuse(look, line, "it has expired");
    if (options->from != NULL && !match_address(options->from, look->monitor->address))
        return refuse(look, line, "it counts from elsewhere alone");
    if (certificate != NULL &&
        !authority_names(certificate, options->principals, look->monitor->auth.account.name))
        return refuse(look, line, "the certificate names nobody that may come in");
    *look->options = *options;
    *options = (struct key_options){0};
    return true;
}

static bool search(struct look *look, char *text, size_t length, const char *place, const char *why) {
    cleanup_free char *owned = text;
    if (owned == NULL) {
        if (why != NULL)
            log_line(LOG_WARNING, "%s is passed over for %s: %s.", place, look->monitor->auth.user, why);
        return false;
    }
    look->search.place = place;
    return key_lines_search(&look->search, owned, length);
}

// ---- where keys are ------------------------------------------------------------------------------------

static bool in_files(struct look *look) {
    const struct account *account = &look->monitor->auth.account;
    const struct reader reader = {.name = account->name, .uid = account->uid, .gid = account->gid};
    for (char *const *file = look->monitor->world->settings->key_files; *file != NULL; file++) {
        size_t length = 0;
        const char *why = NULL;
        cleanup_free char *path = place_of(account, *file);
        if (path == NULL)
            continue;
        char *text = source_file(&reader, path, account->home, &length, &why);
        if (search(look, text, length, path, why))
            return true;
    }
    return false;
}

// False: there is no such account, and the command is not run.
static bool reader_of(const char *name, struct reader *reader) {
    const struct passwd *entry = name != NULL ? getpwnam(name) : NULL;
    if (entry == NULL)
        return false;
    *reader = (struct reader){.name = name, .uid = entry->pw_uid, .gid = entry->pw_gid};
    return true;
}

// What dockershd has copied of a private home.
static bool kept_inside(struct look *look) {
    const struct monitor_world *world = look->monitor->world;
    struct reader reader;
    char program[4096], uid[16];
    size_t length = 0;
    const char *why = NULL;
    if (!reader_of("dockersh-keys", &reader) && !reader_of("nobody", &reader))
        return false;
    (void)snprintf(program, sizeof program, "%s/dockersh-keys", world->libexec);
    (void)snprintf(uid, sizeof uid, "%u", look->monitor->auth.account.uid);
    char *const plain[] = {program, uid, look->monitor->auth.account.name, NULL};
    char *const elsewhere[] = {
        program, "--folder", (char *)(uintptr_t)world->keys_folder, uid, look->monitor->auth.account.name,
        NULL};
    char *text = source_command(&reader, world->keys_folder != NULL ? elsewhere : plain, &length, &why);
    return search(look, text, length, "the keys inside", why);
}

static bool by_command(struct look *look) {
    const struct settings *settings = look->monitor->world->settings;
    struct reader reader;
    char *words[MOST_WORDS_OF_COMMAND + 1] = {NULL};
    size_t length = 0;
    const char *why = NULL;
    if (settings->keys_command[0] == NULL)
        return false;
    if (!reader_of(settings->keys_command_user, &reader) || reader.uid == 0) {
        log_line(LOG_ERR,
                 "authorized_keys_command is not run: authorized_keys_command_user is nobody, or root.");
        return false;
    }
    bool whole = command_of(look->monitor, look->shown, settings->keys_command, words);
    char *text = whole ? source_command(&reader, words, &length, &why) : NULL;
    bool has = search(look, text, length, settings->keys_command[0], why);
    for (char **word = words; *word != NULL; word++)
        free(*word);
    return has;
}

bool key_is_allowed(const struct monitor *monitor, const struct shown_key *shown,
                    struct key_options *options) {
    struct look look = {.search = {.found = found}, .monitor = monitor, .shown = shown, .options = options};
    *options = (struct key_options){0};
    look.search.blob = shown->certificate != NULL ? shown->certificate->ca : shown->blob;
    if (key_is_revoked(monitor, shown))
        return false;
    bool allowed =
        (shown->certificate != NULL && authority_is_trusted(monitor, shown->certificate, options)) ||
        kept_inside(&look) || in_files(&look) || by_command(&look);
    if (!allowed || shown->certificate == NULL)
        return allowed;
    if (authority_grants(monitor, shown->certificate, options))
        return true;
    key_options_free(options);
    return false;
}
