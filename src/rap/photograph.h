/* photograph.h: the remark that a profile which understands drawings only (profile.json says so) was shown a
 * photograph. */
#ifndef RAP_RAP_PHOTOGRAPH_H
#define RAP_RAP_PHOTOGRAPH_H

#include "image/image.h"
#include "rap/handle.h"

#include <stdbool.h>

/* Needs models_profile(). */
bool photograph_is_foreign(const rap *r, const image *im);
void photograph_note(rap *r); /* for rap_note() */

#endif
