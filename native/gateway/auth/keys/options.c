#include "auth/keys/options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum option {
    OPTION_AGENT,
    OPTION_PTY,
    OPTION_X11,
    OPTION_FORWARDING,
    OPTION_NOTHING, // what there is not here anyway
    OPTION_RESTRICT,
    OPTION_AUTHORITY,
    OPTION_TOUCH,
    OPTION_VERIFY,
    OPTION_COMMAND,
    OPTION_ENVIRONMENT,
    OPTION_EXPIRY,
    OPTION_FROM,
    OPTION_OPEN,
    OPTION_LISTEN,
    OPTION_PRINCIPALS,
    OPTION_IGNORED, // with a value
};

// `negates`: "no-" may stand in front.
static const struct row {
    const char *name;
    enum option option;
    bool value, negates;
} rows[] = {
    {"agent-forwarding", OPTION_AGENT, false, true},
    {"pty", OPTION_PTY, false, true},
    {"x11-forwarding", OPTION_X11, false, true},
    {"port-forwarding", OPTION_FORWARDING, false, true},
    {"user-rc", OPTION_NOTHING, false, true},
    {"restrict", OPTION_RESTRICT, false, false},
    {"cert-authority", OPTION_AUTHORITY, false, false},
    {"touch-required", OPTION_TOUCH, false, true},
    {"verify-required", OPTION_VERIFY, false, false},
    {"command", OPTION_COMMAND, true, false},
    {"environment", OPTION_ENVIRONMENT, true, false},
    {"expiry-time", OPTION_EXPIRY, true, false},
    {"from", OPTION_FROM, true, false},
    {"permitopen", OPTION_OPEN, true, false},
    {"permitlisten", OPTION_LISTEN, true, false},
    {"principals", OPTION_PRINCIPALS, true, false},
    {"tunnel", OPTION_IGNORED, true, false},
};

static bool number(const char *text, size_t digits, int *value) {
    *value = 0;
    for (size_t index = 0; index < digits; index++) {
        if (text[index] < '0' || text[index] > '9')
            return false;
        *value = *value * 10 + (text[index] - '0');
    }
    return true;
}

