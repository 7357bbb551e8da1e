/* colour.h: converts rows of a file's samples to 8-bit sRGB on white. The file's colour codes, its ICC
 * profile, or its gamma and primaries define the colours; an unusable profile is ignored. */
#ifndef RAP_IMAGE_COLOUR_H
#define RAP_IMAGE_COLOUR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct colour_source { /* {0}: sRGB, as of a file that says nothing */
    const uint8_t *profile;    /* ICC; NULL: none */
    size_t profile_size;
    int code_primaries, code_transfer; /* ITU-T H.273 codes (cICP, nclx); 0: none. They override the profile */
    double gamma;                      /* encoding exponent (1 / 2.2); 0: none */
    bool has_primaries;
    double primaries[8]; /* x, y of white, red, green, blue */
} colour_source;

typedef struct colour_layout {
    int width;
    int bands; /* 1, 3, or 4 with ink; one more with alpha */
    int bits;  /* 8, or 16 in native byte order */
    bool alpha;
    bool ink; /* CMYK, 0: no ink */
} colour_layout;

typedef struct colour colour;

/* `fallback`: a profile for ink without a usable profile. */
rap_status colour_open(colour **out, const colour_layout *layout, const colour_source *source,
                       const uint8_t *fallback, size_t fallback_size, rap_err *err);
/* rgb [width, 3] */
void colour_row(uint8_t *rgb, colour *c, const void *samples);
void colour_close(colour *c); /* NULL-safe */

#endif
