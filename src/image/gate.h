/* gate.h: limits the memory that all decoders of a process use together. */
#ifndef RAP_IMAGE_GATE_H
#define RAP_IMAGE_GATE_H

#include <stdint.h>

/* Waits until `memory` bytes are free, or nothing else is decoded; pass the result to gate_leave(). */
uint64_t gate_enter(uint64_t memory);
void gate_leave(uint64_t held);

#endif
