/* hash.c: SHA-256 through nettle, which uses the processor's own instructions where it has them, and a
 * sum that is as fast as memory. */
#include "base/hash.h"

#include "base/file.h"

#include <nettle/sha2.h>
#include <nettle/version.h>
#include <string.h>

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

/* Odd, with as many ones as zeros, far apart. */
#define HASH_FACTOR 0x9E3779B97F4A7C15u

/* One-to-one in `sum` for a given word and in the word for a given sum: one wrong word always shows. */
static uint64_t hash_word(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * HASH_FACTOR;
    return sum ^ sum >> 29;
}

uint64_t hash_fast(const void *bytes, size_t size, uint64_t seed)
{
    const unsigned char *from = bytes;
    uint64_t lane[4] = { seed, ~seed, seed ^ HASH_FACTOR, size }, word[4] = { 0 };

    for (; size >= sizeof word; from += sizeof word, size -= sizeof word) {
        memcpy(word, from, sizeof word);
        for (int i = 0; i < 4; i++) /* four chains side by side: none waits for another's product */
            lane[i] = hash_word(lane[i], word[i]);
    }
    memset(word, 0, sizeof word);
    if (size)
        memcpy(word, from, size);
    for (int i = 0; i < 4; i++)
        lane[i] = hash_word(lane[i], word[i]);
    return hash_word(hash_word(hash_word(lane[0], lane[1]), lane[2]), lane[3]);
}
