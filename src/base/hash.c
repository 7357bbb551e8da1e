/* hash.c: SHA-256 through nettle, which uses the processor's own instructions where it has them. */
#include "base/file.h"

#include <nettle/sha2.h>
#include <nettle/version.h>

void sha256_hex(char out[65], const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx context;

    sha256_init(&context);
    if (size)
        sha256_update(&context, size, bytes);
#if NETTLE_VERSION_MAJOR >= 4
    sha256_digest(&context, digest);
#else
    sha256_digest(&context, sizeof digest, digest);
#endif
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[64] = '\0';
}

rap_status file_sha256(char out[65], const char *path, rap_err *err)
{
    file_map map;
    rap_status status = file_map_open(&map, path, err);

    out[0] = '\0';
    if (status == RAP_OK)
        sha256_hex(out, map.data, map.size);
    file_map_close(&map);
    return status;
}
