#include "auth/keys/authority.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/keys/lines.h"
#include "auth/keys/place.h"
#include "auth/keys/source.h"
#include "cleanup.h"
#include "keys/match.h"
#include "log.h"
#include "monitor/self.h"

static bool refuse(const struct monitor *monitor, const struct certificate *certificate, const char *why) {
    log_line(LOG_NOTICE, "The certificate \"%.*s\" (%llu) is not taken, shown for %s from %s: %s.",
             certificate->id.length > 100 ? 100 : (int)certificate->id.length,
             (const char *)certificate->id.at, (unsigned long long)certificate->serial, monitor->auth.user,
             monitor->address, why);
    return false;
}

bool authority_names(const struct certificate *certificate, const char *principals, const char *account) {
    struct blob_reader reader = blob_open(certificate->principals);
    if (principals == NULL)
        return certificate_names(certificate, account);
    while (reader.at < reader.end && !reader.bad)
        if (match_word(principals, blob_string(&reader)))
            return true;
    return false;
}

// ---- principals in a file ------------------------------------------------------------------------------

// "[options] NAME". True: the certificate names it.
static bool line_names(const struct monitor *monitor, const struct certificate *certificate, const char *line,
                       const char *end, struct key_options *options) {
    char name[256];
    const char *problem = NULL, *at = line;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    const char *word = end;
    while (word > at && word[-1] != ' ' && word[-1] != '\t')
        word--;
    if (at == end || *at == '#' || (size_t)(end - word) >= sizeof name)
        return false;
    memcpy(name, word, (size_t)(end - word));
    name[end - word] = '\0';
    if (!certificate_names(certificate, name))
        return false;
    if (word > at && !key_options_read(options, &at, word, &problem))
        log_line(LOG_WARNING, "A line of the principals of %s has %s.", monitor->auth.user, problem);
    else if (!options->expired && (options->from == NULL || match_address(options->from, monitor->address)))
        return true;
    key_options_free(options);
    return false;
}

static bool file_names(const struct monitor *monitor, const struct certificate *certificate,
                       struct key_options *options) {
    const struct account *account = &monitor->auth.account;
    const struct reader reader = {.name = account->name, .uid = account->uid, .gid = account->gid};
    size_t length = 0;
    const char *why = NULL;
    cleanup_free char *path = place_of(account, monitor->world->settings->principals_file);
    cleanup_free char *text = path != NULL ? source_file(&reader, path, account->home, &length, &why) : NULL;
    if (text == NULL)
        return refuse(monitor, certificate, why != NULL ? why : "the account has no principals");
    for (const char *at = text, *end = text + length; at < end;) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        if (line_names(monitor, certificate, at, next != NULL ? next : end, options))
            return true;
        at = next != NULL ? next + 1 : end;
    }
    return refuse(monitor, certificate, "it has none of the account's principals");
}

// ---- CAs of the settings -------------------------------------------------------------------------------

static bool found(struct key_search *search, struct key_line *line) {
    (void)search;
    (void)line;
    return true;
}

bool authority_is_trusted(const struct monitor *monitor, const struct certificate *certificate,
                          struct key_options *options) {
    const char *path = monitor->world->settings->ca_keys, *why = NULL;
    const struct reader root = {.name = "root"};
    size_t length = 0;
    if (path == NULL)
        return false;
    cleanup_free char *text = source_file(&root, path, "/", &length, &why);
    struct key_search search = {.blob = certificate->ca, .place = path, .found = found};
    if (text == NULL) {
        log_line(LOG_ERR, "%s can't be read (trusted_ca): %s.", path, why != NULL ? why : "it is not there");
        return false;
    }
    if (!key_lines_search(&search, text, length))
        return false;
    if (monitor->world->settings->principals_file != NULL)
        return file_names(monitor, certificate, options);
    return authority_names(certificate, NULL, monitor->auth.account.name) ||
           refuse(monitor, certificate, "it does not name the account");
}

// ---- what a certificate says ---------------------------------------------------------------------------

// An option's value is a string within. NULL: it is none.
static char *text_in(struct bytes value) {
    struct blob_reader reader = blob_open(value);
    struct bytes inner = blob_string(&reader);
    if (!blob_whole(&reader) || memchr(inner.at, '\0', inner.length) != NULL)
        return NULL;
    return strndup((const char *)inner.at, inner.length);
}

// NULL: it is taken over; or why not.
static const char *take_option(const struct monitor *monitor, struct bytes name, struct bytes value,
                               struct key_options *options) {
    if (bytes_are(name, "verify-required")) {
        options->verify = true;
        return NULL;
    }
    cleanup_free char *text = text_in(value);
    if (text == NULL)
        return "an option's value is none";
    if (bytes_are(name, "source-address"))
        return match_address(text, monitor->address) ? NULL : "it counts from elsewhere alone";
    if (!bytes_are(name, "force-command"))
        return "it has an option that is not known";
    if (options->grant.command != NULL && strcmp(options->grant.command, text) != 0)
        return "the key's line has another command";
    free(options->grant.command);
    options->grant.command = text;
    text = NULL;
    return NULL;
}

// What it does not permit is not permitted.
static bool take_extensions(const struct certificate *certificate, struct key_options *options) {
    struct blob_reader reader = blob_open(certificate->extensions);
    struct bytes name, value;
    bool pty = false, agent = false, x11 = false, forwarding = false, no_touch = false;
    while (certificate_next(&reader, &name, &value)) {
        pty |= bytes_are(name, "permit-pty");
        agent |= bytes_are(name, "permit-agent-forwarding");
        x11 |= bytes_are(name, "permit-X11-forwarding");
        forwarding |= bytes_are(name, "permit-port-forwarding");
        no_touch |= bytes_are(name, "no-touch-required");
    }
    options->grant.no_pty |= !pty;
    options->grant.no_agent |= !agent;
    options->grant.no_x11 |= !x11;
    options->grant.no_forwarding |= !forwarding;
    options->no_touch &= no_touch;
    return !reader.bad;
}

bool authority_grants(const struct monitor *monitor, const struct certificate *certificate,
                      struct key_options *options) {
    struct blob_reader reader = blob_open(certificate->options);
    struct bytes name, value;
    uint64_t now = (uint64_t)time(NULL);
    if (certificate->kind != CERTIFICATE_USER)
        return refuse(monitor, certificate, "it is not a user's");
    if (now < certificate->valid_after)
        return refuse(monitor, certificate, "it does not count yet");
    if (now >= certificate->valid_before)
        return refuse(monitor, certificate, "it has expired");
    while (certificate_next(&reader, &name, &value)) {
        const char *why = take_option(monitor, name, value, options);
        if (why != NULL)
            return refuse(monitor, certificate, why);
    }
    return (!reader.bad && take_extensions(certificate, options)) ||
           refuse(monitor, certificate, "it is damaged");
}
