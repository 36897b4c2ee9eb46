#include "connection/parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "sum.h"

bool parts_is_in(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

// Absolute, and as the kernel would walk it: nothing in it is a link's or a parent's name.
static bool is_plain_path(const char *path) {
    if (path[0] != '/' || path[1] == '\0' || path[strlen(path) - 1] == '/')
        return false;
    return strstr(path, "//") == NULL && strstr(path, "/./") == NULL && strstr(path, "/../") == NULL &&
           strcmp(strrchr(path, '/'), "/.") != 0 && strcmp(strrchr(path, '/'), "/..") != 0;
}

static bool has_control(const char *line) {
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            return true;
    return false;
}

// A line with as many fields as it must have, the first not empty: nothing in it can begin another line.
static bool is_line(const char *line, unsigned colons) {
    unsigned found = 0;
    for (const char *at = line; *at != '\0'; at++)
        found += *at == ':' ? 1 : 0;
    return found == colons && line[0] != ':' && !has_control(line);
}

static char *home_of(const char *account) {
    const char *at = account;
    for (int colon = 0; colon < 5; colon++)
        at = strchr(at, ':') + 1;
    return strndup(at, strcspn(at, ":"));
}

static bool take_text(char **text, const struct wire_field *field) {
    free(*text);
    return (*text = wire_text(field)) != NULL;
}

static bool read_field(struct parts *parts, const struct wire_field *field) {
    switch (field->tag) {
    case TAG_ACCOUNT:
        return take_text(&parts->account, field);
    case TAG_ACCOUNT_GROUP:
        return parts->group_count < MAX_GROUPS && take_text(&parts->groups[parts->group_count++], field) &&
               is_line(parts->groups[parts->group_count - 1], 3);
    case TAG_HOME_INSIDE:
        return take_text(&parts->home_inside, field);
    case TAG_CLIENT_FOLDER:
        return take_text(&parts->client_folder, field);
    case TAG_RUN:
        return take_text(&parts->run, field);
    default:
        return true;
    }
}

int parts_read(struct parts *parts, struct wire_reader reader) {
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (!read_field(parts, &field))
            return -1;
    }
    if (parts->account == NULL || !is_line(parts->account, 6) || parts->home_inside == NULL ||
        parts->client_folder == NULL || parts->run == NULL || !is_plain_path(parts->run))
        return -1;
    parts->home = home_of(parts->account);
    return parts->home != NULL ? 0 : -1;
}

void parts_free(struct parts *parts) {
    free(parts->account);
    free(parts->home);
    free(parts->home_inside);
    free(parts->client_folder);
    free(parts->run);
    for (size_t index = 0; index < parts->group_count; index++)
        free(parts->groups[index]);
    *parts = (struct parts){0};
}

// FNV-1a: nobody gains by two that are equal.
static void add_text(uint64_t *sum, const char *text) {
    sum_add(sum, text, strlen(text) + 1);
}

static void add_file(uint64_t *sum, const char *path, bool content) {
    struct stat info;
    if (stat(path, &info) != 0)
        info = (struct stat){0};
    sum_add(sum, &info.st_dev, sizeof info.st_dev);
    sum_add(sum, &info.st_ino, sizeof info.st_ino);
    if (content)
        sum_add(sum, &info.st_mtim, sizeof info.st_mtim);
}

uint64_t parts_signature(const struct parts *parts) {
    static const char *const copied[] = {"/etc", "/etc/passwd", "/etc/group", "/etc/resolv.conf"};
    static const char *const shown[] = {"/var/log/lastlog", "/var/log/wtmp", "/var/log/btmp", "/run/utmp",
                                        "/dev/log"};
    uint64_t sum = SUM_START;
    const char *const texts[] = {parts->account, parts->home_inside, parts->client_folder, parts->run};
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++)
        add_text(&sum, texts[index]);
    for (size_t index = 0; index < parts->group_count; index++)
        add_text(&sum, parts->groups[index]);
    for (size_t index = 0; index < sizeof copied / sizeof copied[0]; index++)
        add_file(&sum, copied[index], true);
    for (size_t index = 0; index < sizeof shown / sizeof shown[0]; index++)
        add_file(&sum, shown[index], false);
    return sum;
}