bool key_time_read(const char *text, time_t *moment) {
    struct tm parts = {.tm_isdst = -1};
    size_t length = strlen(text);
    bool universal = length > 0 && (text[length - 1] == 'Z' || text[length - 1] == 'z');
    length -= universal;
    if (length != 8 && length != 12 && length != 14)
        return false;
    if (!number(text, 4, &parts.tm_year) || !number(text + 4, 2, &parts.tm_mon) ||
        !number(text + 6, 2, &parts.tm_mday) || (length >= 12 && !number(text + 8, 2, &parts.tm_hour)) ||
        (length >= 12 && !number(text + 10, 2, &parts.tm_min)) ||
        (length == 14 && !number(text + 12, 2, &parts.tm_sec)))
        return false;
    if (parts.tm_year < 1970 || parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 ||
        parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon--;
    *moment = universal ? timegm(&parts) : mktime(&parts);
    return *moment != (time_t)-1;
}

// What is between quotes, of which one stands for itself with a backslash in front. NULL: it has no end.
static char *take_value(const char **line, const char *end) {
    const char *at = *line;
    if (at == end || *at != '"')
        return NULL;
    char *value = malloc((size_t)(end - at) + 1);
    size_t length = 0;
    for (at++; value != NULL && at < end && *at != '"'; at++) {
        if (*at == '\\' && at + 1 < end && at[1] == '"')
            at++;
        value[length++] = *at;
    }
    if (value == NULL || at == end) {
        free(value);
        return NULL;
    }
    value[length] = '\0';
    *line = at + 1;
    return value;
}

static void restrict_all(struct grant *grant, bool restricted) {
    grant->no_agent = grant->no_pty = grant->no_x11 = grant->no_forwarding = restricted;
}

// Options stand in order: "restrict,pty" gives the terminal back.
static void set_switch(struct key_options *options, enum option option, bool on) {
    struct grant *grant = &options->grant;
    switch (option) {
    case OPTION_AGENT:
        grant->no_agent = !on;
        break;
    case OPTION_PTY:
        grant->no_pty = !on;
        break;
    case OPTION_X11:
        grant->no_x11 = !on;
        break;
    case OPTION_FORWARDING:
        grant->no_forwarding = !on;
        break;
    case OPTION_RESTRICT:
        restrict_all(grant, true);
        break;
    case OPTION_AUTHORITY:
        options->authority = true;
        break;
    case OPTION_TOUCH:
        options->no_touch = !on;
        break;
    case OPTION_VERIFY:
        options->verify = true;
        break;
    default:
        break;
    }
}

static bool is_variable(const char *text) {
    size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return name > 0 && text[name] == '=';
}

static bool is_place(const char *text, bool needs_host) {
    const char *colon = strrchr(text, ':'), *port = colon != NULL ? colon + 1 : text;
    if (needs_host && (colon == NULL || colon == text))
        return false;
    size_t digits = strspn(port, "0123456789");
    return strcmp(port, "*") == 0 || (digits > 0 && digits < 6 && port[digits] == '\0');
}

static bool set_once(char **place, char *value) {
    if (*place != NULL) {
        free(value);
        return false;
    }
    *place = value;
    return true;
}

static bool set_expiry(struct key_options *options, char *value) {
    time_t moment;
    bool good = key_time_read(value, &moment);
    if (good && moment <= time(NULL))
        options->expired = true;
    free(value);
    return good;
}

// Takes the value.
static bool set_value(struct key_options *options, enum option option, char *value) {
    bool good = true;
    switch (option) {
    case OPTION_COMMAND:
        return set_once(&options->grant.command, value);
    case OPTION_FROM:
        return set_once(&options->from, value);
    case OPTION_PRINCIPALS:
        return set_once(&options->principals, value);
    case OPTION_ENVIRONMENT:
        good = is_variable(value);
        return grant_list_add(&options->grant.variables, value) && good;
    case OPTION_OPEN:
        good = is_place(value, true);
        return grant_list_add(&options->grant.opens, value) && good;
    case OPTION_LISTEN:
        good = is_place(value, false);
        return grant_list_add(&options->grant.listens, value) && good;
    case OPTION_EXPIRY:
        return set_expiry(options, value);
    default:
        free(value);
        return true;
    }
}

static const struct row *find(const char *name, size_t length, bool *negated) {
    *negated = length > 3 && strncasecmp(name, "no-", 3) == 0;
    if (*negated) {
        name += 3;
        length -= 3;
    }
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++)
        if (strlen(rows[index].name) == length && strncasecmp(rows[index].name, name, length) == 0 &&
            (!*negated || rows[index].negates))
            return &rows[index];
    return NULL;
}

static bool read_one(struct key_options *options, const char **line, const char *end, const char **problem) {
    const char *name = *line;
    size_t length = 0;
    bool negated;
    while (name + length < end && strchr("=, \t\"", name[length]) == NULL)
        length++;
    const struct row *row = find(name, length, &negated);
    if (row == NULL) {
        *problem = "an option that is not known";
        return false;
    }
    *line += length;
    if (!row->value) {
        set_switch(options, row->option, !negated);
        return true;
    }
    *problem = "an option whose value is none";
    if (*line == end || **line != '=')
        return false;
    (*line)++;
    char *value = take_value(line, end);
    return value != NULL && set_value(options, row->option, value);
}

bool key_options_read(struct key_options *options, const char **line, const char *end, const char **problem) {
    *options = (struct key_options){0};
    for (;;) {
        if (!read_one(options, line, end, problem))
            return false;
        if (*line == end || **line == ' ' || **line == '\t')
            return true;
        *problem = "options that no comma keeps apart";
        if (**line != ',')
            return false;
        (*line)++;
    }
}

void key_options_free(struct key_options *options) {
    grant_free(&options->grant);
    free(options->from);
    free(options->principals);
    *options = (struct key_options){0};
}
