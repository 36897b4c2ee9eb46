// Says what a viewer of a session may do, and how many there can be.
#pragma once

#define KEEPER_VIEWERS 16

enum keeper_view {
    VIEW_TYPES = 1, // its keys are the session's
    VIEW_HOLDS = 2, // while it reads nothing, and nobody else does, the session waits
    VIEW_SIZES = 4, // its window counts
    VIEW_FRESH = 8, // has seen nothing yet of a session that has begun
};
