// Permanent numbers of what can fail in the native programs. They are what the daemon goes by: what a
// failure's text says is for people. src/lib/failures.ts is the other side, with what each means to a user;
// test/unit/lib/failures.test.ts compares the two. Those up to 85 are exit statuses of dockersh-layer as
// well, the first ones as in sysexits(3h).
#pragma once

enum failure {
    FAILURE_NONE = 0,
    FAILURE_USAGE = 64,    // arguments that the daemon never gives
    FAILURE_REFUSED = 65,  // what was read is not accepted
    FAILURE_SYSTEM = 71,   // the system refused something that has no number of its own
    FAILURE_ENTRY = 80,    // the system refused something of one entry of an archive
    FAILURE_FULL = 81,     // no space on the disk, or no more for this owner
    FAILURE_DAMAGED = 82,  // no whole archive
    FAILURE_EXCESS = 83,   // more than the limits of an archive allow
    FAILURE_IDS = 84,      // an id that sandboxes do not have
    FAILURE_NAMELESS = 85, // an id that is only named
    // What fails in a sandbox's start, or a session's.
    FAILURE_PROTOCOL = 100,    // a message that is not understood
    FAILURE_KERNEL = 101,      // this kernel can't do it
    FAILURE_LIMIT = 102,       // a limit that the kernel does not take
    FAILURE_PROCESSES = 103,   // the sandbox has as many processes as it may
    FAILURE_MEMORY = 104,      // the sandbox is short of memory
    FAILURE_IMAGE = 105,       // a layer, or a folder of the image, is not there
    FAILURE_HOME = 106,        // the home is not there, or somebody else's
    FAILURE_MOUNT = 107,       // a folder that the policy shows
    FAILURE_DEVICE = 108,      // a device that the policy gives
    FAILURE_DESCRIPTORS = 109, // those of a login are none that a session can have
    FAILURE_SHELL = 110,       // no shell can be run, /bin/sh neither
    FAILURE_NETWORK = 111,     // the private network can't be made
    FAILURE_PORT = 112,        // a port of the host that is to be published is taken
    FAILURE_UNRECORDED = 113,  // there is no room to record the session's terminal
    // Why a session is not taken; its client goes back to the daemon.
    FAILURE_STOPPING = 120,
    FAILURE_PLACES = 121,   // as many sessions as a supervisor has places for
    FAILURE_SESSIONS = 122, // as many as the session's own limit allows
    FAILURE_STUCK = 123,    // what earlier clients have sent can't be closed
};
