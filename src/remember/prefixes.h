/* prefixes.h: evaluated starts of prompts, kept in files beside the store: opaque bytes under a name, and the concepts that
 * they hold. What is forgotten or changed takes them along.
 *
 *     STORE-prefixes/NAME    magic, sizes, name, [concepts] id and time of its last change, the bytes; each part with a sum
 *
 * The folder and its files are for their owner only, and a file that anybody else could have written is not read. */
#ifndef RAP_REMEMBER_PREFIXES_H
#define RAP_REMEMBER_PREFIXES_H

#include "remember/inside.h"

/* Removes the files of concepts that are gone or have changed, and those that cannot be read. Called when a store is
 * opened for writing and after each change that deletes. */
void prefixes_sweep(store *s);

#endif
