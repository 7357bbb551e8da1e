/* torch_zip.h: the zip archive that torch.save writes, read with suspicion.
 *
 * Stored entries are handed out in place; deflated ones are inflated to exactly the size the archive
 * claims, together not much larger than the file. Names, sizes, places, overlaps and checksums are verified. */
#ifndef RAP_FORMATS_TORCH_ZIP_H
#define RAP_FORMATS_TORCH_ZIP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct torch_zip torch_zip;

rap_status torch_zip_open(torch_zip **out, const char *path, rap_err *err);
void torch_zip_close(torch_zip *z); /* NULL-safe */
const char *torch_zip_path(const torch_zip *z);

/* The bytes of `name`, which stands below the archive's one top folder ("data.pkl", "data/0"), at most
 * `most`. Borrowed until close. RAP_E_FORMAT when it is not there, RAP_E_LIMIT when it is larger. */
rap_status torch_zip_read(torch_zip *z, const char *name, size_t most, const uint8_t **out,
                          size_t *out_size, rap_err *err);
int torch_zip_has(const torch_zip *z, const char *name);

#endif
