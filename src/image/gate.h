/* gate.h: how much memory the decoders of a process take together. */
#ifndef RAP_IMAGE_GATE_H
#define RAP_IMAGE_GATE_H

#include <stdint.h>

/* Waits until `memory` bytes fit beside what runs, or nothing runs; gate_leave() what it returns. */
uint64_t gate_enter(uint64_t memory);
void gate_leave(uint64_t held);

#endif
