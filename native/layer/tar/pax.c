#include "tar/pax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attributes/access_list.h"
#include "cleanup.h"
#include "decimal.h"
#include "report.h"

void pax_clear(struct pax *pax) {
    free(pax->path);
    free(pax->link);
    free(pax->segments);
    tar_entry_clear(&pax->attributes);
    memset(pax, 0, sizeof *pax);
}

// "-12.5" is 12.5 s before the epoch: the fraction counts away from zero, while a timespec's counts up.
static int seconds(const char *text, size_t length, struct timespec *time) {
    bool negative = length > 0 && text[0] == '-';
    if (negative)
        text++, length--;
    const char *point = memchr(text, '.', length);
    size_t whole = point != NULL ? (size_t)(point - text) : length;
    uint64_t number;
    if (decimal_parse(text, whole, &number) < 0)
        return -1;
    long nanos = 0;
    long unit = 100000000;
    for (size_t index = whole + 1; index < length; index++, unit /= 10) {
        if (text[index] < '0' || text[index] > '9')
            return -1;
        nanos += (text[index] - '0') * unit; // digits beyond the ninth count nothing
    }
    time->tv_sec = negative ? -(time_t)number : (time_t)number;
    time->tv_nsec = nanos;
    if (negative && nanos > 0) {
        time->tv_sec--;
        time->tv_nsec = 1000000000 - nanos;
    }
    return 0;
}

int pax_add_segment(struct tar_segment **segments, size_t *count, uint64_t offset, uint64_t length,
                    struct err *err) {
    if (*count >= TAR_MAX_SEGMENTS)
        return err_plain(err, FAILURE_REFUSED, "sparse file with too many segments", "");
    // Grown at powers of two: the count itself says when the room is used up.
    if ((*count & (*count - 1)) == 0) {
        size_t room = *count == 0 ? 1 : *count * 2;
        struct tar_segment *grown = reallocarray(*segments, room, sizeof *grown);
        if (grown == NULL)
            return err_sys(err, "remember a sparse map", "");
        *segments = grown;
    }
    (*segments)[(*count)++] = (struct tar_segment){offset, length};
    return 0;
}

static int set_text(char **to, const char *value, size_t length, const char *key, struct err *err) {
    if (memchr(value, '\0', length) != NULL)
        return err_plain(err, FAILURE_REFUSED, "a NUL byte in the pax record", key);
    char *copy = strndup(value, length);
    if (copy == NULL)
        return err_sys(err, "remember the pax record", key);
    free(*to);
    *to = copy;
    return 0;
}

static int sparse_map(const char *value, size_t length, struct pax *pax, struct err *err) {
    uint64_t pair[2] = {0, 0};
    size_t filled = 0;
    for (size_t at = 0; at < length;) {
        const char *comma = memchr(value + at, ',', length - at);
        size_t end = comma != NULL ? (size_t)(comma - value) : length;
        if (decimal_parse(value + at, end - at, &pair[filled]) < 0)
            return err_plain(err, FAILURE_DAMAGED, "malformed pax record", "GNU.sparse.map");
        if (++filled == 2) {
            filled = 0;
            if (pax_add_segment(&pax->segments, &pax->segment_count, pair[0], pair[1], err) < 0)
                return -1;
        }
        at = end + 1;
    }
    return filled == 0 ? 0 : err_plain(err, FAILURE_DAMAGED, "malformed pax record", "GNU.sparse.map");
}

// The keys below "GNU.sparse." that carry a number.
static int sparse_number(const char *key, uint64_t number, struct pax *pax, struct err *err) {
    if (strcmp(key, "major") == 0) {
        pax->sparse_major = number > 1000 ? 1000 : (unsigned)number;
    } else if (strcmp(key, "minor") == 0) {
        pax->sparse_minor = number > 1000 ? 1000 : (unsigned)number;
    } else if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0) {
        pax->has_sparse_size = true;
        pax->sparse_size = number;
    } else if (strcmp(key, "offset") == 0) {
        pax->open_segment = true;
        return pax_add_segment(&pax->segments, &pax->segment_count, number, 0, err);
    } else if (strcmp(key, "numbytes") == 0) {
        if (!pax->open_segment)
            return err_plain(err, FAILURE_DAMAGED, "malformed pax record", "GNU.sparse.numbytes");
        pax->open_segment = false;
        pax->segments[pax->segment_count - 1].length = number;
    }
    return 0; // "numblocks" and what is unknown: the map says it already
}

