/* torch_zip.h: reads torch.save's zip archives without trusting them.
 *
 * Stored entries are returned in place; deflated ones are inflated to exactly the size the archive claims,
 * with a limit on the total. Names, sizes, offsets, overlaps and checksums are verified. */
#ifndef RAP_FORMATS_TORCH_ZIP_H
#define RAP_FORMATS_TORCH_ZIP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct torch_zip torch_zip;

rap_status torch_zip_open(torch_zip **out, const char *path, rap_err *err);
void torch_zip_close(torch_zip *z); /* NULL-safe */
const char *torch_zip_path(const torch_zip *z);

/* The bytes of `name`, relative to the archive's one top folder ("data.pkl", "data/0"), at most `most`.
 * Borrowed until close. RAP_E_FORMAT if it does not exist, RAP_E_LIMIT if it is larger. */
rap_status torch_zip_read(torch_zip *z, const char *name, size_t most, const uint8_t **out,
                          size_t *out_size, rap_err *err);
int torch_zip_has(const torch_zip *z, const char *name);

#endif
