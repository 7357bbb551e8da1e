/* names.h: names for concepts that have none: short, pronounceable, and drawn without regard to what they are
 * given to, so that no answer can be guessed from a name. */
#ifndef RAP_DATASET_NAMES_H
#define RAP_DATASET_NAMES_H

#include <stdint.h>

enum { DATASET_NAME = 132 }; /* bytes with the NUL; a store allows 128 */

/* The name of an object, the same in every sample of it. Two objects of one data set may get the same name; of one
 * prompt they never do: `attempt` counts the tries. */
void dataset_name(char out[DATASET_NAME], uint64_t seed, const char *identity, int attempt);

/* Can a source's own name stand in brackets in a prompt? */
int dataset_name_fits(const char *name);

#endif