static int sparse_record(const char *key, const char *value, size_t length, struct pax *pax,
                         struct err *err) {
    pax->sparse = true;
    if (strcmp(key, "map") == 0)
        return sparse_map(value, length, pax, err);
    if (strcmp(key, "name") == 0)
        return set_text(&pax->path, value, length, "GNU.sparse.name", err);
    uint64_t number;
    if (decimal_parse(value, length, &number) < 0)
        return err_plain(err, FAILURE_DAMAGED, "malformed pax record GNU.sparse", key);
    return sparse_number(key, number, pax, err);
}

static int number_record(const char *key, const char *value, size_t length, bool *has, uint64_t *number,
                         struct err *err) {
    if (decimal_parse(value, length, number) < 0)
        return err_plain(err, FAILURE_DAMAGED, "malformed pax record", key);
    *has = true;
    return 0;
}

static int access_list(const char *value, size_t length, const char *name, struct pax *pax, struct err *err) {
    cleanup_free char *text = NULL;
    if (set_text(&text, value, length, name, err) < 0)
        return -1;
    return access_list_parse(text, name, &pax->attributes, err);
}

static int record(const char *key, const char *value, size_t length, struct pax *pax, struct err *err) {
    static const char xattr[] = "SCHILY.xattr.";
    static const char sparse[] = "GNU.sparse.";
    if (strcmp(key, "path") == 0)
        // The name of a sparse file of version 0.1 and 1.0 is in GNU.sparse.name; "path" is a stand-in.
        return pax->sparse && pax->path != NULL ? 0 : set_text(&pax->path, value, length, key, err);
    if (strcmp(key, "linkpath") == 0)
        return set_text(&pax->link, value, length, key, err);
    if (strcmp(key, "size") == 0)
        return number_record(key, value, length, &pax->has_size, &pax->size, err);
    if (strcmp(key, "uid") == 0)
        return number_record(key, value, length, &pax->has_uid, &pax->uid, err);
    if (strcmp(key, "gid") == 0)
        return number_record(key, value, length, &pax->has_gid, &pax->gid, err);
    if (strcmp(key, "mtime") == 0) {
        if (seconds(value, length, &pax->mtime) < 0)
            return err_plain(err, FAILURE_DAMAGED, "malformed pax record", key);
        pax->has_mtime = true;
        return 0;
    }
    if (strncmp(key, xattr, sizeof xattr - 1) == 0) {
        const char *name = key + sizeof xattr - 1;
        if (tar_entry_add_xattr(&pax->attributes, name, strlen(name), value, length) < 0)
            return err_sys(err, "remember the pax record", key);
        return 0;
    }
    if (strcmp(key, "SCHILY.acl.access") == 0)
        return access_list(value, length, ACCESS_LIST, pax, err);
    if (strcmp(key, "SCHILY.acl.default") == 0)
        return access_list(value, length, DEFAULT_ACCESS_LIST, pax, err);
    if (strncmp(key, sparse, sizeof sparse - 1) == 0)
        return sparse_record(key + sizeof sparse - 1, value, length, pax, err);
    return 0; // atime, uname, comment and vendors' own: nothing here depends on them
}

int pax_parse(const uint8_t *bytes, size_t length, struct pax *pax, struct err *err) {
    const char *text = (const char *)bytes;
    for (size_t at = 0; at < length;) {
        const char *blank = memchr(text + at, ' ', length - at);
        uint64_t size;
        if (blank == NULL || decimal_parse(text + at, (size_t)(blank - text) - at, &size) < 0)
            return err_plain(err, FAILURE_DAMAGED, "malformed pax header: a record without its length", "");
        size_t start = (size_t)(blank - text) + 1;
        if (size > length - at || at + size <= start || text[at + size - 1] != '\n')
            return err_plain(err, FAILURE_DAMAGED, "malformed pax header: a record with a wrong length", "");
        size_t end = at + (size_t)size - 1;
        const char *equals = memchr(text + start, '=', end - start);
        if (equals == NULL || equals == text + start)
            return err_plain(err, FAILURE_DAMAGED, "malformed pax header: a record without a key", "");
        size_t key_length = (size_t)(equals - text) - start;
        char key[300];
        if (memchr(text + start, '\0', key_length) != NULL)
            return err_plain(err, FAILURE_DAMAGED, "malformed pax header: a NUL byte in a key", "");
        // Longer keys than any attribute name allows (255 bytes and the prefix) mean nothing here.
        if (key_length < sizeof key) {
            memcpy(key, text + start, key_length);
            key[key_length] = '\0';
            const char *value = equals + 1;
            size_t value_length = end - (size_t)(value - text);
            // An empty value takes an earlier record back (POSIX); an attribute may well be empty.
            bool keep = value_length > 0 || strncmp(key, "SCHILY.xattr.", 13) == 0;
            if (keep && record(key, value, value_length, pax, err) < 0)
                return -1;
        }
        at += (size_t)size;
    }
    return 0;
}
