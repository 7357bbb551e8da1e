/* photograph.h: does a picture look like a photograph, rather than a drawing? For remarks: it takes few drawings for
 * photographs, and misses some photographs.
 *
 * Texture and noise make brightness rise and fall a little nearly everywhere; in a drawing it does so where something
 * ends, and strongly. Measured: of 750 toy pictures (three sets) it takes none for a photograph, of 77 photographs of
 * objects (DreamBooth without its cartoon) it finds 53, of 11 other photographs 8. */
#ifndef RAP_IMAGE_PHOTOGRAPH_H
#define RAP_IMAGE_PHOTOGRAPH_H

#include "image/image.h"

/* False also when memory runs out, and for pictures under 80 pixels. */
bool image_is_photograph(const image *im);

#endif
