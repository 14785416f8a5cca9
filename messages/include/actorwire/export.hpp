#pragma once

/// Marks what a library of this project offers to programs; everything else stays hidden in it (`-fvisibility=hidden`).
#define ACTORWIRE_EXPORT __attribute__((visibility("default")))
