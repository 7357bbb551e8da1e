/* apart.h: the protocol between this library and rap-decode, over one socket: a request with a name and the
 * file's bytes; then a reply with the pixels or an error text. Both sides come from the same build and run
 * on the same machine. */
#ifndef RAP_IMAGE_APART_H
#define RAP_IMAGE_APART_H

#include <stdint.h>

#define APART_REQUEST 0x31504152u /* "RAP1" */
#define APART_REPLY 0x32504152u   /* "RAP2" */
enum { APART_SOCKET = 0, APART_SECONDS = 120 };
#define APART_MEMORY (IMAGE_MAX_MEMORY + (800u << 20)) /* including the picture itself, the file and the program */

typedef struct apart_request {
    uint32_t magic, name_size;
    uint64_t size;
} apart_request;

typedef struct apart_reply {
    uint32_t magic;
    int32_t status; /* a rap_status; text follows unless it is RAP_OK */
    int32_t width, height, full_width, full_height;
    uint32_t text_size;
} apart_reply;

#endif
