// Room that is kept on a user's disk, which may be full to the last block and inode: small files that
// only we get at. Mounting the overlay makes some files for a moment; these give way to them.
#pragma once

// `layer` holds "upper" and "work". Nothing is kept where there is no folder "kept".
void kept_release(const char *layer);
// Before anything of the user's runs.
void kept_take(const char *layer);
