#include "jobs/list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"
#include "tar/reader.h"

static char kind_letter(const struct tar_entry *entry) {
    switch (entry->kind) {
    case TAR_FILE:
        return entry->stored == entry->size ? 'f' : 'o'; // a sparse file is not its data in one piece
    case TAR_HARDLINK:
    case TAR_SYMLINK:
        return 'l';
    default:
        return 'o';
    }
}

static int print_entry(const struct tar_reader *reader, const struct tar_entry *entry, struct err *err) {
    int printed = printf("%c %" PRIu64 " %" PRIu64 " %s", kind_letter(entry), reader->offset, entry->stored,
                         entry->path);
    const char *link = entry->link != NULL ? entry->link : "";
    if (printed < 0 || putchar('\0') < 0 || fputs(link, stdout) < 0 || putchar('\0') < 0)
        return err_sys(err, "write the list", "");
    return 0;
}

static int list_entries(struct tar_reader *reader, const struct limits *limits, struct err *err) {
    for (uint64_t count = 0;; count++) {
        struct tar_entry entry __attribute__((cleanup(tar_entry_clear)));
        int found = tar_reader_next(reader, &entry, err);
        if (found <= 0)
            return found;
        if (count == limits->max_entries)
            return err_plain(err, FAILURE_EXCESS, "the archive has more entries than the limit allows", "");
        // No file could be called so, and nobody wants to hear it: a small archive can hold gigabytes of
        // names.
        if (strlen(entry.path) > limits->max_path ||
            (entry.link != NULL && strlen(entry.link) > limits->max_path))
            return err_plain(err, FAILURE_EXCESS, "the path is longer than the limit allows", "");
        if (print_entry(reader, &entry, err) < 0)
            return -1;
    }
}

int list(int fd, const struct limits *limits, struct err *err) {
    struct tar_reader reader;
    struct stat info;
    if (tar_reader_open(&reader, fd, UINT64_MAX, err) < 0)
        return -1;
    reader.seekable = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    int done = list_entries(&reader, limits, err);
    tar_reader_close(&reader);
    if (fflush(stdout) != 0 && done == 0)
        done = err_sys(err, "write the list", "");
    return done;
}
